//! The rules for parameters that bodies and query strings share.

use std::time::Duration;

use acklog_types::WriteConcern;

/// Longest timeout of a client, so that adding it to a clock reading cannot overflow: a year. A
/// longer `timeoutMs` is taken for this one, which makes no practical difference.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Returns the write concern that was given as `writeConcern`, as `w`, or as both.
///
/// # Errors
/// When the two differ.
pub(super) fn one_of_two_names(
    write_concern: Option<WriteConcern>,
    w: Option<WriteConcern>,
) -> Result<Option<WriteConcern>, &'static str> {
    match (write_concern, w) {
        (Some(one), Some(other)) if one != other => {
            Err("\"w\" is another name of \"writeConcern\", and they differ: give one of them")
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// Returns a timeout of `ms` milliseconds, or [`TIMEOUT_MAX`] if that is shorter.
pub(super) fn timeout_of(ms: u64) -> Duration {
    Duration::from_millis(ms).min(TIMEOUT_MAX)
}

/// Returns a body without the UTF-8 byte order mark that some editors and shells put before it.
pub(super) fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Returns a number that was written with a point or an exponent, such as `2.0`, if it is whole.
pub(super) fn whole(number: f64) -> Option<u64> {
    // Above 2^53 not every whole number has a float: a rounded one is not what was sent.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    ((0.0..=EXACT_MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}
