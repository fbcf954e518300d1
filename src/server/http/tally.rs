//! The numbers that HTTP threads count, each for itself.
//!
//! A thread has a [`Tally`] of its own: it alone changes the numbers, so no two threads ever wait
//! for each other, and a change costs as much as one of a plain number. A scrape copies the numbers
//! of all threads through [`Tallies`], and adds them up.

mod append_times;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acklog_api::Outcome;
use acklog_threads::lock;
use acklog_types::DurationCounts;
use hyper::StatusCode;

pub(super) use self::append_times::WriteConcernLabel;
use self::append_times::{AppendTimeReaders, AppendTimes};
use super::paths::{PATTERNS, Path, pattern_of};
use crate::server::node::ReadPositions;

/// Statuses of answers: from 100 on, so many. Others are no statuses of HTTP.
const STATUSES: usize = 500;

/// The outcome of an append that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendOutcome {
    /// Its write concern holds: 201.
    Acked,
    /// It is not in the log, and never will be.
    Refused,
    /// It is in the log.
    Stored,
    /// It may be in the log or not.
    Unknown,
}

impl AppendOutcome {
    /// All outcomes, with their labels.
    pub(super) const LABELS: [(Self, &str); 4] = [
        (Self::Acked, "acked"),
        (Self::Refused, "refused"),
        (Self::Stored, "stored"),
        (Self::Unknown, "unknown"),
    ];
}

/// The numbers of all HTTP threads. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(Arc<Mutex<Vec<Arc<ThreadCounts>>>>);

/// The numbers that one HTTP thread counts.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Arc<ThreadCounts>,
    times: AppendTimes,
}

/// The numbers of one thread, where others find them.
#[derive(Debug)]
struct ThreadCounts {
    /// Requests that were answered, by pattern and status.
    requests: Box<[AtomicU64]>,
    /// Appends that were answered, by outcome.
    appends: [AtomicU64; AppendOutcome::LABELS.len()],
    times: AppendTimeReaders,
}

/// The sums of all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TallySums {
    /// Requests that were answered, by pattern and status.
    pub(super) requests: BTreeMap<(&'static str, u16), u64>,
    /// Appends that were answered, in the order of [`AppendOutcome::LABELS`].
    pub(super) appends: [u64; AppendOutcome::LABELS.len()],
    /// Times of the appends that were answered 201.
    pub(super) append_times: BTreeMap<WriteConcernLabel, DurationCounts>,
}

impl Tallies {
    /// Creates the numbers of the calling thread. `positions` tell the size of the cluster.
    pub(super) fn register(&self, positions: ReadPositions) -> Tally {
        let times = AppendTimes::new(positions);
        let requests = (0..PATTERNS.len() * STATUSES).map(|_| AtomicU64::new(0)).collect();
        let appends = Default::default();
        let counts = Arc::new(ThreadCounts { requests, appends, times: times.readers() });
        lock(&self.0).push(counts.clone());
        Tally { counts, times }
    }

    /// Returns the sums. Locks only the list of threads, which none changes once it runs.
    pub(super) fn sums(&self) -> TallySums {
        let mut sums = TallySums::default();
        for thread in lock(&self.0).iter() {
            thread.add_to(&mut sums);
        }
        sums
    }
}

impl ThreadCounts {
    fn add_to(&self, sums: &mut TallySums) {
        for (pattern, counts) in PATTERNS.into_iter().zip(self.requests.chunks(STATUSES)) {
            for (status, count) in (100..).zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    *sums.requests.entry((pattern, status)).or_default() += count;
                }
            }
        }
        for (sum, count) in sums.appends.iter_mut().zip(&self.appends) {
            *sum += count.load(Ordering::Relaxed);
        }
        for (label, times) in self.times.counts() {
            sums.append_times.entry(label).or_default().add(&times);
        }
    }
}

impl Tally {
    /// Counts a request that was answered; without a path where the bytes were no request.
    pub(super) fn answered(&self, path: Option<Path<'_>>, status: StatusCode) {
        let at = pattern_of(path) * STATUSES + usize::from(status.as_u16()) - 100;
        if let Some(count) = self.counts.requests.get(at) {
            add(count, 1);
        }
    }

    /// Counts appends whose write concern holds, each of which took so long.
    pub(super) fn acked(&self, write_concern: u16, took: Duration, appends: u64) {
        self.appends(AppendOutcome::Acked, appends);
        self.times.record(write_concern, took, appends);
    }

    /// Counts appends that were answered with a problem, which has this outcome.
    pub(super) fn failed(&self, outcome: &Outcome, appends: u64) {
        let outcome = match outcome {
            Outcome::Refused => AppendOutcome::Refused,
            Outcome::Stored => AppendOutcome::Stored,
            // No other one is ever answered by this version.
            Outcome::Unknown | Outcome::Other(_) => AppendOutcome::Unknown,
        };
        self.appends(outcome, appends);
    }

    fn appends(&self, outcome: AppendOutcome, appends: u64) {
        if let Some(count) = self.counts.appends.get(outcome as usize) {
            add(count, appends);
        }
    }
}

/// Adds to a number that only the calling thread changes.
fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use acklog_log::in_memory;

    use super::*;

    #[test]
    fn the_numbers_of_all_threads_are_added_up() {
        let tallies = Tallies::default();
        let positions = ReadPositions::of_one_node(in_memory().1);
        let threads = [(); 2].map(|()| tallies.register(positions.clone()));
        for tally in &threads {
            tally.answered(Some(Path::Message("3")), StatusCode::OK);
            tally.answered(Some(Path::Message("4")), StatusCode::OK);
            tally.answered(None, StatusCode::NOT_FOUND);
            tally.acked(1, Duration::from_micros(50), 3);
            tally.acked(2, Duration::from_micros(50), 1);
            tally.failed(&Outcome::Stored, 5);
        }
        threads[0].failed(&Outcome::Refused, 1);
        threads[1].failed(&Outcome::Unknown, 1);
        let sums = tallies.sums();
        let requests: Vec<_> = sums.requests.into_iter().collect();
        assert_eq!(requests, [(("/messages/{id}", 200), 4), (("other", 404), 2)]);
        let appends = AppendOutcome::LABELS.into_iter().zip(sums.appends);
        for ((outcome, label), count) in appends {
            let wanted = match outcome {
                AppendOutcome::Acked => 8,
                AppendOutcome::Refused | AppendOutcome::Unknown => 1,
                AppendOutcome::Stored => 10,
            };
            assert_eq!(count, wanted, "{label}");
        }
        let times = sums.append_times.into_iter().map(|(label, times)| (label, times.count()));
        // The cluster has one node.
        let wanted = [(WriteConcernLabel::Nodes(1), 6), (WriteConcernLabel::More, 2)];
        assert_eq!(times.collect::<Vec<_>>(), wanted);
    }
}
