//! The body of an append stream.

use acklog::server::http::parsing::{LineSplitter, StreamLine, append_line};

use super::body::{MESSAGE_BYTES_MAX, check_detail, check_texts, check_wait};
use crate::bytes_in::BytesIn;

/// A line as both ways of splitting find it; none where it is too long.
type FoundLine = Option<Vec<u8>>;

/// Checks that a body has the same lines however it is cut into pieces, that these are the lines
/// that a split of the whole body finds, that no more is kept than a line may have, and that what
/// is parsed of them is what a general parser finds.
pub fn stream(data: &[u8]) {
    let mut input = BytesIn::new(data);
    let line_bytes_max = input.one_of([0, 1, 20, 4096]);
    let piece_bytes = input.one_of([1, 2, 3, 7, 64, 4096]);
    let body = input.rest();
    let mut splitter = LineSplitter::new(line_bytes_max);
    let mut lines = Vec::new();
    for mut piece in body.chunks(piece_bytes) {
        while let Some(line) = splitter.next(&mut piece) {
            lines.push(found(line));
        }
        assert!(splitter.partial_bytes() <= line_bytes_max + 1, "more is kept than a line");
    }
    lines.extend(splitter.last().map(found));
    assert_eq!(lines, split_at_once(body, line_bytes_max));
    for line in lines.into_iter().flatten().filter(|line| !line.is_empty()) {
        match append_line(&line, MESSAGE_BYTES_MAX) {
            Ok((batch, wait, _)) => {
                check_texts(&line, &batch.iter().collect::<Vec<_>>(), true);
                check_wait(&wait);
            }
            Err(detail) => check_detail(&detail),
        }
    }
}

/// Returns a line as it is compared. A blank one is empty.
fn found(line: StreamLine<'_>) -> FoundLine {
    match line {
        StreamLine::Body(line) => Some(line.to_vec()),
        StreamLine::Blank => Some(Vec::new()),
        StreamLine::TooLong => None,
    }
}

/// Splits a whole body.
fn split_at_once(body: &[u8], line_bytes_max: usize) -> Vec<FoundLine> {
    let mut lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    // Behind the last line end there is no line.
    lines.pop_if(|last| last.is_empty());
    let line = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_blank = line.iter().all(|byte| b" \t\r".contains(byte));
        (line.len() <= line_bytes_max).then(|| if is_blank { Vec::new() } else { line.to_vec() })
    };
    lines.into_iter().map(line).collect()
}
