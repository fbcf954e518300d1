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
mod free_space;
mod master;
mod node;
mod process;
mod secondary;
mod snapshot;

use std::sync::Arc;
use std::time::SystemTime;

use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use self::format::{MetricsFormat, render};
pub(super) use self::free_space::FreeSpace;
use self::process::ProcessNumbers;
use self::snapshot::{NodeMeasures, Snapshot};
use super::config::ServedNode;
use super::connections::Connections;
use super::follow::FollowerLimit;
use super::response::ResponseBody;
use super::tally::{Tallies, TallySums};
use crate::server::node::NodeStopped;

/// The places where a scrape finds its numbers.
pub(super) struct MetricsSources {
    pub(super) node: ServedNode,
    pub(super) followers: FollowerLimit,
    pub(super) connections: Arc<Connections>,
    pub(super) tallies: Tallies,
    pub(super) free_space: FreeSpace,
    /// When the process started.
    pub(super) started: SystemTime,
}

/// The numbers that HTTP knows itself.
#[derive(Clone, Debug)]
struct HttpNumbers {
    /// The sums of what the threads have counted.
    sums: TallySums,
    /// Readers that wait or follow.
    followers: usize,
    /// Open connections.
    connections: usize,
}

impl MetricsSources {
    /// Returns the answer to a scrape by a client with these headers. Cancel safe.
    ///
    /// # Errors
    /// When the node has stopped.
    pub(super) async fn answer(
        &self,
        headers: &HeaderMap,
    ) -> Result<Response<ResponseBody>, NodeStopped> {
        let (node, free_bytes) =
            tokio::join!(NodeMeasures::of(&self.node), self.free_space.bytes());
        let http = HttpNumbers {
            sums: self.tallies.sums(),
            followers: self.followers.count(),
            connections: self.connections.count(),
        };
        let (log, process) = (self.node.reader().measures(), ProcessNumbers::read(self.started));
        let snapshot = Snapshot { node: node?, log, free_bytes, http, process };
        let format = MetricsFormat::by(headers.get_all(ACCEPT));
        let mut response = Response::new(ResponseBody::full(render(snapshot, format).into_bytes()));
        let content_type = HeaderValue::from_static(format.content_type());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Ok(response)
    }
}
