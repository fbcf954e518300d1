//! Reads answers of HTTP/1.1, however they are cut into pieces: the status, and a body of a known length.
//!
//! No more than that, since what measures must cost little: an answer in chunks or without a length is refused.

use httparse::{EMPTY_HEADER, Header, Status};

use super::engine::Failure;

/// What a usual answer fits into.
const ROOM: usize = 4 << 10;

/// Longest answer: one that names 255 secondaries is far below it.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const HEADERS_MAX: usize = 32;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// Whether the server closes the connection behind it.
    pub(super) is_last: bool,
    pub(super) body: &'a [u8],
}

/// What is known once the head is there.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    is_last: bool,
    body: usize,
    end: usize,
}

/// The bytes of one answer as they come. Used again for the next one.
pub(super) struct AnswerReader {
    bytes: Vec<u8>,
    filled: usize,
    head: Option<Head>,
}

impl AnswerReader {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; ROOM], filled: 0, head: None }
    }

    /// Forgets the answer, so that the next one can be read.
    pub(super) fn clear(&mut self) {
        (self.filled, self.head) = (0, None);
    }

    /// Where the next bytes go; never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note of so many bytes that came; returns the answer once it is whole.
    ///
    /// # Errors
    /// When it is none, or one that is not read here.
    pub(super) fn take(&mut self, count: usize) -> Result<Option<Answer<'_>>, Failure> {
        self.filled += count;
        let head = loop {
            let bytes = self.bytes.get(..self.filled).unwrap_or_default();
            let head = match self.head {
                Some(head) => Some(head),
                None => head(bytes)?,
            };
            match head {
                // An interim answer: the real one follows.
                Some(Head { status: 100 | 102..=199, end, .. }) => {
                    self.bytes.copy_within(end..self.filled, 0);
                    self.filled -= end;
                }
                head => break head,
            }
        };
        self.head = head;
        let whole = head.map_or(self.filled + 1, |head| head.end);
        if whole > ANSWER_BYTES_MAX {
            return unusable("an answer is longer than 1 MiB");
        }
        if self.filled > whole {
            return unusable("more than one answer came to one request");
        }
        Ok(head.filter(|_| self.filled == whole).map(|head| Answer {
            status: head.status,
            is_last: head.is_last,
            body: self.bytes.get(head.body..head.end).unwrap_or_default(),
        }))
    }
}

fn unusable<T>(why: &str) -> Result<T, Failure> {
    Err(Failure::Other(why.to_owned()))
}

/// Reads the head of an answer, if all of it is there.
fn head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let body = match response.parse(bytes) {
        Ok(Status::Complete(body)) => body,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return unusable(&format!("an answer is no HTTP/1.1: {error}")),
    };
    let status = response.code.unwrap_or_default();
    let length = length(status, response.headers)?;
    let says = |word| connection_says(response.headers, word);
    let is_last = says("close") || (response.version == Some(0) && !says("keep-alive"));
    Ok(Some(Head { status, is_last, body, end: body.saturating_add(length) }))
}

/// How long the body is.
fn length(status: u16, headers: &[Header<'_>]) -> Result<usize, Failure> {
    if status < 200 || matches!(status, 204 | 304) {
        return Ok(0);
    }
    let named = |name: &str| {
        let name = name.to_owned();
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(&name))
    };
    if named("transfer-encoding").next().is_some() {
        return unusable("an answer comes in chunks, which is not read here");
    }
    let mut lengths = named("content-length").map(|header| header.value.trim_ascii());
    let Some(first) = lengths.next() else {
        return unusable("an answer has no Content-Length, without which it is not read here");
    };
    let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(first).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    match length {
        Some(length) if lengths.all(|other| other == first) => Ok(length),
        _ => unusable("an answer has a Content-Length that is no number"),
    }
}

fn connection_says(headers: &[Header<'_>], word: &str) -> bool {
    let values = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    values
        .flat_map(|header| header.value.split(|&byte| byte == b','))
        .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
