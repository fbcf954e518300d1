//! What a run measured: the counts, and the latencies' percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::load::BenchLoad;
use super::schedule::LoadModel;
use super::tally::Tally;

const NANOS_PER_MICRO: f64 = 1000.0;

/// What a run measured. Of its messages, those that were due after the warm-up count.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchReport {
    /// Clients that sent.
    pub clients: usize,
    /// Threads that they shared.
    pub threads: usize,
    /// Messages in each request.
    pub batch: u64,
    /// Messages a second that were due; none where each client waited for its answers.
    pub due_per_second: Option<f64>,
    /// How long was measured.
    pub seconds: f64,
    /// Messages a second in requests that were answered as they should, in that time.
    pub messages_per_second: f64,
    /// Requests a second that were answered as they should, in that time.
    pub requests_per_second: f64,
    /// Requests that were answered as they should.
    pub answered: u64,
    /// Requests, and connections, that failed.
    pub failed: u64,
    /// Requests that had neither an answer nor an error when somebody ended the run.
    pub unanswered: u64,
    /// Requests that were due after the warm-up and not sent, because every client was busy.
    pub unsent: u64,
    /// From when a request was due (with answers waited for: sent) to its answer; none where nothing was answered.
    pub latency_us: Option<Percentiles>,
    /// From when a request was due to when it was sent; none where each client waited for its answers.
    pub lateness_us: Option<Percentiles>,
    /// What failed, the most frequent first.
    pub errors: Vec<FailureCount>,
    /// The latencies themselves, in nanoseconds.
    #[serde(skip)]
    pub latency: Histogram<u64>,
}

/// How often something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureCount {
    /// What failed, in one line.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// What the server said about the first of them.
    pub detail: Option<String>,
}

/// Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// The average.
    pub mean: f64,
    /// Half of all are at most this.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// 99.9 % are at most this.
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    /// The percentiles of a histogram of nanoseconds; none where it is empty.
    pub fn of(nanos: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| nanos.value_at_quantile(quantile) as f64 / NANOS_PER_MICRO;
        (!nanos.is_empty()).then(|| Self {
            // To a nanosecond, as the others.
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
        // A run that is ended in its warm-up measured nothing.
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
