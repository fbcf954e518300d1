//! `GET /events`: what the node does, as server-sent events, and on request what it is and shows.

mod messages;
mod relay;
mod state;
mod stream;

use acklog_api::EventsRequest;
use acklog_log::LogReader;
use hyper::Response;
use hyper::header::HeaderMap;

use self::stream::EventStream;
use super::config::ServedNode;
use super::follow::FollowerLimit;
use super::peer::PeerConnections;
use super::problem::RequestProblem;
use super::response::{ResponseBody, streamed};
use crate::contract::sse;
use crate::server::node::ReadPositions;

/// Everything that a stream of events tells about its node.
#[derive(Clone)]
pub(super) struct NodeView {
    pub(super) node: ServedNode,
    pub(super) log: LogReader,
    pub(super) positions: ReadPositions,
    pub(super) allow_faults: bool,
    /// Counts the connections to secondaries.
    pub(super) peers: PeerConnections,
}

impl NodeView {
    fn name(&self) -> String {
        self.node.events().node().to_string()
    }
}

/// Answers with the events of a node, from here on or behind the one that the client names. The
/// answer ends when the node stops.
///
/// # Errors
/// When as many follow the node as may.
///
/// # Panics
/// Outside of a runtime with local tasks.
pub(super) fn answer(
    told: &NodeView,
    request: EventsRequest,
    followers: &FollowerLimit,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let max = followers.max();
    let follower = followers.enter().ok_or(RequestProblem::TooManyFollowers { max })?;
    let body = EventStream::new(told, request, sse::last_id(headers), follower);
    Ok(streamed(sse::TEXT_EVENT_STREAM, ResponseBody::pieces(body)))
}
