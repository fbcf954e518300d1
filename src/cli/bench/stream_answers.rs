//! Parses the answer of an append stream from pieces of any size: its head, its chunks, its lines.
//!
//! As with single requests ([`response`](super::response)), a load generator must cost little: a
//! line that says that a message is stored is told by its first bytes, and only others are parsed.

use httparse::{EMPTY_HEADER, Status};
use serde_json::Value;

use super::engine::RequestFailure;
use super::response::refusal;

const HEADERS_MAX: usize = 32;

/// Longest head, chunk size or line, in bytes.
const PART_BYTES_MAX: usize = 1 << 20;

/// How a line of the answer begins that says that a message is stored: then comes its number.
const STORED: &[u8] = b"{\"line\":";

/// What follows the number.
const STORED_AFTER: &[u8] = b",\"id\":";

/// The part of the answer that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(usize),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The last chunk came.
    End,
}

/// The answer to one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineAnswer {
    /// The number of the line.
    pub(super) line: u64,
    pub(super) result: Result<(), RequestFailure>,
}

/// The answer of a stream as it arrives.
#[derive(Debug)]
pub(super) struct AnswerReader {
    part: Part,
    /// What came of the next part but a chunk.
    partial: Vec<u8>,
    /// What came of the chunks and is not a whole line.
    lines: Vec<u8>,
}

impl AnswerReader {
    pub(super) fn new() -> Self {
        Self { part: Part::Head, partial: Vec::new(), lines: Vec::new() }
    }

    /// Returns whether the whole answer has arrived.
    pub(super) fn is_over(&self) -> bool {
        self.part == Part::End
    }

    /// Takes bytes, and calls `answered` for each line that is whole by them.
    ///
    /// # Errors
    /// When they are no answer to an append stream.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        mut answered: impl FnMut(LineAnswer),
    ) -> Result<(), RequestFailure> {
        while !bytes.is_empty() && !self.is_over() {
            match self.part {
                Part::Head => self.take_head(&mut bytes)?,
                Part::ChunkSize => self.take_size(&mut bytes)?,
                Part::Chunk(left) => {
                    let count = left.min(bytes.len());
                    let (data, rest) = bytes.split_at(count);
                    self.lines.extend_from_slice(data);
                    bytes = rest;
                    self.part =
                        if count < left { Part::Chunk(left - count) } else { Part::ChunkEnd };
                }
                Part::ChunkEnd => {
                    let end = memchr::memchr(b'\n', bytes);
                    bytes = end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default();
                    if end.is_some() {
                        self.part = Part::ChunkSize;
                    }
                }
                Part::End => {}
            }
        }
        self.take_lines(&mut answered)
    }

    fn take_head(&mut self, bytes: &mut &[u8]) -> Result<(), RequestFailure> {
        let before = self.partial.len();
        self.extend_partial(bytes)?;
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let end = match response.parse(&self.partial) {
            Ok(Status::Complete(end)) => end,
            Ok(Status::Partial) => {
                *bytes = &[];
                return Ok(());
            }
            Err(error) => return unsupported(&format!("the answer is no HTTP/1.1: {error}")),
        };
        let status = response.code.unwrap_or_default();
        let is_chunked = response.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("transfer-encoding") && header.value == b"chunked"
        });
        match (status, is_chunked) {
            (100..200, _) => {}
            (200, true) => self.part = Part::ChunkSize,
            (200, false) => return unsupported("the answer does not come in chunks"),
            _ => return Err(refusal(status, self.partial.get(end..).unwrap_or_default())),
        }
        *bytes = bytes.get(end - before..).unwrap_or_default();
        self.partial.clear();
        Ok(())
    }

    fn take_size(&mut self, bytes: &mut &[u8]) -> Result<(), RequestFailure> {
        let before = self.partial.len();
        self.extend_partial(bytes)?;
        match httparse::parse_chunk_size(&self.partial) {
            Ok(Status::Complete((end, size))) => {
                self.part = if size == 0 { Part::End } else { Part::Chunk(size as usize) };
                *bytes = bytes.get(end - before..).unwrap_or_default();
                self.partial.clear();
                Ok(())
            }
            Ok(Status::Partial) => {
                *bytes = &[];
                Ok(())
            }
            Err(_) => unsupported("the answer has a chunk without a size"),
        }
    }

    fn extend_partial(&mut self, bytes: &[u8]) -> Result<(), RequestFailure> {
        if self.partial.len() + bytes.len() > PART_BYTES_MAX {
            return unsupported("a part of the answer is longer than 1 MiB");
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn take_lines(&mut self, answered: &mut impl FnMut(LineAnswer)) -> Result<(), RequestFailure> {
        let mut at = 0;
        while let Some(rest) = self.lines.get(at..)
            && let Some(length) = memchr::memchr(b'\n', rest)
        {
            answered(answer(rest.get(..length).unwrap_or_default())?);
            at += length + 1;
        }
        self.lines.drain(..at);
        if self.lines.len() > PART_BYTES_MAX {
            return unsupported("a line of the answer is longer than 1 MiB");
        }
        Ok(())
    }
}

/// Reads a line of the answer.
fn answer(line: &[u8]) -> Result<LineAnswer, RequestFailure> {
    if let Some(number) = stored(line) {
        return Ok(LineAnswer { line: number, result: Ok(()) });
    }
    let problem: Value = serde_json::from_slice(line).unwrap_or_default();
    let Some(number) = problem.get("line").and_then(Value::as_u64) else {
        return unsupported("an answer does not name its line");
    };
    let status = problem.get("status").and_then(Value::as_u64).unwrap_or_default() as u16;
    Ok(LineAnswer { line: number, result: Err(refusal(status, line)) })
}

/// Returns the number of a line that says that a message is stored, written as a node writes it.
fn stored(line: &[u8]) -> Option<u64> {
    let rest = line.trim_ascii_start().strip_prefix(STORED)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(digits..).filter(|rest| rest.starts_with(STORED_AFTER))?;
    let value = |number: u64, digit: &u8| number * 10 + u64::from(digit - b'0');
    (1..=18).contains(&digits).then(|| rest.iter().take(digits).fold(0, value))
}

fn unsupported<T>(why: &str) -> Result<T, RequestFailure> {
    Err(RequestFailure::Other(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer whose chunks end where lines do not.
    fn whole() -> Vec<u8> {
        let head = "HTTP/1.1 100 Continue\r\n\r\n\
                    HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = [
            "{\"line\":12,\"id\":3,\"ackedBy\":[\"master\"]}",
            "\n",
            " ",
            "{\"title\":\"Conflict\",\"status\":409,\"detail\":\"no\",\"line\":13}\n{\"line",
            "\":0,\"id\":4}",
            "\n",
            "",
        ];
        let chunk = |data: &str| format!("{:x}\r\n{data}\r\n", data.len());
        (head.to_owned() + &chunks.map(chunk).concat()).into_bytes()
    }

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        let refused = RequestFailure::Refused {
            kind: "409 Conflict".to_owned(),
            detail: Some("no".to_owned()),
        };
        let expected = [
            LineAnswer { line: 12, result: Ok(()) },
            LineAnswer { line: 13, result: Err(refused) },
            LineAnswer { line: 0, result: Ok(()) },
        ];
        let whole = whole();
        for piece in 1..=whole.len() {
            let (mut reader, mut answers) = (AnswerReader::new(), Vec::new());
            for bytes in whole.chunks(piece) {
                reader.take(bytes, |answer| answers.push(answer)).unwrap();
            }
            assert_eq!(answers, expected, "in pieces of {piece}");
            assert!(reader.is_over());
        }
    }

    #[test]
    fn what_is_no_stream_of_answers_is_refused_in_plain_words() {
        let refused = |bytes: &str| {
            AnswerReader::new().take(bytes.as_bytes(), |_| {}).unwrap_err().to_string()
        };
        let refusal = "HTTP/1.1 405 Method Not Allowed\r\n\r\n{\"title\":\"Not so\"}";
        assert_eq!(refused(refusal), "405 Not so");
        assert!(refused("SSH-2.0\r\n\r\n").contains("no HTTP/1.1"));
        assert!(refused("HTTP/1.1 200 OK\r\n\r\n").contains("chunks"));
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(refused(&format!("{head}x\r\n")).contains("size"));
        assert!(refused(&format!("{head}3\r\n{{}}\n\r\n")).contains("its line"));
    }
}
