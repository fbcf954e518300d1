//! Answers to bytes that are not a request.
//!
//! hyper answers what it cannot parse with a status and no body. Here such an answer is replaced by
//! a problem on its way to the socket.

use std::sync::LazyLock;

use hyper::StatusCode;

use super::HEAD_BYTES_MAX;
use crate::server::http::accepted::RequestKind;
use crate::server::http::paths::Path;
use crate::server::http::problem::RequestProblem;

/// An answer in place of one of hyper's own, which begins like this and has no body.
struct ReplacedAnswer {
    begins: &'static str,
    status: StatusCode,
    /// To an append, which has the outcome too.
    of_append: Vec<u8>,
    of_other: Vec<u8>,
}

/// Bytes that are not a request, and the answer to them.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::http) struct RefusedBytes {
    /// The answer.
    pub(super) answer: &'static [u8],
    /// Its status.
    pub(in crate::server::http) status: StatusCode,
    /// Whether they began as an append.
    pub(in crate::server::http) is_append: bool,
}

/// The answers to bytes that are not a request.
static REFUSALS: LazyLock<[ReplacedAnswer; 4]> = LazyLock::new(|| {
    let refusal = |begins, problem: fn() -> RequestProblem| ReplacedAnswer {
        begins,
        status: problem().status(),
        of_append: problem().sent(RequestKind::Append { keyed: false }),
        of_other: problem().sent(RequestKind::Idempotent),
    };
    [
        refusal("HTTP/1.1 4", || RequestProblem::LengthTooLong),
        refusal("HTTP/1.1 400 ", || RequestProblem::NoRequest),
        refusal("HTTP/1.1 414 ", || RequestProblem::TargetTooLong),
        refusal("HTTP/1.1 431 ", || RequestProblem::HeadTooLong),
    ]
});

/// The first bytes of a client that speaks HTTP/2 without negotiation.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The longest body that hyper reads, in bytes: the two numbers above it have a special meaning.
const LENGTH_MAX: &[u8] = b"18446744073709551613";

/// Capacity that is kept for the next head on a connection, in bytes. Less: memory is allocated
/// again for usual heads. More: each idle connection holds it.
const ROOM_BYTES_KEPT: usize = 1024;

/// Most bytes that are recorded at once: what hyper reads before it refuses a head.
const NOTED_BYTES_MAX: usize = 2 * HEAD_BYTES_MAX;

/// The head of the next request, as far as it has arrived, and what arrived with it. It is parsed
/// only when hyper refuses it, since that is rare and each request would pay for it.
#[derive(Debug)]
pub(super) struct RequestHead {
    bytes: Vec<u8>,
    /// The number of bytes of a body that come before it; none where only the body's chunks tell.
    body_left: Option<u64>,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self { bytes: Vec::new(), body_left: Some(0) }
    }
}

impl RequestHead {
    /// Records what arrived, without the body before it.
    pub(super) fn note(&mut self, fresh: &[u8]) {
        let Some(left) = &mut self.body_left else { return };
        let of_body = (fresh.len() as u64).min(*left);
        *left -= of_body;
        let fresh = fresh.get(of_body as usize..).unwrap_or_default();
        let room = NOTED_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(fresh.get(..room).unwrap_or(fresh));
    }

    /// Drops a head that hyper has read; what follows it and its body is the beginning of the next
    /// one.
    pub(super) fn was_read(&mut self, body_bytes: Option<u64>) {
        self.body_left = body_bytes;
        match (head_bytes(&self.bytes), body_bytes) {
            (Some(end), Some(body)) => {
                let of_body = ((self.bytes.len() - end) as u64).min(body);
                self.bytes.drain(..end + of_body as usize);
                self.body_left = Some(body - of_body);
            }
            _ => {
                // With a body in chunks, it is not known how much of it arrived with the head.
                self.body_left = body_bytes.filter(|bytes| *bytes == 0);
                self.bytes.clear();
            }
        }
        if self.bytes.is_empty() && self.bytes.capacity() > ROOM_BYTES_KEPT {
            self.bytes = Vec::new();
        }
    }

    /// Notes that an answer is sent that begins with these bytes.
    pub(super) fn note_answer(&mut self, begin: &[u8]) {
        if !begin.starts_with(b"HTTP/1.1 1") {
            // A body in chunks has ended, or nothing follows it.
            self.body_left.get_or_insert(0);
        }
    }

    /// See [`ClientWatch::lacks_body`](super::ClientWatch::lacks_body).
    pub(super) fn lacks_body(&self) -> bool {
        self.body_left.is_some_and(|left| left > 0)
    }

    /// Returns the head without the empty lines that may stand before it.
    fn trimmed(&self) -> &[u8] {
        self.bytes.trim_ascii_start()
    }

    /// Returns whether it asks to append, as far as its first line tells.
    fn is_append(&self) -> bool {
        let Some(target) = self.trimmed().strip_prefix(b"POST ") else { return false };
        let target = target.split(|byte| matches!(byte, b'?' | b' ' | b'\r' | b'\n')).next();
        target.and_then(|target| str::from_utf8(target).ok()).is_some_and(|target| {
            // A whole URL, as for a proxy.
            let path = target.split_once("://").map_or(target, |(_, rest)| {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default()
            });
            Path::parse(path).is_some_and(Path::takes_messages)
        })
    }

    /// Returns whether all that arrived is a request line without its end. After a body in chunks,
    /// it may be another part of a head.
    fn is_part_of_line(&self) -> bool {
        let head = self.trimmed();
        let method = memchr::memchr(b' ', head).and_then(|end| head.get(..end));
        method.is_some_and(|method| method.iter().all(u8::is_ascii_alphabetic))
            && memchr::memchr(b'\n', head).is_none()
    }

    /// Returns whether it announces a body that is longer than any that hyper reads.
    fn is_length_too_long(&self) -> bool {
        let lines = self.trimmed().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.skip(1).take_while(|line| !line.is_empty()).any(is_length_too_long)
    }
}

/// Returns the length of the head at the front of the bytes, with the empty line at its end.
fn head_bytes(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut has_line) = (0, false);
    loop {
        let rest = bytes.get(at..)?;
        let line = rest.get(..memchr::memchr(b'\n', rest)?)?;
        at += line.len() + 1;
        let is_empty = matches!(line, b"" | b"\r");
        if is_empty && has_line {
            return Some(at);
        }
        has_line |= !is_empty;
    }
}

/// Returns whether a line of a head announces a body of a length beyond [`LENGTH_MAX`].
fn is_length_too_long(line: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let Some((name, value)) = line.split_at_checked(NAME.len()) else { return false };
    let value = value.trim_ascii();
    if !name.eq_ignore_ascii_case(NAME) || !value.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let zeros = value.iter().take_while(|digit| **digit == b'0').count();
    let digits = value.get(zeros..).unwrap_or_default();
    (digits.len(), digits) > (LENGTH_MAX.len(), LENGTH_MAX)
}

/// Returns what is sent in place of an answer of hyper's own: one without a body, and so without a
/// type. `head` is what arrived of the request.
pub(super) fn refusal(bytes: &[u8], head: &RequestHead) -> Option<RefusedBytes> {
    let is_bare = bytes.starts_with(b"HTTP/1.1 4")
        && memchr::memmem::find(bytes, b"\r\ncontent-length: 0\r\n").is_some();
    if !is_bare {
        return None;
    }
    let [length, bad, line, long] = &*REFUSALS;
    let is = |refusal: &ReplacedAnswer| bytes.starts_with(refusal.begins.as_bytes());
    let found = if is(length) && head.is_length_too_long() {
        length
    } else if is(bad) {
        bad
    } else if is(line) || is(long) && head.is_part_of_line() {
        line
    } else if is(long) {
        long
    } else {
        return None;
    };
    let is_append = head.is_append();
    let answer = if is_append { &found.of_append } else { &found.of_other };
    Some(RefusedBytes { answer, status: found.status, is_append })
}

/// Changes the first bytes of HTTP/2 so that hyper answers them: it would close the connection
/// without an answer, while it answers any other invalid line.
pub(super) fn misspell_http2(fresh: &mut [u8]) {
    if fresh.starts_with(HTTP2_PREFACE)
        && let Some(first) = fresh.first_mut()
    {
        *first = b'X';
    }
}
