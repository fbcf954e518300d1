//! Server-sent events: the lines of `text/event-stream`.
//!
//! Every value that is written stands in one line: data is JSON without a line feed, and the
//! characters U+0085, U+2028 and U+2029, at which some readers split lines too, are escaped in it.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

/// Bytes of each character that ends a line for some readers, and its escape in a JSON string.
const LINE_ENDS: [(&[u8], &[u8]); 3] = [
    ("\u{85}".as_bytes(), b"\\u0085"),
    ("\u{2028}".as_bytes(), b"\\u2028"),
    ("\u{2029}".as_bytes(), b"\\u2029"),
];

/// Appends a comment, which readers ignore; empty, it only shows that the node is there.
pub(super) fn write_comment(out: &mut Vec<u8>, text: &str) {
    write_line(out, "", text);
    out.push(b'\n');
}

/// Appends the time that a reader waits before it connects again, in milliseconds.
pub(super) fn write_retry(out: &mut Vec<u8>, ms: u32) {
    write_line(out, "retry", ms);
    out.push(b'\n');
}

/// Appends an event, with a name and an id where it has them; its data is the value as JSON.
///
/// # Panics
/// When the value has no JSON form.
pub(super) fn write_event(
    out: &mut Vec<u8>,
    (name, id): (Option<&str>, Option<u64>),
    data: &impl Serialize,
) {
    if let Some(name) = name {
        write_line(out, "event", name);
    }
    if let Some(id) = id {
        write_line(out, "id", id);
    }
    out.extend_from_slice(b"data: ");
    let json = serde_json::to_vec(data).expect("numbers and strings always have a JSON form");
    write_without_line_ends(out, &json);
    out.extend_from_slice(b"\n\n");
}

fn write_line(out: &mut Vec<u8>, field: &str, value: impl Display) {
    writeln!(out, "{field}: {value}").expect("memory takes everything");
}

/// Appends JSON in which no reader sees the end of a line. Outside of its strings JSON has none of
/// these characters.
fn write_without_line_ends(out: &mut Vec<u8>, mut json: &[u8]) {
    while let Some(byte) = json.first() {
        // The first bytes of the three; whatever else begins with them is copied.
        if matches!(byte, 0xc2 | 0xe2)
            && let Some((end, escape)) = LINE_ENDS.iter().find(|(end, _)| json.starts_with(end))
        {
            out.extend_from_slice(escape);
            json = json.get(end.len()..).unwrap_or_default();
            continue;
        }
        let plain = json.iter().skip(1).position(|byte| matches!(byte, 0xc2 | 0xe2));
        let (copied, rest) = json.split_at(plain.map_or(json.len(), |plain| plain + 1));
        out.extend_from_slice(copied);
        json = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_fields_each_in_a_line() {
        let mut out = Vec::new();
        write_comment(&mut out, "hello");
        write_retry(&mut out, 1000);
        write_event(&mut out, (None, Some(7)), &"text");
        write_event(&mut out, (Some("sampled"), None), &[1, 2]);
        let expected = ": hello\n\nretry: 1000\n\nid: 7\ndata: \"text\"\n\n\
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
