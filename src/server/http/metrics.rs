//! `/metrics`: the node's numbers, for Prometheus and whatever else reads its formats.
//!
//! ```text
//! HTTP threads: tally ──copied──┐
//! core task: one question ──────┼─> snapshot ─> families ─> text
//! committer: syncs ────copied───┘
//! ```
//!
//! Whoever does something counts it, in numbers that it alone changes. A scrape copies them without
//! a lock, asks the core task one question, and renders the [`Snapshot`]: the rest is a pure
//! function. What ages, such as the longest wait, is computed when it is asked for.
//!
//! `docs/reference/metrics.md` lists all metrics; a test compares that page with a running node.

mod families;
mod format;
mod master;
mod node;
mod process;
mod secondary;
mod snapshot;

use std::time::{Duration, SystemTime};

use acklog_log::LogReader;
use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::timeout;

use self::format::{MetricsFormat, render};
use self::process::ProcessNumbers;
pub(super) use self::snapshot::NodeMeasures;
use self::snapshot::Snapshot;
use super::response::ResponseBody;
use super::tally::TallySums;

/// Time for the file system to tell its free space. Shorter: a busy one does not answer in time.
/// Longer: a scrape of a node whose disk hangs takes that long, which is when it is needed.
const FREE_SPACE_TIME: Duration = Duration::from_millis(100);

/// The numbers that HTTP knows itself.
#[derive(Clone, Debug)]
pub(super) struct HttpNumbers {
    /// The sums of what the threads have counted.
    pub(super) sums: TallySums,
    /// Readers that wait or follow.
    pub(super) followers: usize,
    /// Open connections.
    pub(super) connections: usize,
}

/// Returns the bytes that the file system of the log has left; none where it does not tell in time,
/// and for a log in memory.
pub(super) async fn free_bytes(log: &LogReader) -> Option<u64> {
    if !log.is_on_disk() {
        return None;
    }
    let asked = timeout(FREE_SPACE_TIME, log.aside(LogReader::free_bytes)).await;
    asked.ok()?.ok()?
}

/// Returns the answer to a scrape by a client with these headers. `started` is when the process
/// did.
pub(super) fn answer(
    node: NodeMeasures,
    (log, free_bytes): (&LogReader, Option<u64>),
    http: HttpNumbers,
    started: SystemTime,
    headers: &HeaderMap,
) -> Response<ResponseBody> {
    let format = MetricsFormat::by(headers.get_all(ACCEPT));
    let process = ProcessNumbers::read(started);
    let snapshot = Snapshot { node, log: log.measures(), free_bytes, http, process };
    let mut response = Response::new(ResponseBody::full(render(snapshot, format).into_bytes()));
    let content_type = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
