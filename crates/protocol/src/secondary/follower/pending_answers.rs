//! Requests of the master that are answered once the messages that they brought are durable.

use std::collections::VecDeque;

use acklog_types::{IdRange, LogEnd, RequestId};

/// Requests that wait for the log to be durable, in the order in which they came.
///
/// Their ends are not in order: a run that came before may come again behind a longer one.
#[derive(Debug, Default)]
pub(super) struct PendingAnswers(VecDeque<(LogEnd, RunRequest)>);

/// A request that brought messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunRequest {
    pub(super) id: RequestId,
    /// The messages.
    pub(super) run: IdRange,
}

impl PendingAnswers {
    /// Adds a request that is answered once the log is durable up to `end`.
    pub(super) fn add(&mut self, end: LogEnd, request: RunRequest) {
        self.0.push_back((end, request));
    }

    /// Takes out each request that is covered by a log that is durable up to `end`.
    pub(super) fn take_due(&mut self, end: LogEnd, mut answer: impl FnMut(RunRequest)) {
        self.0.retain(|&(until, request)| {
            let is_due = until <= end;
            if is_due {
                answer(request);
            }
            !is_due
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_in_order_as_the_log_gets_durable() {
        let mut pending = PendingAnswers::default();
        for (request, end) in [(7, 5), (8, 3), (9, 6)] {
            let (id, end) = (RequestId::new(request), LogEnd::new(end));
            pending.add(end, RunRequest { id, run: IdRange::new(LogEnd::ZERO, end) });
        }
        let mut due = |end: u64| {
            let mut due = Vec::new();
            pending.take_due(LogEnd::new(end), |request| due.push(request.id.get()));
            due
        };
        assert_eq!(due(2), []);
        assert_eq!(due(5), [7, 8]);
        assert_eq!(due(6), [9]);
        assert_eq!(due(6), [], "each is answered once");
    }
}
