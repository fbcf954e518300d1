//! Limits the rate of lines about messages, so that a load does not flood a terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most lines per second. More cannot be read as they come; fewer would cut off some of the
/// messages that a user sends one by one.
const LINES_PER_SECOND: u32 = 20;

/// A counter of the lines of each second.
#[derive(Debug, Default)]
pub(super) struct LineLimit(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    number: u64,
    lines: u32,
    left_out: u64,
}

impl LineLimit {
    /// Counts one more line at this time, and returns whether it is within the limit.
    pub(super) fn lets_through(&self, now: Duration) -> bool {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if second.number != now.as_secs() {
            (second.number, second.lines) = (now.as_secs(), 0);
        }
        second.lines += 1;
        let is_let_through = second.lines <= LINES_PER_SECOND;
        second.left_out += u64::from(!is_let_through);
        is_let_through
    }

    /// Returns how many lines were left out in past seconds and not reported yet.
    pub(super) fn left_out(&self, now: Duration) -> Option<u64> {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = second.number != now.as_secs() && second.left_out > 0;
        is_over.then(|| std::mem::take(&mut second.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_tells_of_the_rest() {
        let limit = LineLimit::default();
        let at = Duration::from_millis;
        let through = (0..50).filter(|_| limit.lets_through(at(1200))).count();
        assert_eq!(through, LINES_PER_SECOND as usize);
        assert_eq!(limit.left_out(at(1900)), None);
        assert_eq!(limit.left_out(at(2000)), Some(30));
        assert_eq!(limit.left_out(at(3000)), None);
        assert!(limit.lets_through(at(2000)));
    }
}
