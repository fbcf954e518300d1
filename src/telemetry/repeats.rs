//! Lasting conditions: logged when they begin or change, and counted from then on.
//!
//! An event with the field `repeats = true` reports an attempt that is made again and again: to
//! reach a master that is away, to join one that refuses. Such an event is left out where the last
//! one of its kind was the same a moment ago; once a minute one is logged, with the number of
//! `times`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Pause after which a condition counts as a new one. Shorter: attempts that are far apart are all
/// logged. Longer: a condition that has ended and begun again may go unnoticed.
const NEW_AFTER: Duration = Duration::from_secs(30);

/// Interval at which a lasting condition is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Most conditions that are remembered. Peers choose some of the texts; beyond that number the
/// memory is cleared, and each condition is logged once more.
const CONDITIONS_MAX: usize = 256;

/// The conditions that last at the moment.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<String, Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    last: Duration,
    logged_at: Duration,
    left_out: u64,
}

impl Repeats {
    /// Returns for how many events one is logged at this time; none where it is left out.
    pub(super) fn times(&self, condition: String, now: Duration) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CONDITIONS_MAX && !all.contains_key(&condition) {
            all.clear();
        }
        let fresh = Seen { last: now, logged_at: now, left_out: 0 };
        let Some(seen) = all.get_mut(&condition) else {
            all.insert(condition, fresh);
            return Some(1);
        };
        let is_new = now.saturating_sub(seen.last) >= NEW_AFTER;
        seen.last = now;
        if !is_new && now.saturating_sub(seen.logged_at) < LOG_EVERY {
            seen.left_out += 1;
            return None;
        }
        let times = seen.left_out + 1;
        *seen = fresh;
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_logged_once_and_then_counted_by_the_minute() {
        let repeats = Repeats::default();
        let logged =
            |condition: &str, at: u64| repeats.times(condition.to_owned(), Duration::from_secs(at));
        let times: Vec<_> = (0..=40).filter_map(|n| logged("away", n * 3)).collect();
        assert_eq!(times, [1, 20, 20]);
        // It changes, and much later is what it was before.
        assert_eq!(logged("refused", 121), Some(1));
        assert_eq!(logged("away", 200), Some(1));
        assert_eq!(logged("away", 203), None);
        assert_eq!(logged("away", 300), Some(2), "what was left out before it was over is told");
    }

    #[test]
    fn the_memory_of_conditions_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..10_000 {
            assert_eq!(repeats.times(number.to_string(), Duration::ZERO), Some(1));
        }
        assert!(repeats.0.lock().unwrap().len() <= CONDITIONS_MAX);
    }
}
