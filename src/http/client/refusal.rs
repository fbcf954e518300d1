//! Answers to what is no request.
//!
//! hyper answers what it cannot read by itself, with a status and no body. Here such an answer is
//! replaced by a problem on its way to the socket.

use std::sync::LazyLock;

use crate::http::problem::Problem;

/// The answers to what is no request, in place of hyper's own, which have no body.
static REFUSALS: LazyLock<[(&str, Vec<u8>); 3]> = LazyLock::new(|| {
    [
        ("HTTP/1.1 400 ", Problem::NoRequest.sent()),
        ("HTTP/1.1 414 ", Problem::TargetTooLong.sent()),
        ("HTTP/1.1 431 ", Problem::HeadTooLong.sent()),
    ]
});

/// How a client begins that speaks HTTP/2 without asking.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Returns what is sent in place of an answer of hyper's own: one without a body, that is, and so
/// without a type. `line_bytes` came of the request line, unless its end came.
pub(super) fn refusal(bytes: &[u8], line_bytes: Option<usize>) -> Option<&'static [u8]> {
    let is_bare = bytes.starts_with(b"HTTP/1.1 4")
        && memchr::memmem::find(bytes, b"\r\ncontent-length: 0\r\n").is_some();
    if !is_bare {
        return None;
    }
    let [bad, line, head] = &*REFUSALS;
    let is = |(status, _): &(&str, Vec<u8>)| bytes.starts_with(status.as_bytes());
    let found = match line_bytes {
        _ if is(bad) => bad,
        _ if is(line) => line,
        // All that came is the request line.
        Some(_) if is(head) => line,
        None if is(head) => head,
        _ => return None,
    };
    Some(&found.1)
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
