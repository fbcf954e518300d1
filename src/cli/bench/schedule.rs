//! The times at which requests are sent. In an open loop a schedule decides, whatever became of
//! earlier requests: a request that is sent late counts from the time at which it was due, so that
//! a stall of the server shows in full. In a closed loop it would hide behind the requests that
//! were never sent (coordinated omission).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::precise_timer::PreciseTimer;

const PICOS_PER_SECOND: f64 = 1e12;
const PICOS_PER_NANO: u128 = 1000;

/// The arrival of requests: closed loop or open loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadModel {
    /// A closed loop: each client sends its next request when the one before is answered.
    Closed,
    /// An open loop: requests are due at even intervals, answered or not.
    Open {
        /// Requests per second, of all clients together.
        per_second: f64,
    },
}

/// The requests of one thread: numbered from 0, each with the time at which it is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendSchedule {
    // In picoseconds, so that no rate drifts.
    first: u128,
    interval: u128,
}

impl SendSchedule {
    /// Creates the schedule of one thread out of `threads`, which take turns.
    pub(super) fn share(per_second: f64, thread: usize, threads: usize) -> Self {
        // Rounded up: a request that is due at the very end must not become due before it.
        let interval = ((PICOS_PER_SECOND / per_second).ceil() as u128).max(1);
        Self { first: interval * thread as u128, interval: interval * threads as u128 }
    }

    /// Returns when a request is due, counted from the beginning.
    pub(super) fn due(&self, number: u64) -> Duration {
        let nanos = (self.first + self.interval * u128::from(number)) / PICOS_PER_NANO;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns the number of requests that are due within this time from the beginning.
    pub(super) fn due_by(&self, elapsed: Duration) -> u64 {
        // To the end of this nanosecond: `due` rounds down to it.
        let picos = elapsed.as_nanos() * PICOS_PER_NANO + (PICOS_PER_NANO - 1);
        match picos.checked_sub(self.first) {
            Some(since) => u64::try_from(since / self.interval + 1).unwrap_or(u64::MAX),
            None => 0,
        }
    }
}

/// The permission to send one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendSlot {
    /// Time at which the request was due.
    pub(super) due: Instant,
    pub(super) now: Instant,
}

/// Gives the clients of one thread permission to send.
pub(super) struct SendSlots {
    begin: Instant,
    until: Instant,
    is_ended: AtomicBool,
    open: Option<OpenLoop>,
}

struct OpenLoop {
    schedule: SendSchedule,
    /// Requests that are due and not taken by a client.
    due: Semaphore,
    released: AtomicU64,
    taken: AtomicU64,
}

impl SendSlots {
    pub(super) fn new(schedule: Option<SendSchedule>, begin: Instant, until: Instant) -> Self {
        let open = schedule.map(|schedule| OpenLoop {
            schedule,
            due: Semaphore::new(0),
            released: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        });
        Self { begin, until, is_ended: AtomicBool::new(false), open }
    }

    /// Waits for the permission to send; `None` when the time is up.
    pub(super) async fn next(&self) -> Option<SendSlot> {
        let Some(open) = &self.open else {
            let now = Instant::now();
            let is_over = now >= self.until || self.is_ended.load(Ordering::Relaxed);
            return (!is_over).then_some(SendSlot { due: now, now });
        };
        open.due.acquire().await.ok()?.forget();
        let number = open.taken.fetch_add(1, Ordering::Relaxed);
        Some(SendSlot { due: self.begin + open.schedule.due(number), now: Instant::now() })
    }

    /// Makes requests due until the time is up.
    ///
    /// # Errors
    /// When the system has no timer left.
    pub(super) async fn run(&self) -> io::Result<()> {
        if self.open.is_none() {
            tokio::time::sleep_until(self.until).await;
            return Ok(());
        }
        let mut timer = PreciseTimer::new()?;
        while let Some(next) = self.release(self.begin.elapsed()) {
            timer.wait(next.saturating_sub(self.begin.elapsed())).await?;
        }
        Ok(())
    }

    /// Makes requests due up to `elapsed`; returns when to call again, `None` when the time is up.
    pub(super) fn release(&self, elapsed: Duration) -> Option<Duration> {
        let open = self.open.as_ref()?;
        let length = self.until - self.begin;
        // A request that is due at the very end comes too late.
        let due = match elapsed < length {
            true => open.schedule.due_by(elapsed),
            false => open.schedule.due_by(length.saturating_sub(Duration::from_nanos(1))),
        };
        let before = open.released.swap(due, Ordering::Relaxed);
        open.due.add_permits(usize::try_from(due - before).unwrap_or(usize::MAX));
        (elapsed < length).then(|| open.schedule.due(due).min(length))
    }

    /// Returns whether sending is over.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Waits until the time is up.
    pub(super) async fn is_up(&self) {
        tokio::time::sleep_until(self.until).await;
    }

    /// Ends sending.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
        if let Some(open) = &self.open {
            open.due.close();
        }
    }

    /// Returns the number of requests that were due from then on and not taken.
    pub(super) fn untaken(&self, from: Instant) -> u64 {
        let Some(open) = &self.open else { return 0 };
        let earlier = (from - self.begin).checked_sub(Duration::from_nanos(1));
        let earlier = earlier.map_or(0, |elapsed| open.schedule.due_by(elapsed));
        let taken = open.taken.load(Ordering::Relaxed).max(earlier);
        open.released.load(Ordering::Relaxed).saturating_sub(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn requests_are_due_at_even_distances_and_never_drift() {
        let schedule = SendSchedule::share(3.0, 0, 1);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        // A year later.
        let year = schedule.due(3 * 365 * 86_400);
        assert!(Duration::from_secs(365 * 86_400).abs_diff(year) < micros(100), "{year:?}");
    }

    #[test]
    fn what_is_due_by_a_time_is_what_is_due_up_to_it() {
        for (rate, thread, threads) in [(1e5, 0, 1), (3e4, 1, 3), (7.0, 6, 7), (1e9, 0, 1)] {
            let schedule = SendSchedule::share(rate, thread, threads);
            for number in [0, 1, 2, 1000, 123_456_789] {
                let due = schedule.due(number);
                assert!(schedule.due_by(due) > number, "{rate} {number}");
                if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
                    assert!(schedule.due_by(before) <= number, "{rate} {number}");
                }
            }
        }
    }

    #[test]
    fn so_many_requests_are_due_as_the_rate_and_the_time_say() {
        for (rate, millis, expected) in
            [(600.0, 250, 150), (3.0, 1000, 3), (30_000.0, 2000, 60_000)]
        {
            let before_end = Duration::from_millis(millis) - Duration::from_nanos(1);
            assert_eq!(SendSchedule::share(rate, 0, 1).due_by(before_end), expected, "{rate}");
        }
    }

    #[test]
    fn threads_take_turns_so_that_all_together_keep_the_rate() {
        let all = SendSchedule::share(50_000.0, 0, 1);
        let shares = [0, 1, 2].map(|thread| SendSchedule::share(50_000.0, thread, 3));
        for number in 0..99 {
            let share = shares[number as usize % 3];
            assert_eq!(share.due(number / 3), all.due(number));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_schedule_a_turn_is_now_until_the_time_is_up() {
        let begin = Instant::now();
        let slots = SendSlots::new(None, begin, begin + micros(2000));
        assert_eq!(slots.next().await, Some(SendSlot { due: begin, now: begin }));
        tokio::time::advance(micros(1000)).await;
        assert_eq!(slots.next().await.unwrap().due, begin + micros(1000));
        tokio::time::advance(micros(1000)).await;
        assert_eq!(slots.next().await, None);
        let early = SendSlots::new(None, begin, begin + micros(3000));
        early.end();
        assert_eq!((early.untaken(begin), early.next().await), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_taken_late_counts_from_when_it_was_due() {
        let begin = Instant::now();
        let schedule = SendSchedule::share(1000.0, 0, 1);
        let slots = SendSlots::new(Some(schedule), begin, begin + micros(5000));
        // No client is free for 3 ms.
        tokio::time::advance(micros(3000)).await;
        slots.release(begin.elapsed());
        for number in 0..4 {
            let turn = SendSlot { due: begin + micros(1000 * number), now: begin + micros(3000) };
            assert_eq!(slots.next().await, Some(turn));
        }
        tokio::time::advance(micros(7000)).await;
        slots.release(begin.elapsed());
        assert_eq!(slots.next().await.unwrap().due, begin + micros(4000));
        slots.end();
        assert_eq!((slots.untaken(begin), slots.next().await), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_due_and_not_taken_is_told_but_for_the_warm_up() {
        let begin = Instant::now();
        let schedule = SendSchedule::share(1000.0, 0, 1);
        let slots = SendSlots::new(Some(schedule), begin, begin + micros(5000));
        slots.release(micros(9000));
        assert!(slots.next().await.is_some());
        slots.end();
        assert_eq!((slots.next().await, slots.is_over()), (None, true));
        let untaken = [0, 1000, 1001, 3000, 5000].map(|from| slots.untaken(begin + micros(from)));
        assert_eq!(untaken, [4, 4, 3, 2, 0]);
    }
}
