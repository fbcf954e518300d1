//! Checks the headers `Transfer-Encoding` and `Content-Encoding`.
//!
//! hyper refuses all requests whose last coding is not `chunked`. It accepts any coding before
//! that, and passes on the body still encoded; here such requests are refused (RFC 9112, 6.1 and
//! 7).

use hyper::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};

use super::problem::{RequestProblem, clip};

/// Checks that a body is sent as it is or in chunks.
///
/// # Errors
/// When there is another coding, or `chunked` more than once.
pub(super) fn check(headers: &HeaderMap) -> Result<(), RequestProblem> {
    let mut is_chunked = false;
    for value in headers.get_all(TRANSFER_ENCODING) {
        let codings = String::from_utf8_lossy(value.as_bytes());
        for coding in codings.split(',').map(str::trim).filter(|coding| !coding.is_empty()) {
            if !coding.eq_ignore_ascii_case("chunked") {
                return Err(RequestProblem::TransferEncoding(clip(coding)));
            }
            if std::mem::replace(&mut is_chunked, true) {
                return Err(RequestProblem::ChunkedTwice);
            }
        }
    }
    Ok(())
}

/// Refuses a body that is compressed: nothing here decompresses.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), RequestProblem> {
    for value in headers.get_all(CONTENT_ENCODING) {
        let codings = String::from_utf8_lossy(value.as_bytes());
        let mut codings = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty());
        if let Some(coding) = codings.find(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(RequestProblem::ContentEncoding(clip(coding)));
        }
    }
    Ok(())
}
