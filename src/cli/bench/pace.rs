//! When a request is due. In an open loop a schedule says so, whatever became of the requests before: whoever comes
//! late to a request counts from when it was due, so that a server that stalls cannot hide it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::alarm::Alarm;

const PICOS_PER_SECOND: f64 = 1e12;
const PICOS_PER_NANO: u128 = 1000;

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each client sends its next request when it has the answer to the one before.
    Closed,
    /// Requests are due at even distances, whether or not the ones before were answered.
    Open {
        /// Requests a second, all clients together.
        per_second: f64,
    },
}

/// The requests of one thread: numbers from 0 on, each with the time at which it is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    // In picoseconds, so that no rate drifts.
    first: u128,
    interval: u128,
}

impl Schedule {
    /// The share of one thread out of `threads`, which take turns.
    pub(super) fn share(per_second: f64, thread: usize, threads: usize) -> Self {
        let interval = ((PICOS_PER_SECOND / per_second) as u128).max(1);
        Self { first: interval * thread as u128, interval: interval * threads as u128 }
    }

    /// When a request is due, counted from the beginning.
    pub(super) fn due(&self, number: u64) -> Duration {
        let nanos = (self.first + self.interval * u128::from(number)) / PICOS_PER_NANO;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many requests have been due, so long after the beginning.
    pub(super) fn due_by(&self, elapsed: Duration) -> u64 {
        // All of this nanosecond: `due` rounds down to it.
        let picos = elapsed.as_nanos() * PICOS_PER_NANO + (PICOS_PER_NANO - 1);
        match picos.checked_sub(self.first) {
            Some(since) => u64::try_from(since / self.interval + 1).unwrap_or(u64::MAX),
            None => 0,
        }
    }
}

/// Gives clients of one thread their turns.
pub(super) struct Turns {
    begin: Instant,
    until: Instant,
    is_ended: AtomicBool,
    open: Option<Open>,
}

struct Open {
    schedule: Schedule,
    /// Requests that are due and not taken.
    due: Semaphore,
    taken: AtomicU64,
}

impl Turns {
    pub(super) fn new(schedule: Option<Schedule>, begin: Instant, until: Instant) -> Self {
        let open = schedule.map(|schedule| Open {
            schedule,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        });
        Self { begin, until, is_ended: AtomicBool::new(false), open }
    }

    /// Waits for a turn and returns when the request was due; `None` when the time is up.
    pub(super) async fn next(&self) -> Option<Instant> {
        let Some(open) = &self.open else {
            let now = Instant::now();
            return (now < self.until && !self.is_ended.load(Ordering::Relaxed)).then_some(now);
        };
        open.due.acquire().await.ok()?.forget();
        let number = open.taken.fetch_add(1, Ordering::Relaxed);
        Some(self.begin + open.schedule.due(number))
    }

    /// Lets requests become due until the time is up.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub(super) async fn run(&self) -> std::io::Result<()> {
        let Some(open) = &self.open else {
            tokio::time::sleep_until(self.until).await;
            return Ok(());
        };
        let mut alarm = Alarm::new()?;
        let length = self.until - self.begin;
        let last = open.schedule.due_by(length);
        let mut released = 0;
        loop {
            let elapsed = self.begin.elapsed().min(length);
            let due = open.schedule.due_by(elapsed).min(last);
            open.due.add_permits(usize::try_from(due - released).unwrap_or(usize::MAX));
            released = due;
            if elapsed >= length {
                return Ok(());
            }
            let next = open.schedule.due(released).min(length);
            alarm.ring_in(next.saturating_sub(self.begin.elapsed())).await?;
        }
    }

    /// Whether there are no turns any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Ends all turns; returns how many requests were due and not sent.
    pub(super) fn end(&self) -> u64 {
        self.is_ended.store(true, Ordering::Relaxed);
        let Some(open) = &self.open else { return 0 };
        open.due.close();
        open.due.available_permits() as u64
    }
}
