//! Repetitions of a request: when it is sent again, and what is known of its message after several
//! attempts.

use std::time::Duration;

use acklog_api::{Outcome, Problem};
use rand::RngExt;

use crate::answer::Answer;
use crate::error::Cause;

/// Time that a request may take, all its attempts together, where nothing else is asked for.
/// Shorter: a restart of the master is told as an error. Longer: a program learns late that a
/// cluster is down.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// This part of the time that is left goes to the node as `timeoutMs`, so that its answer, which
/// tells what became of the message, comes in time. Less: a node gives up early. More: over a slow
/// line the answer comes too late.
const NODES_SHARE: f64 = 0.9;

/// Longest pause before the first repetition. Shorter: a node that just lost its quorum is asked in
/// vain. Longer: a passing condition costs more time than it lasts.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// Longest pause. Shorter: many clients keep a node that is overloaded so. Longer: clients notice
/// late that a node is back.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Pauses that double, each drawn between a half and the whole of its length, so that clients
/// that failed together do not come back together.
#[derive(Debug)]
pub(crate) struct RetryPauses {
    next: Duration,
}

impl Default for RetryPauses {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryPauses {
    /// Returns pauses that begin with 50 ms at most, and grow to 2 s.
    pub(crate) const fn new() -> Self {
        Self { next: PAUSE_FIRST }
    }

    /// Returns the next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(PAUSE_MAX);
        pause
    }
}

/// The consequences of an answer that is no success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// Whether the same request may succeed later, and is safe to send again.
    pub(crate) retry: bool,
    /// The fate of the message by this attempt.
    pub(crate) outcome: Outcome,
}

impl Failure {
    /// Reads an answer that is no success.
    pub(crate) fn of_answer(answer: &Answer) -> Self {
        match answer.parsed::<Problem>() {
            Ok(problem) => Self::of_problem(problem),
            // A proxy's, which may have passed the request on.
            Err(_) if answer.status.is_server_error() => {
                let cause = Cause::Status(answer.status.as_u16());
                Self { cause, retry: true, outcome: Outcome::Unknown }
            }
            Err(_) => {
                let cause = Cause::Status(answer.status.as_u16());
                Self { cause, retry: false, outcome: Outcome::Refused }
            }
        }
    }
}

impl Failure {
    /// Returns what a node's problem comes to.
    pub(crate) fn of_problem(problem: Problem) -> Self {
        let outcome = problem.outcome.clone().unwrap_or(Outcome::Refused);
        let retry = problem.retry;
        Self { cause: Cause::Problem(Box::new(problem)), retry, outcome }
    }

    /// Returns the failure of a request that stores nothing.
    pub(crate) const fn of_cause(cause: Cause, retry: bool) -> Self {
        Self { cause, retry, outcome: Outcome::Refused }
    }

    /// Returns the failure of a request whose answer is lost.
    pub(crate) const fn lost(cause: Cause) -> Self {
        Self { cause, retry: true, outcome: Outcome::Unknown }
    }
}

/// Returns the `timeoutMs` of a request that has this much time.
pub(crate) fn nodes_part(left: Duration) -> u64 {
    left.mul_f64(NODES_SHARE).as_millis() as u64
}

/// Returns what is known of a message after one more attempt under the same key.
pub(crate) fn combined(before: Outcome, attempt: Outcome) -> Outcome {
    match (before, attempt) {
        (Outcome::Stored, _) | (_, Outcome::Stored) => Outcome::Stored,
        (Outcome::Refused, Outcome::Refused) => Outcome::Refused,
        // An attempt whose answer was lost may have stored it.
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_drawn() {
        let mut backoff = RetryPauses::new();
        let pauses: Vec<_> = (0..12).map(|_| backoff.pause()).collect();
        assert!(pauses[0] >= PAUSE_FIRST / 2 && pauses[0] <= PAUSE_FIRST);
        assert!(pauses[11] >= PAUSE_MAX / 2 && pauses[11] <= PAUSE_MAX);
    }

    #[test]
    fn what_may_be_in_the_log_is_never_told_as_refused() {
        use Outcome::{Refused, Stored, Unknown};
        for (before, attempt, expected) in [
            (Refused, Refused, Refused),
            (Unknown, Refused, Unknown),
            (Refused, Unknown, Unknown),
            (Unknown, Stored, Stored),
            (Stored, Refused, Stored),
        ] {
            assert_eq!(combined(before, attempt), expected);
        }
    }
}
