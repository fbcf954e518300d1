//! Counts of one thread.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::target::RequestFailure;

/// Shortest latency that the histogram distinguishes, far below that of a request.
const LATENCY_NANOS_MIN: u64 = 100;

/// Longest latency that the histogram holds: an hour. Longer ones count as this.
const LATENCY_NANOS_MAX: u64 = 3_600_000_000_000;

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Most kinds of failures that are counted separately: a server could make up new ones without end.
const FAILURE_KINDS_MAX: usize = 32;

/// Kind under which all further ones are counted.
const OTHER_KINDS: &str = "failures of other kinds";

/// Failures of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct FailureKind {
    pub(super) count: u64,
    /// Detail that came with the first of them.
    pub(super) detail: Option<String>,
}

/// Creates an empty histogram of nanoseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_NANOS_MIN, LATENCY_NANOS_MAX, LATENCY_DIGITS)
        .expect("the bounds are in order and the digits few")
}

/// Counts of the requests that were due in the measured time.
#[derive(Debug)]
pub(super) struct Tally {
    from: Instant,
    until: Instant,
    /// Time from when a request was due to its answer.
    pub(super) latency: Histogram<u64>,
    /// Time from when a request was due to when it was sent; `None` in a closed loop.
    pub(super) lateness: Option<Histogram<u64>>,
    pub(super) sent: u64,
    /// Answers that came in the measured time, whenever their requests were due.
    pub(super) answered_in_time: u64,
    pub(super) failures: BTreeMap<String, FailureKind>,
    failed_requests: u64,
    /// Requests that were due in the measured time and not sent.
    pub(super) unsent: u64,
}

impl Tally {
    /// Creates the tally of a closed loop, which measures from `from` until `until`.
    pub(super) fn of_closed_loop(from: Instant, until: Instant) -> Self {
        Self {
            from,
            until,
            latency: histogram(),
            lateness: None,
            sent: 0,
            answered_in_time: 0,
            failures: BTreeMap::new(),
            failed_requests: 0,
            unsent: 0,
        }
    }

    /// Creates the tally of an open loop, which also counts how late requests are sent.
    pub(super) fn of_open_loop(from: Instant, until: Instant) -> Self {
        Self { lateness: Some(histogram()), ..Self::of_closed_loop(from, until) }
    }

    /// Counts a request that is sent at `now`.
    pub(super) fn sent(&mut self, due: Instant, now: Instant) {
        if self.is_measured(due) {
            self.sent += 1;
            if let Some(lateness) = &mut self.lateness {
                lateness.saturating_record(nanos(due, now));
            }
        }
    }

    /// Counts a request that is answered with success at `now`.
    pub(super) fn answered(&mut self, due: Instant, now: Instant) {
        if self.is_measured(due) {
            self.latency.saturating_record(nanos(due, now));
        }
        if now >= self.from && now < self.until {
            self.answered_in_time += 1;
        }
    }

    /// Counts a failure of a request that was due then, or of connecting for it.
    pub(super) fn failed(&mut self, due: Instant, failure: &RequestFailure) {
        if !self.is_measured(due) {
            return;
        }
        self.failed_requests += u64::from(!matches!(failure, RequestFailure::Connect(_)));
        self.add_failure(failure);
    }

    /// Returns whether a request that is due then counts.
    pub(super) fn is_measured(&self, due: Instant) -> bool {
        due >= self.from
    }

    /// Counts a stream that broke, or could not begin, with so many requests under way. The `early`
    /// ones were sent before the measured time and are not counted yet. Where the node refused the
    /// stream, none of them was ever under way.
    pub(super) fn broken(
        &mut self,
        now: Instant,
        failure: &RequestFailure,
        (early, measured): (u64, u64),
    ) {
        if !self.is_measured(now) {
            return;
        }
        match failure {
            RequestFailure::Refused { .. } => self.sent = self.sent.saturating_sub(measured),
            _ => self.sent += early,
        }
        self.add_failure(failure);
    }

    fn add_failure(&mut self, failure: &RequestFailure) {
        let detail = match failure {
            RequestFailure::Refused { detail, .. } => detail.as_deref(),
            _ => None,
        };
        self.add_failures(&failure.to_string(), 1, detail);
    }

    fn add_failures(&mut self, kind: &str, count: u64, detail: Option<&str>) {
        let full = self.failures.len() >= FAILURE_KINDS_MAX;
        let (kind, detail) = match full && !self.failures.contains_key(kind) {
            true => (OTHER_KINDS, None),
            false => (kind, detail),
        };
        let failed = self.failures.entry(kind.to_owned()).or_default();
        failed.count += count;
        if failed.detail.is_none() {
            failed.detail = detail.map(str::to_owned);
        }
    }

    /// Returns the number of requests that had neither an answer nor an error.
    pub(super) fn unanswered(&self) -> u64 {
        self.sent.saturating_sub(self.latency.len() + self.failed_requests)
    }

    /// Adds the counts of another thread.
    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that this cannot fail.
        let _ = self.latency.add(&other.latency);
        if let (Some(lateness), Some(other)) = (&mut self.lateness, &other.lateness) {
            let _ = lateness.add(other);
        }
        self.sent += other.sent;
        self.failed_requests += other.failed_requests;
        self.answered_in_time += other.answered_in_time;
        self.unsent += other.unsent;
        for (kind, failed) in &other.failures {
            self.add_failures(kind, failed.count, failed.detail.as_deref());
        }
    }
}

fn nanos(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
