//! The two forms of a stream, and what stands in them beside messages.

use acklog_api::follow::{ERROR_EVENT, OPEN_EVENT, Open};
use bytes::Bytes;

use crate::contract::json;
use crate::contract::sse;
use crate::server::http::accepted::RequestKind;
use crate::server::http::problem::RequestProblem;

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::http) enum FollowForm {
    /// One object a line.
    Lines,
    /// Server-sent events.
    Events,
}

/// The first line of a stream of events.
const COMMENT: &str = "acklog";

/// Returns the beginning of a stream of events.
pub(super) fn opening(open: &Open) -> Bytes {
    let mut out = Vec::new();
    sse::write_opening(&mut out, COMMENT);
    sse::write_event(&mut out, (Some(OPEN_EVENT), None), open);
    out.into()
}

/// Returns a whole stream that tells nothing but why it ends.
pub(in crate::server::http) fn error_stream(form: FollowForm, problem: RequestProblem) -> Bytes {
    let mut out = Vec::new();
    if form == FollowForm::Events {
        sse::write_opening(&mut out, COMMENT);
    }
    out.extend_from_slice(&error_event(form, problem));
    out.into()
}

/// Returns what is sent to a client that may be gone, to find out: readers skip it.
pub(super) fn probe(form: FollowForm) -> Bytes {
    match form {
        // White space between two values.
        FollowForm::Lines => Bytes::from_static(b" "),
        FollowForm::Events => sse::comment(),
    }
}

/// Returns how a stream tells why it ends.
pub(super) fn error_event(form: FollowForm, problem: RequestProblem) -> Bytes {
    let problem = problem.body(RequestKind::Idempotent);
    let mut out = Vec::new();
    match form {
        FollowForm::Lines => json::write_on_one_line(&mut out, &problem),
        FollowForm::Events => {
            sse::write_name(&mut out, ERROR_EVENT);
            sse::write_data(&mut out, &problem);
        }
    }
    out.into()
}
