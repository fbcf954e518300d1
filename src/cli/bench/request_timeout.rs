//! A timeout for one request after the other, at the cost of a single timer.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A timeout. Its timer is set again only when it has fired, not for each request.
pub(super) struct RequestTimeout {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl RequestTimeout {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, timer: Box::pin(sleep(limit)) }
    }

    /// Returns the result of `work`, which began at `begin`; `None` if it takes longer than the
    /// timeout.
    pub(super) async fn within<F: Future>(&mut self, begin: Instant, work: F) -> Option<F::Output> {
        let deadline = begin + self.limit;
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = self.timer.as_mut() => {
                    if Instant::now() >= deadline {
                        return None;
                    }
                    // The timer was set for an earlier request.
                    self.timer.as_mut().reset(deadline);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_request_has_the_whole_time() {
        let mut request_timeout = RequestTimeout::new(Duration::from_secs(10));
        for _ in 0..3 {
            let begin = Instant::now();
            let work = sleep(Duration::from_secs(9));
            assert_eq!(request_timeout.within(begin, work).await, Some(()));
            assert_eq!(begin.elapsed(), Duration::from_secs(9));
        }
        for _ in 0..2 {
            let begin = Instant::now();
            assert_eq!(request_timeout.within(begin, pending::<()>()).await, None);
            assert_eq!(begin.elapsed(), Duration::from_secs(10));
        }
        assert_eq!(request_timeout.within(Instant::now(), ready(1)).await, Some(1));
    }
}
