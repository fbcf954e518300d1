//! Parses HTTP/1.1 responses from pieces of any size: the status, and a body of a known length.
//!
//! A load generator must cost little, so it does no more than that: a response that is chunked or
//! has no length is refused.

use acklog_types::escaped;
use httparse::{EMPTY_HEADER, Header, Status};
use serde_json::Value;

use super::engine::RequestFailure;

/// Bytes that hold a usual response.
const USUAL_BYTES: usize = 4 << 10;

/// Longest response, in bytes. One that names 255 secondaries is far shorter.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

const HEADERS_MAX: usize = 32;

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawResponse<'a> {
    pub(super) status: u16,
    /// Whether the server closes the connection after it.
    pub(super) is_last: bool,
    pub(super) body: &'a [u8],
}

/// The parsed head of a response.
#[derive(Clone, Copy, Debug)]
struct ResponseHead {
    status: u16,
    is_last: bool,
    body: usize,
    end: usize,
}

/// The bytes of one response as they arrive. Reused for the next one.
pub(super) struct ResponseReader {
    bytes: Vec<u8>,
    filled: usize,
    head: Option<ResponseHead>,
}

impl ResponseReader {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; USUAL_BYTES], filled: 0, head: None }
    }

    /// Drops the response, so that the next one can be read.
    pub(super) fn clear(&mut self) {
        (self.filled, self.head) = (0, None);
    }

    /// Returns where the next bytes go; never empty.
    pub(super) fn free_bytes(&mut self) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes `count` bytes that were read into [`free_bytes`](Self::free_bytes); returns the
    /// response once it is whole.
    ///
    /// # Errors
    /// When the bytes are no HTTP/1.1 response, or one that is not supported here.
    pub(super) fn take(&mut self, count: usize) -> Result<Option<RawResponse<'_>>, RequestFailure> {
        self.filled += count;
        let head = loop {
            let bytes = self.bytes.get(..self.filled).unwrap_or_default();
            let head = match self.head {
                Some(head) => Some(head),
                None => head(bytes)?,
            };
            match head {
                // An interim response: the final one follows.
                Some(ResponseHead { status: 100 | 102..=199, end, .. }) => {
                    self.bytes.copy_within(end..self.filled, 0);
                    self.filled -= end;
                }
                head => break head,
            }
        };
        self.head = head;
        let whole = head.map_or(self.filled + 1, |head| head.end);
        if whole > RESPONSE_BYTES_MAX {
            return unsupported("an answer is longer than 1 MiB");
        }
        if self.filled > whole {
            return unsupported("more than one answer came to one request");
        }
        Ok(head.filter(|_| self.filled == whole).map(|head| RawResponse {
            status: head.status,
            is_last: head.is_last,
            body: self.bytes.get(head.body..head.end).unwrap_or_default(),
        }))
    }
}

/// Returns the failure of a request that was answered with this status and body.
pub(super) fn refusal(status: u16, body: &[u8]) -> RequestFailure {
    // A proxy may answer with only some members of a problem.
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = |member| problem.get(member).and_then(Value::as_str);
    let reason = hyper::StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let title = said("title").or(reason).unwrap_or_default();
    let kind = escaped(format!("{status} {title}").trim_end()).into_owned();
    let detail = said("detail").map(|detail| escaped(detail).into_owned());
    RequestFailure::Refused { kind, detail }
}

fn unsupported<T>(why: &str) -> Result<T, RequestFailure> {
    Err(RequestFailure::Other(why.to_owned()))
}

/// Parses the head of a response; `None` until all of it has arrived.
fn head(bytes: &[u8]) -> Result<Option<ResponseHead>, RequestFailure> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let body = match response.parse(bytes) {
        Ok(Status::Complete(body)) => body,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return unsupported(&format!("an answer is no HTTP/1.1: {error}")),
    };
    let status = response.code.unwrap_or_default();
    let length = length(status, response.headers)?;
    let says = |word| connection_says(response.headers, word);
    let is_last = says("close") || (response.version == Some(0) && !says("keep-alive"));
    Ok(Some(ResponseHead { status, is_last, body, end: body.saturating_add(length) }))
}

/// Returns the length of the body, in bytes.
fn length(status: u16, headers: &[Header<'_>]) -> Result<usize, RequestFailure> {
    if status < 200 || matches!(status, 204 | 304) {
        return Ok(0);
    }
    if values(headers, "transfer-encoding").next().is_some() {
        return unsupported("an answer comes in chunks, which is not read here");
    }
    let mut lengths = values(headers, "content-length");
    let Some(first) = lengths.next() else {
        return unsupported("an answer has no Content-Length, without which it is not read here");
    };
    let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(first).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    match length {
        Some(length) if lengths.all(|other| other == first) => Ok(length),
        _ => unsupported("an answer has a Content-Length that is no number"),
    }
}

fn connection_says(headers: &[Header<'_>], word: &str) -> bool {
    values(headers, "connection")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response's status, its body, and whether it is the last.
    type Owned = (u16, Vec<u8>, bool);

    /// Returns what is known after each of these pieces.
    fn read(pieces: &[&[u8]]) -> Result<Vec<Option<Owned>>, RequestFailure> {
        let mut reader = ResponseReader::new();
        // Earlier responses must not matter.
        for _ in 0..2 {
            reader.clear();
            let free_bytes = reader.free_bytes();
            free_bytes[..5].copy_from_slice(b"HTTP/");
            reader.take(5)?;
        }
        reader.clear();
        let mut known = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let free_bytes = reader.free_bytes();
                let count = free_bytes.len().min(rest.len());
                free_bytes[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                let response = reader.take(count)?;
                let owned = response
                    .map(|response| (response.status, response.body.to_vec(), response.is_last));
                if rest.is_empty() {
                    known.push(owned);
                }
            }
        }
        Ok(known)
    }

    fn whole(response: &str) -> Result<Owned, RequestFailure> {
        read(&[response.as_bytes()]).map(|known| known[0].clone().expect("it is whole"))
    }

    fn refusal(response: &str) -> String {
        read(&[response.as_bytes()]).unwrap_err().to_string()
    }

    const CREATED: &str = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\
                           content-length: 8\r\nlocation: /messages/3\r\n\r\n{\"id\":3}";

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        let expected = Some((201, br#"{"id":3}"#.to_vec(), false));
        let bytes = CREATED.as_bytes();
        for first in 1..bytes.len() {
            for second in first..bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let known = read(&pieces).unwrap();
                let (last, before) = known.split_last().unwrap();
                assert_eq!(*last, expected, "cut at {first} and {second}");
                assert!(before.iter().all(Option::is_none), "cut at {first} and {second}");
            }
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(read(&single).unwrap().pop().unwrap(), expected);
    }

    #[test]
    fn interim_answers_are_passed_over_however_they_are_cut() {
        let text =
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\n{CREATED}");
        let bytes = text.as_bytes();
        for cut in 1..bytes.len() {
            let known = read(&[&bytes[..cut], &bytes[cut..]]).unwrap();
            assert_eq!(known[0], None, "cut at {cut}");
            assert_eq!(known[1].as_ref().unwrap().0, 201, "cut at {cut}");
        }
    }

    #[test]
    fn a_long_answer_makes_room_for_itself() {
        let body = "b".repeat(3 * USUAL_BYTES);
        let text =
            format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(whole(&text).unwrap(), (400, body.into_bytes(), false));
        let endless = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert_eq!(refusal(endless), "an answer is longer than 1 MiB");
    }

    #[test]
    fn a_server_that_closes_says_so_in_one_of_these_ways() {
        let is_last = |head: &str| whole(&format!("{head}Content-Length: 0\r\n\r\n")).unwrap().2;
        assert!(!is_last("HTTP/1.1 200 OK\r\n"));
        assert!(is_last("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n"));
        assert!(is_last("HTTP/1.0 200 OK\r\n"));
        assert!(!is_last("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"));
    }

    #[test]
    fn an_answer_that_has_no_body_needs_no_length() {
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), (204, Vec::new(), false));
    }

    #[test]
    fn what_is_not_read_here_is_refused_in_plain_words() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(refusal(chunked).contains("chunks"));
        assert!(refusal("HTTP/1.1 200 OK\r\n\r\n").contains("no Content-Length"));
        for length in ["", "-1", "+1", "1 2", "x", "99999999999999999999"] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            assert!(refusal(&text).contains("no number"), "{length:?}");
        }
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
        assert!(refusal(twice).contains("no number"));
        assert!(refusal(&format!("{CREATED}{CREATED}")).contains("more than one answer"));
        assert!(refusal("SSH-2.0-OpenSSH_9.2\r\n").contains("no HTTP/1.1"));
    }
}
