//! Progress of one secondary: what it acked, what it was sent, and what it is sent next.
//!
//! Positions, from the oldest message on: `acked_end <= sent_end <= durable_end`. What lies between
//! the first two was sent at least once and is either in flight, answered but above a gap, or
//! `missing`: to be sent again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd};
use rand_chacha::ChaCha8Rng;

use super::backoff::Retry;
use super::frame::RUN_BYTES_MAX;

/// Most runs in flight to one secondary. Fewer: the line idles between a run and its answer. More:
/// the line is not filled better, and a peer that hangs is sent more again when it resumes.
pub(super) const RUNS_IN_FLIGHT_MAX: usize = 8;

/// Most bytes sent and not acked to one secondary, unless it is a single run: several runs of the
/// largest size, and well below what a secondary holds above a gap. Less: a fast line idles. More:
/// a slow one is overloaded, and a gap fills the secondary's buffer.
pub(super) const WINDOW_BYTES_MAX: usize = 8 * RUN_BYTES_MAX;

/// Least size of the window, in bytes: a line so slow that not even this gets through within a
/// request's time limit still gets through late. Less: such a line carries more heads than records.
/// More: it is overloaded for good.
const WINDOW_BYTES_MIN: usize = 16 * 1024;

/// First backoff after a failed request. Shorter: a hot loop on refusal. Longer: felt by a client
/// whose message met one lost frame.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(20);

/// A run to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunPlan {
    /// Its messages.
    pub(super) range: IdRange,
    /// Size of their records, in bytes.
    pub(super) bytes: usize,
    /// Whether these messages were sent before.
    pub(super) is_retry: bool,
    /// How often they were sent, this time included, as far as is known: 1, or 2 for a retry, until
    /// the sends are counted.
    pub(super) attempt: u32,
}

/// The next thing to do for a secondary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextRun {
    /// Send a run. It counts as in flight.
    Run(RunPlan),
    /// Read a run that is not in memory, and report the result by [`Progress::note_read`] or
    /// [`Progress::note_unreadable`].
    Read(ReadOrder),
}

/// A run to be read: as long as the limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOrder {
    /// Position of its first message. There is one.
    pub from: LogEnd,
    /// End that it does not go beyond.
    pub until: LogEnd,
    /// Most bytes that it has, unless it is a single record or batch.
    pub max_bytes: usize,
}

/// A request for a run that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentRun {
    /// Its messages.
    pub(super) range: IdRange,
    /// Size of their records, in bytes.
    pub(super) bytes: usize,
}

/// The way in which a request that carried a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendFailure {
    /// It was not answered in time: the line may be too slow for the window.
    TimedOut,
    /// It was answered with an error.
    Answered,
}

/// The progress of one secondary.
///
/// The window works as in TCP: it halves when a request times out and grows by what is acked
/// (AIMD), so that a slow line is used one small run at a time instead of being overloaded.
#[derive(Debug)]
pub(super) struct Progress {
    acked_end: LogEnd,
    sent_end: LogEnd,
    /// Runs to be sent again: sorted, disjoint, all within `acked_end..sent_end`.
    missing: Vec<IdRange>,
    /// Runs sent for the first time and not acked yet, oldest first, with their sizes.
    unacked: VecDeque<SentRun>,
    unacked_bytes: usize,
    runs_in_flight: usize,
    bytes_in_flight: usize,
    window_bytes: usize,
    /// The last run that was read, since it was not in memory.
    read: Option<SentRun>,
    retry: Retry,
}

impl Progress {
    /// Creates the progress of a secondary that has everything before `acked_end`; its backoff is
    /// capped at `pause_max`.
    pub(super) fn new(acked_end: LogEnd, pause_max: Duration) -> Self {
        Self {
            acked_end,
            sent_end: acked_end,
            missing: Vec::new(),
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            runs_in_flight: 0,
            bytes_in_flight: 0,
            window_bytes: WINDOW_BYTES_MAX,
            read: None,
            retry: Retry::new(RETRY_PAUSE_FIRST, pause_max),
        }
    }

    /// Returns the end of what the secondary acked.
    pub(super) fn acked_end(&self) -> LogEnd {
        self.acked_end
    }

    /// Returns how many runs wait for an answer.
    pub(super) fn runs_in_flight(&self) -> usize {
        self.runs_in_flight
    }

    /// Takes in that the secondary has everything before `end`. Returns whether that is news.
    pub(super) fn ack(&mut self, end: LogEnd) -> bool {
        if end <= self.acked_end {
            return false;
        }
        let acked_bytes = self.unacked_bytes;
        self.acked_end = end;
        self.sent_end = self.sent_end.max(end);
        while self.unacked.front().is_some_and(|run| run.range.end() <= end) {
            let run = self.unacked.pop_front().map_or(0, |run| run.bytes);
            self.unacked_bytes -= run;
        }
        self.missing.retain_mut(|range| {
            *range = range.from(end);
            !range.is_empty()
        });
        let acked_bytes = acked_bytes - self.unacked_bytes;
        self.window_bytes = (self.window_bytes + acked_bytes).min(WINDOW_BYTES_MAX);
        self.resume();
        true
    }

    /// Ends the backoff: the secondary was heard from again.
    pub(super) fn resume(&mut self) {
        self.retry.reset();
    }

    /// Returns the next run to send, if one may be sent now and fewer than `runs_max` are in
    /// flight. The caller sends it: it counts as in flight from here on. A run that is not in
    /// memory is to be read first.
    #[must_use]
    pub(super) fn next_run(
        &mut self,
        now: Instant,
        log: &impl LogView,
        durable_end: LogEnd,
        runs_max: usize,
    ) -> Option<NextRun> {
        self.retry.wake(now);
        if self.retry.retry_at().is_some() {
            return None;
        }
        // A late ack may have covered all that was known to be missing.
        self.restart_from_acked();
        if self.runs_in_flight >= runs_max {
            return None;
        }
        let next = match self.missing.first() {
            Some(&range) => self.plan_retry(log, range)?,
            None => self.plan_new(log, durable_end)?,
        };
        if let NextRun::Run(plan) = next {
            self.runs_in_flight += 1;
            self.bytes_in_flight += plan.bytes;
        }
        Some(next)
    }

    /// Returns the run that begins at `order.from`, if it is in memory or was read before.
    fn find_run(&self, log: &impl LogView, order: ReadOrder) -> Option<(IdRange, usize)> {
        let ReadOrder { from, until, max_bytes } = order;
        log.run_from(from, until, max_bytes).or_else(|| {
            let read = self.read.filter(|read| read.range.start() == from);
            read.filter(|read| read.range.end() <= until).map(|read| (read.range, read.bytes))
        })
    }

    /// Notes a run that was read.
    pub(super) fn note_read(&mut self, range: IdRange, bytes: usize) {
        self.read = Some(SentRun { range, bytes });
    }

    /// Notes that a run could not be read. It is tried again after a backoff.
    pub(super) fn note_unreadable(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.retry.restart(now, rng);
    }

    fn plan_retry(&mut self, log: &impl LogView, missing: IdRange) -> Option<NextRun> {
        let max_bytes = RUN_BYTES_MAX.min(self.window_bytes);
        let order = ReadOrder { from: missing.start(), until: missing.end(), max_bytes };
        let Some((range, bytes)) = self.find_run(log, order) else {
            return Some(NextRun::Read(order));
        };
        assert!(!range.is_empty(), "{missing} was sent, so it is durable");
        if self.runs_in_flight > 0 && self.bytes_in_flight + bytes > self.window_bytes {
            return None;
        }
        let rest = missing.from(range.end());
        if rest.is_empty() {
            self.missing.remove(0);
        } else if let Some(first) = self.missing.first_mut() {
            *first = rest;
        }
        Some(NextRun::Run(RunPlan { range, bytes, is_retry: true, attempt: 2 }))
    }

    fn plan_new(&mut self, log: &impl LogView, durable_end: LogEnd) -> Option<NextRun> {
        if self.sent_end >= durable_end {
            return None;
        }
        let room = self.window_bytes.saturating_sub(self.unacked_bytes);
        let max_bytes = RUN_BYTES_MAX.min(room);
        let order = ReadOrder { from: self.sent_end, until: durable_end, max_bytes };
        let Some((range, bytes)) = self.find_run(log, order) else {
            // A file is read in runs of full size, and not in the small pieces for which acks make
            // room.
            let is_full = max_bytes == RUN_BYTES_MAX || self.unacked.is_empty();
            return is_full.then_some(NextRun::Read(order));
        };
        if range.is_empty() || (bytes > room && !self.unacked.is_empty()) {
            return None;
        }
        self.sent_end = range.end();
        self.unacked.push_back(SentRun { range, bytes });
        self.unacked_bytes += bytes;
        Some(NextRun::Run(RunPlan { range, bytes, is_retry: false, attempt: 1 }))
    }

    /// Takes in that a run was answered: the secondary has it, in its log or above a gap. Call
    /// after [`ack`](Self::ack).
    pub(super) fn settle(&mut self, now: Instant, run: SentRun, rng: &mut ChaCha8Rng) {
        self.take_off(run);
        self.restart_if_stuck(now, rng);
    }

    /// Takes in that a run failed. It is sent again after a backoff.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        run: SentRun,
        failure: SendFailure,
        rng: &mut ChaCha8Rng,
    ) {
        if failure == SendFailure::TimedOut {
            self.window_bytes = (self.window_bytes / 2).max(WINDOW_BYTES_MIN);
        }
        if self.lose(run) {
            self.retry.restart(now, rng);
        }
        self.restart_if_stuck(now, rng);
    }

    /// Takes in that a run is no longer waited for: it is sent again next. Returns whether
    /// something of it is still missing.
    pub(super) fn lose(&mut self, run: SentRun) -> bool {
        self.take_off(run);
        let range = run.range.from(self.acked_end);
        if !range.is_empty() {
            let at = self.missing.partition_point(|other| other.start() < range.start());
            self.missing.insert(at, range);
            // Lost one by one, sent again as one: small runs that fail again and again must not
            // take all the places of those in flight.
            self.missing.dedup_by(|next, before| {
                let follows = before.end() == next.start();
                if follows {
                    *before = IdRange::new(before.start(), next.end());
                }
                follows
            });
        }
        !range.is_empty()
    }

    /// Starts again from the acked end where nothing is in flight, nothing is known to be missing,
    /// and still the secondary has not all that was sent: what it held above a gap is gone.
    fn restart_if_stuck(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.restart_from_acked() {
            self.retry.restart(now, rng);
        }
    }

    fn restart_from_acked(&mut self) -> bool {
        let stuck =
            self.runs_in_flight == 0 && self.missing.is_empty() && self.acked_end < self.sent_end;
        if stuck {
            self.missing.push(IdRange::new(self.acked_end, self.sent_end));
        }
        stuck
    }

    fn take_off(&mut self, run: SentRun) {
        self.runs_in_flight -= 1;
        self.bytes_in_flight -= run.bytes;
    }

    /// Returns when a backoff ends that keeps something from being sent.
    pub(super) fn next_wakeup(&self, durable_end: LogEnd) -> Option<Instant> {
        let has_work = !self.missing.is_empty() || self.sent_end < durable_end;
        self.retry.retry_at().filter(|_| has_work)
    }
}
