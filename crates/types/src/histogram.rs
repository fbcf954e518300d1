//! Counts of durations, written by one thread and copied by others without a lock.

use std::cell::Cell;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread::yield_now;
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds, in ascending order; durations above the last one
/// have a bucket of their own. From an append in memory to one that waits for a node that restarts.
const BOUNDS_US: [u64; BOUNDS] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Number of bounds. More: finer quantiles. Fewer: fewer series to store.
const BOUNDS: usize = 18;

/// Attempts to copy before the reader lets other threads run: the writer is likely not running.
const SPINS_MAX: u32 = 100;

/// Counts durations. Only one thread does so at a time; any number of them copy the counts through
/// a [`DurationReader`].
#[derive(Debug)]
pub struct DurationRecorder {
    shared: Arc<SharedCounts>,
    /// Not `Sync`: two threads that record at once would lose counts.
    _one_thread: PhantomData<Cell<()>>,
}

/// Copies what a [`DurationRecorder`] has counted. A clone is of the same one.
#[derive(Clone, Debug)]
pub struct DurationReader(Arc<SharedCounts>);

#[derive(Debug, Default)]
struct SharedCounts {
    /// Odd while a duration is being counted.
    version: AtomicU64,
    total_ns: AtomicU64,
    buckets: [AtomicU64; BOUNDS + 1],
}

/// Counts of durations, all of the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationCounts {
    total_ns: u64,
    buckets: [u64; BOUNDS + 1],
}

impl Default for DurationRecorder {
    fn default() -> Self {
        Self { shared: Arc::default(), _one_thread: PhantomData }
    }
}

impl DurationRecorder {
    /// Returns a reader of the counts.
    pub fn reader(&self) -> DurationReader {
        DurationReader(self.shared.clone())
    }

    /// Counts a duration `times` times.
    #[inline]
    pub fn record(&self, duration: Duration, times: u64) {
        let (nanos, shared) = (duration.as_nanos() as u64, &*self.shared);
        let micros = nanos.div_ceil(1000);
        let index = BOUNDS_US.partition_point(|&bound| bound < micros);
        // Only this thread stores. A reader that sees a part of what follows sees the odd version
        // too, or another one when it looks again.
        let version = shared.version.load(Ordering::Relaxed);
        shared.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        if let Some(bucket) = shared.buckets.get(index) {
            add(bucket, times);
        }
        add(&shared.total_ns, nanos.wrapping_mul(times));
        shared.version.store(version.wrapping_add(2), Ordering::Release);
    }
}

/// Adds to a number that only the calling thread changes.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl DurationReader {
    /// Returns all counts of one moment. Waits while one is being changed, which takes nanoseconds
    /// unless the system stops the other thread right then.
    pub fn counts(&self) -> DurationCounts {
        let mut attempts: u32 = 0;
        loop {
            if let Some(counts) = self.try_counts() {
                return counts;
            }
            attempts += 1;
            if attempts.is_multiple_of(SPINS_MAX) { yield_now() } else { spin_loop() }
        }
    }

    fn try_counts(&self) -> Option<DurationCounts> {
        let shared = &*self.0;
        let before = shared.version.load(Ordering::Acquire);
        let counts = DurationCounts {
            total_ns: shared.total_ns.load(Ordering::Relaxed),
            buckets: shared.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed)),
        };
        fence(Ordering::Acquire);
        let is_whole = before.is_multiple_of(2) && before == shared.version.load(Ordering::Relaxed);
        is_whole.then_some(counts)
    }
}

impl DurationCounts {
    /// Adds the counts of another recorder.
    pub fn add(&mut self, other: &Self) {
        self.total_ns = self.total_ns.wrapping_add(other.total_ns);
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
    }

    /// Returns the sum of all durations.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns)
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the buckets in ascending order: the upper bound, inclusive, and the number of
    /// durations above the bound before and not above this one. The last bucket has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS_US.into_iter().map(|bound| Some(Duration::from_micros(bound)));
        bounds.chain([None]).zip(self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_of_the_least_bound_that_is_not_below_it() {
        let recorder = DurationRecorder::default();
        let micros = Duration::from_micros;
        let cases = [
            (Duration::ZERO, Some(micros(100))),
            (micros(100), Some(micros(100))),
            (micros(100) + Duration::from_nanos(1), Some(micros(250))),
            (Duration::from_secs(60), Some(Duration::from_secs(60))),
            (Duration::from_secs(61), None),
        ];
        let mut before = recorder.reader().counts();
        for (duration, wanted) in cases {
            recorder.record(duration, 3);
            let after = recorder.reader().counts();
            let grown = before.buckets().zip(after.buckets()).filter(|(old, new)| old != new);
            let grown: Vec<_> = grown.map(|(old, new)| (new.0, new.1 - old.1)).collect();
            assert_eq!(grown, [(wanted, 3)], "{duration:?}");
            assert_eq!(after.total() - before.total(), 3 * duration);
            before = after;
        }
        assert_eq!(before.count(), 15);
        let mut both = before;
        both.add(&before);
        assert_eq!((both.count(), both.total()), (30, 2 * before.total()));
    }

    #[test]
    fn the_sum_and_the_buckets_of_a_copy_are_of_one_moment() {
        let (recorder, over) = (DurationRecorder::default(), AtomicBool::new(false));
        let reader = recorder.reader();
        let (first, second) = (Duration::from_micros(1), Duration::from_secs(2));
        thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    recorder.record(first, 1);
                    recorder.record(second, 1);
                }
            });
            let mut last = DurationCounts::default();
            for _ in 0..20_000 {
                let counts = reader.counts();
                let all: Vec<u64> = counts.buckets().map(|(_, count)| count).collect();
                let [few, .., many] = [all[0], all[13]];
                assert_eq!(counts.total(), first * few as u32 + second * many as u32);
                assert!(few == many || few == many + 1, "{counts:?}");
                assert!(counts.count() >= last.count());
                last = counts;
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
