//! Results of a run: counts and percentiles of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::load::BenchLoad;
use super::schedule::LoadModel;
use super::tally::Tally;

const NANOS_PER_MICRO: f64 = 1000.0;

/// Results of a run. Requests that were due in the warm-up do not count.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchReport {
    /// Clients that sent.
    pub clients: usize,
    /// Threads that the clients were spread over.
    pub threads: usize,
    /// Messages in each request.
    pub batch: u64,
    /// Messages per second that were due; `None` in a closed loop.
    pub due_per_second: Option<f64>,
    /// Measured time, in seconds.
    pub seconds: f64,
    /// Messages per second in requests that were answered with success in that time.
    pub messages_per_second: f64,
    /// Requests per second that were answered with success in that time.
    pub requests_per_second: f64,
    /// Requests that were answered with success.
    pub answered: u64,
    /// Requests, and attempts to connect, that failed.
    pub failed: u64,
    /// Requests that had neither an answer nor an error when the run was stopped early.
    pub unanswered: u64,
    /// Requests that were due after the warm-up and not sent, because every client was busy.
    pub unsent: u64,
    /// Time from when a request was due (open loop) or sent (closed loop) to its answer; `None` if
    /// nothing was answered.
    pub latency_us: Option<Percentiles>,
    /// Time from when a request was due to when it was sent; `None` in a closed loop.
    pub lateness_us: Option<Percentiles>,
    /// Failures by kind, the most frequent first.
    pub errors: Vec<FailureCount>,
    /// All latencies, in nanoseconds.
    #[serde(skip)]
    pub latency: Histogram<u64>,
}

/// Number of failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureCount {
    /// The failure in one line.
    pub kind: String,
    /// Number of failures.
    pub count: u64,
    /// Detail that the server gave with the first of them.
    pub detail: Option<String>,
}

/// Percentiles of times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// The average.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// The longest time.
    pub max: f64,
}

impl Percentiles {
    /// Returns the percentiles of a histogram of nanoseconds; `None` if it is empty.
    pub fn of(nanos: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| nanos.value_at_quantile(quantile) as f64 / NANOS_PER_MICRO;
        (!nanos.is_empty()).then(|| Self {
            // Rounded to a nanosecond, as the others are.
            mean: nanos.mean().round() / NANOS_PER_MICRO,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: nanos.max() as f64 / NANOS_PER_MICRO,
        })
    }
}

impl BenchReport {
    pub(super) fn new(load: &BenchLoad, threads: usize, measured: Duration, tally: Tally) -> Self {
        let seconds = measured.as_secs_f64();
        // A run that was stopped in its warm-up measured nothing.
        let rate = if seconds > 0.0 { tally.answered_in_time as f64 / seconds } else { 0.0 };
        let (answered, failed) =
            (tally.latency.len(), tally.failures.values().map(|f| f.count).sum());
        let mut errors: Vec<_> = tally
            .failures
            .iter()
            .map(|(kind, failed)| FailureCount {
                kind: kind.clone(),
                count: failed.count,
                detail: failed.detail.clone(),
            })
            .collect();
        errors.sort_by_key(|failures| std::cmp::Reverse(failures.count));
        let per_second = match load.model {
            LoadModel::Closed => None,
            LoadModel::Open { per_second } => Some(per_second),
        };
        Self {
            clients: load.clients,
            threads,
            batch: load.batch,
            due_per_second: per_second.map(|rate| rate * load.batch as f64),
            seconds,
            messages_per_second: rate * load.batch as f64,
            requests_per_second: rate,
            answered,
            failed,
            unanswered: tally.unanswered(),
            unsent: tally.unsent,
            latency_us: Percentiles::of(&tally.latency),
            lateness_us: tally.lateness.as_ref().and_then(Percentiles::of),
            errors,
            latency: tally.latency,
        }
    }
}
