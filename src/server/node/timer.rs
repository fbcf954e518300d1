//! The timer of a core task.

use std::future;
use std::pin::Pin;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// A timer that stays set from one event-loop iteration to the next. Setting one takes a lock, and
/// wakes the thread's own poll where no other is due as soon: that would be a system call or two
/// per iteration.
#[derive(Debug)]
pub(super) struct DeadlineTimer {
    deadline: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl DeadlineTimer {
    /// Creates a timer whose first deadline is `deadline`.
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, sleep: Box::pin(sleep_until(deadline.into())) }
    }

    /// Sleeps until `deadline`, or without end where there is none. Cancel safe.
    pub(super) async fn sleep_to(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return future::pending().await };
        if deadline != self.deadline {
            self.deadline = deadline;
            self.sleep.as_mut().reset(deadline.into());
        }
        self.sleep.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_deadline_that_was_told_last_and_again_at_each_later_one() {
        let start = super::super::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let passed = || super::super::now() - start;
        let mut timer = DeadlineTimer::new(start);
        // Later, and then earlier than it was set for.
        for (deadline, given_up) in [(at(60), 1), (None, 2), (at(3600), 3)] {
            let given_up = tokio::time::Instant::from_std(start + Duration::from_secs(given_up));
            tokio::time::timeout_at(given_up, timer.sleep_to(deadline)).await.unwrap_err();
        }
        timer.sleep_to(at(5)).await;
        assert_eq!(passed(), Duration::from_secs(5));
        for seconds in [5, 4] {
            timer.sleep_to(at(seconds)).await;
            assert_eq!(passed(), Duration::from_secs(5), "what is past is due at once");
        }
        timer.sleep_to(at(9)).await;
        assert_eq!(passed(), Duration::from_secs(9));
        timeout(Duration::from_secs(100_000), timer.sleep_to(None)).await.unwrap_err();
    }
}
