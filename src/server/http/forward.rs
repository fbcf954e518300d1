//! Passes requests about faults on to the secondary that they name.

use std::time::Duration;

use acklog_api::{headers as names, query};
use acklog_client::{Answer, Dial, NodeClient};
use acklog_types::NodeName;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VIA};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use tracing::debug;

use super::peer::{NO_PLACE, PeerConnections, PeerTarget, not_reached};
use super::problem::RequestProblem;
use super::response::ResponseBody;
use crate::server::node::MasterHandle;

/// Time for a secondary's answer. It waits for no other node, so one that is silent for so long
/// hangs. Shorter: a busy one is given up. Longer: a person learns later that it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer, in bytes: far more than faults or a problem need. Smaller: a long detail does
/// not fit. Larger: whoever answers at a secondary's address takes up more memory.
const ANSWER_MAX: usize = 64 * 1024;

/// The value of `Via` by which a node knows that a master passed a request on: no node passes it on
/// again, so no request goes round.
const PASSED_ON: &str = "1.1 acklog-master";

/// Returns whether a master passed a request with these headers on.
pub(super) fn was_passed_on(headers: &HeaderMap) -> bool {
    let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|via| via.trim() == PASSED_ON)
}

/// Sends a request to the same path of a secondary, with the caller's own authorization, and
/// returns its answer as it is. The secondary is named in it, so that another node at its address
/// does not take it for its own. Dropped, the request may have been done all the same.
///
/// # Errors
/// When the master knows no secondary of that name, does not reach it, or no node answers there.
pub(super) async fn forward(
    (master, connections): (&MasterHandle, &PeerConnections),
    name: NodeName,
    head: &Parts,
    body: Bytes,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let mut peers = master.peers().await?.into_iter();
    let Some(peer) = peers.find(|peer| peer.name == name) else {
        return Err(RequestProblem::NoSuchNode(name));
    };
    let unreachable = |detail: String| {
        let name = peer.name.clone();
        RequestProblem::NodeUnreachable { name, detail }
    };
    let _counted = connections.pass_on().map_err(unreachable)?;
    let target = peer.http.map(PeerTarget::new).ok_or_else(|| unreachable(NO_PLACE.to_owned()))?;
    // The library leaves out the body of an answer to `HEAD`.
    let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
    let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let headers: Vec<(HeaderName, &str)> = authorization
        .map(|value| (AUTHORIZATION, value))
        .into_iter()
        .chain([(VIA, PASSED_ON)])
        .collect();
    let path = format!("{}?{}={name}", head.uri.path(), query::NODE);
    let url = target.endpoint().to_string();
    let answer = NodeClient::new(target)
        .request(method, &path, (&headers, body), (PATIENCE, ANSWER_MAX))
        .await
        .map_err(|error| unreachable(not_reached(error)))?;
    let Some(content_type) = type_of_node(&answer) else {
        let status = answer.status;
        return Err(unreachable(not_reached(format!("{url} answers {status} as no node does"))));
    };
    debug!(node = %name, %url, http_status = answer.status.as_u16(), "request passed on");
    let mut response = Response::new(ResponseBody::full(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// Returns the content type of an answer; none where no node answers so. Only JSON is passed back:
/// a browser would take anything else, such as a script, for this node's own.
fn type_of_node(answer: &Answer) -> Option<HeaderValue> {
    let status = answer.status;
    let is_final = status.is_success() || status.is_client_error() || status.is_server_error();
    let content_type = answer.headers.get(CONTENT_TYPE).filter(|_| is_final)?;
    [names::APPLICATION_JSON, names::PROBLEM_JSON]
        .into_iter()
        .find(|known| content_type == known)
        .map(HeaderValue::from_static)
}
