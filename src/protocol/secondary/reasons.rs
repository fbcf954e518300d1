//! Why this node is not connected, in the log: each change at once, what stays the same counted now and then.

use std::time::{Duration, Instant};

/// Pause between two lines of the same reason. Shorter: a master that is away for a weekend fills
/// the log. Longer: a look at the log's end does not tell what is wrong.
const REPEAT_PAUSE: Duration = Duration::from_secs(60);

/// What was logged last of the reasons since the node was connected.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    last: Option<Logged>,
}

#[derive(Debug)]
struct Logged {
    reason: String,
    at: Instant,
    left_out: u32,
}

impl Reasons {
    /// Notes a reason. Returns how many lines of the same one were left out since the last, where it is to be logged.
    pub(super) fn note(&mut self, now: Instant, reason: &str) -> Option<u32> {
        let same = self.last.as_mut().filter(|last| last.reason == reason);
        let left_out = match same {
            Some(last) if now < last.at + REPEAT_PAUSE => {
                last.left_out += 1;
                return None;
            }
            Some(last) => last.left_out,
            None => 0,
        };
        self.last = Some(Logged { reason: reason.to_owned(), at: now, left_out: 0 });
        Some(left_out)
    }

    /// Returns the last reason; none while the node is connected.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_ref().map(|last| last.reason.as_str())
    }

    /// The node is connected: the next reason is news.
    pub(super) fn clear(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_when_it_is_new_and_then_once_a_minute_with_a_count() {
        let now = Instant::now();
        let mut reasons = Reasons::default();
        assert_eq!(reasons.note(now, "refused"), Some(0));
        assert_eq!(reasons.note(now + Duration::from_secs(3), "refused"), None);
        assert_eq!(reasons.note(now + Duration::from_secs(6), "refused"), None);
        assert_eq!(reasons.note(now + REPEAT_PAUSE, "refused"), Some(2));
        assert_eq!(reasons.note(now + REPEAT_PAUSE, "silent"), Some(0));
        assert_eq!(reasons.last(), Some("silent"));
        reasons.clear();
        assert_eq!(reasons.last(), None);
        assert_eq!(reasons.note(now + REPEAT_PAUSE, "silent"), Some(0));
    }
}
