//! Answers to what is no request.
//!
//! hyper answers what it cannot read by itself, with a status and no body. Here such an answer is
//! replaced by a problem on its way to the socket.

use std::sync::LazyLock;

use crate::http::connection::HEAD_BYTES_MAX;
use crate::http::problem::{Kind, Problem};
use crate::http::routes::takes_messages;

/// An answer in place of one of hyper's own, which begins like this and has no body.
struct Refusal {
    status: &'static str,
    /// To an append, which tells the outcome too.
    of_append: Vec<u8>,
    of_other: Vec<u8>,
}

/// The answers to what is no request.
static REFUSALS: LazyLock<[Refusal; 4]> = LazyLock::new(|| {
    let refusal = |status, problem: fn() -> Problem| Refusal {
        status,
        of_append: problem().sent(Kind::Append { keyed: false }),
        of_other: problem().sent(Kind::Idempotent),
    };
    [
        refusal("HTTP/1.1 4", || Problem::LengthTooLong),
        refusal("HTTP/1.1 400 ", || Problem::NoRequest),
        refusal("HTTP/1.1 414 ", || Problem::TargetTooLong),
        refusal("HTTP/1.1 431 ", || Problem::HeadTooLong),
    ]
});

/// How a client begins that speaks HTTP/2 without asking.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The longest body that hyper reads, in bytes: the two numbers above it have a meaning of their own.
const LENGTH_MAX: &[u8] = b"18446744073709551613";

/// Room that is kept for the next head on a connection, in bytes. Less: room is taken anew for usual
/// heads. More: each idle connection holds it.
const ROOM_BYTES_KEPT: usize = 1024;

/// What came of a request since the last answer: its head, and what else came with it. It is looked
/// into only when hyper refuses it, since that is rare and each request would pay for the look.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Notes what came, up to the length at which hyper refuses a head.
    pub(super) fn note(&mut self, fresh: &[u8]) {
        let room = HEAD_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(fresh.get(..room).unwrap_or(fresh));
    }

    /// Forgets a head that was answered.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > ROOM_BYTES_KEPT {
            self.bytes = Vec::new();
        }
    }

    /// Whether it asks to append, as far as its first line tells.
    fn is_append(&self) -> bool {
        let line = self.bytes.trim_ascii_start();
        let Some(target) = line.strip_prefix(b"POST ") else { return false };
        let path = target.split(|byte| matches!(byte, b'?' | b' ' | b'\r' | b'\n')).next();
        path.and_then(|path| str::from_utf8(path).ok()).is_some_and(takes_messages)
    }

    /// Whether the end of the request line came.
    fn has_line(&self) -> bool {
        memchr::memchr(b'\n', &self.bytes).is_some()
    }

    /// Whether it announces a body that is longer than any that hyper reads.
    fn is_length_too_long(&self) -> bool {
        let lines = self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.skip(1).take_while(|line| !line.is_empty()).any(is_length_too_long)
    }
}

/// Whether a line of a head announces a body of a length beyond [`LENGTH_MAX`].
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

/// Returns what is sent in place of an answer of hyper's own: one without a body, that is, and so
/// without a type. `head` is what came of the request.
pub(super) fn refusal(bytes: &[u8], head: &Head) -> Option<&'static [u8]> {
    let is_bare = bytes.starts_with(b"HTTP/1.1 4")
        && memchr::memmem::find(bytes, b"\r\ncontent-length: 0\r\n").is_some();
    if !is_bare {
        return None;
    }
    let [length, bad, line, long] = &*REFUSALS;
    let is = |refusal: &Refusal| bytes.starts_with(refusal.status.as_bytes());
    let found = match head.has_line() {
        _ if is(length) && head.is_length_too_long() => length,
        _ if is(bad) => bad,
        _ if is(line) => line,
        // All that came is the request line.
        false if is(long) => line,
        true if is(long) => long,
        _ => return None,
    };
    Some(if head.is_append() { &found.of_append } else { &found.of_other })
}

/// Has hyper answer a client that begins with HTTP/2, which it closes without a word otherwise: any
/// other line that is none is answered.
pub(super) fn misspell_http2(fresh: &mut [u8]) {
    if fresh.starts_with(HTTP2_PREFACE)
        && let Some(first) = fresh.first_mut()
    {
        *first = b'X';
    }
}
