//! Passes requests about faults on to the secondary that they name.

use std::time::Duration;

use acklog_client::{Dial, NodeClient};
use acklog_types::NodeName;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Response};

use super::peer::{NO_PLACE, PeerTarget, not_reached};
use super::problem::RequestProblem;
use super::response::ResponseBody;
use crate::server::node::MasterHandle;

/// Time for a secondary's answer. It waits for no other node, so one that is silent for so long
/// hangs. Shorter: a busy one is given up. Longer: a person waits for longer to learn that it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a request to the same path of a secondary, with the caller's own authorization, and
/// returns its answer as it is.
///
/// # Errors
/// When the master knows no secondary of that name, or does not reach it.
pub(super) async fn forward(
    master: &MasterHandle,
    name: NodeName,
    head: &Parts,
    body: Bytes,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let mut peers = master.peers().await?.into_iter();
    let Some(peer) = peers.find(|peer| peer.name == name) else {
        return Err(RequestProblem::NoSuchNode(name));
    };
    let unreachable = |reason: String| {
        let (name, detail) = (peer.name.clone(), not_reached(reason));
        RequestProblem::NodeUnreachable { name, detail }
    };
    let target = peer.http.map(PeerTarget::new).ok_or_else(|| unreachable(NO_PLACE.to_owned()))?;
    // The library leaves out the body of an answer to `HEAD`.
    let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
    let headers: Vec<(HeaderName, &str)> = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(|value| (AUTHORIZATION, value))
        .into_iter()
        .collect();
    let url = target.endpoint().to_string();
    let answer = NodeClient::new(target)
        .request(method, head.uri.path(), &headers, body, PATIENCE)
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    tracing::debug!(node = %name, %url, http_status = answer.status.as_u16(), "request passed on");
    let mut response = Response::new(ResponseBody::full(answer.body));
    *response.status_mut() = answer.status;
    let content_type = answer.headers.get(CONTENT_TYPE).cloned();
    response.headers_mut().extend(content_type.map(|value| (CONTENT_TYPE, value)));
    Ok(response)
}
