//! The two forms of a stream, and what stands in them beside messages.

use acklog_api::follow::{ERROR_EVENT, OPEN_EVENT, Open, RETRY_MS};
use bytes::Bytes;
use serde::Serialize;

use crate::server::http::accepted::RequestKind;
use crate::server::http::json;
use crate::server::http::problem::RequestProblem;

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::http) enum FollowForm {
    /// One object a line.
    Lines,
    /// Server-sent events.
    Events,
}

/// Returns the beginning of a stream of events.
pub(super) fn opening(open: &Open) -> Bytes {
    let mut out = format!(": acklog\nretry: {RETRY_MS}\n\n").into_bytes();
    write_event(&mut out, OPEN_EVENT, &line(open));
    out.into()
}

/// Returns an event without an id: no reader continues behind it.
pub(super) fn event(name: &str, body: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    write_event(&mut out, name, &line(body));
    out.into()
}

/// Returns a value as JSON on one line, without a line feed.
fn line(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("numbers and strings always have a JSON form")
}

fn write_event(out: &mut Vec<u8>, name: &str, json: &[u8]) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    json::write_on_one_line(out, json.trim_ascii_end());
    out.extend_from_slice(b"\n\n");
}

/// Returns how a stream tells why it ends.
pub(in crate::server::http) fn error_event(form: FollowForm, problem: RequestProblem) -> Bytes {
    let problem = problem.body(RequestKind::Idempotent);
    let mut out = Vec::new();
    match form {
        FollowForm::Lines => json::write_on_one_line(&mut out, &problem),
        FollowForm::Events => write_event(&mut out, ERROR_EVENT, &problem),
    }
    out.into()
}
