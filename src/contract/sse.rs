//! Server-sent events: the lines of `text/event-stream`.
//!
//! Every value that is written stands in one line: data is JSON without a line feed, and the
//! characters U+0085, U+2028 and U+2029, at which some readers split lines too, are escaped in it.

use std::fmt::Display;
use std::io::Write;

use acklog_api::follow::RETRY_MS;
use acklog_api::headers;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::json::write_on_one_line;

/// The content type of a stream of events.
pub(crate) const TEXT_EVENT_STREAM: HeaderValue =
    HeaderValue::from_static(headers::TEXT_EVENT_STREAM);

/// The header with the id of the last event that a reader got.
static LAST_EVENT_ID: HeaderName = HeaderName::from_static(headers::LAST_EVENT_ID);

/// Returns the id of the last event that a reader got; none where it names none of this form.
pub(crate) fn last_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(&LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

/// Returns a comment that only shows that the node is there, or finds out whether the reader is.
pub(crate) fn comment() -> Bytes {
    Bytes::from_static(b": \n\n")
}

/// Appends the beginning of a stream: a comment, and the time that a reader waits before it
/// connects again.
pub(crate) fn write_opening(out: &mut Vec<u8>, comment: &str) {
    write_line(out, "", comment);
    write_line(out, "retry", RETRY_MS);
    out.push(b'\n');
}

/// Appends an event, with a name and an id where it has them; its data is the value as JSON.
///
/// # Panics
/// When the value has no JSON form.
pub(crate) fn write_event(
    out: &mut Vec<u8>,
    (name, id): (Option<&str>, Option<u64>),
    data: &impl Serialize,
) {
    if let Some(name) = name {
        write_name(out, name);
    }
    if let Some(id) = id {
        write_line(out, "id", id);
    }
    let json = serde_json::to_vec(data).expect("numbers and strings always have a JSON form");
    write_data(out, &json);
}

/// Returns an event without an id; its data is the value as JSON.
///
/// # Panics
/// As [`write_event`].
pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    write_event(&mut out, (Some(name), None), data);
    out.into()
}

/// Returns an event that has no name without the line of its id, if it has one.
pub(crate) fn without_id(event: &[u8]) -> &[u8] {
    let behind = |at| event.get(at + 1..);
    match event.starts_with(b"id:") {
        true => event.iter().position(|byte| *byte == b'\n').and_then(behind).unwrap_or(event),
        false => event,
    }
}

/// Appends the name of an event, before its data.
pub(crate) fn write_name(out: &mut Vec<u8>, name: &str) {
    write_line(out, "event", name);
}

/// Appends the data of an event, which is JSON, and ends the event.
pub(crate) fn write_data(out: &mut Vec<u8>, json: &[u8]) {
    out.extend_from_slice(b"data: ");
    write_on_one_line(out, json.trim_ascii_end());
    out.extend_from_slice(b"\n\n");
}

fn write_line(out: &mut Vec<u8>, field: &str, value: impl Display) {
    writeln!(out, "{field}: {value}").expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_fields_each_in_a_line() {
        let mut out = Vec::new();
        write_opening(&mut out, "hello");
        out.extend_from_slice(&comment());
        write_event(&mut out, (None, Some(7)), &"text");
        write_event(&mut out, (Some("sampled"), None), &[1, 2]);
        assert_eq!(event("sampled", &[1, 2]), &out[out.len() - 28..]);
        assert_eq!(without_id(b"id: 7\ndata: 1\n\n"), b"data: 1\n\n");
        assert_eq!(without_id(b"data: 1\n\n"), b"data: 1\n\n");
        let expected = ": hello\nretry: 1000\n\n: \n\nid: 7\ndata: \"text\"\n\n\
            event: sampled\ndata: [1,2]\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn no_reader_sees_the_end_of_a_line_in_data() {
        let text = "é\u{85}a\u{2028}\u{2029}â\u{2027}\u{80}\r\n\u{c2}\u{2028}";
        let mut out = Vec::new();
        write_event(&mut out, (None, None), &text);
        let written = String::from_utf8(out).unwrap();
        let data = written.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!data.contains(['\u{85}', '\u{2028}', '\u{2029}', '\r', '\n']), "{data:?}");
        assert_eq!(serde_json::from_str::<String>(data).unwrap(), text);
    }
}
