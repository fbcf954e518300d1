//! `GET /events`: what the node does, as server-sent events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use acklog_api::{MissedEvents, Role, SampledEvents, headers};
use bytes::Bytes;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName};
use tokio::time::timeout;

use super::follow::{Follower, FollowerLimit};
use super::problem::RequestProblem;
use super::response::{Attendance, BodyError, BodyPieces, Presence, ResponseBody, streamed};
use super::sse;
use crate::contract::event_body;
use crate::server::node::{EventHub, EventItem, EventListener, Heard};

/// Silence after which a comment is sent. Longer: proxies cut the connection. Shorter: more bytes
/// for nothing.
const SILENCE: Duration = Duration::from_secs(10);

/// The header with the id of the last event that a reader got.
static LAST_EVENT_ID: HeaderName = HeaderName::from_static(headers::LAST_EVENT_ID);

/// Returns the id of the last event that the client heard; none where it names none of this form.
fn last_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(&LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

/// Answers with the events of a node of this role, from here on or behind the one that the client
/// names. The answer ends when the node stops.
///
/// # Errors
/// When as many follow the node as may.
pub(super) fn answer(
    (hub, role): (&Arc<EventHub>, Role),
    followers: &FollowerLimit,
    request: &HeaderMap,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let max = followers.max();
    let follower = followers.enter().ok_or(RequestProblem::TooManyFollowers { max })?;
    let listener = hub.clone().listen(last_id(request));
    let stream = Listening { listener, role, _follower: follower, begun: false };
    let body = EventStream { next: Box::pin(stream.next()), presence: None };
    Ok(streamed(sse::TEXT_EVENT_STREAM, ResponseBody::pieces(body)))
}

/// One who listens over HTTP.
struct Listening {
    listener: EventListener,
    role: Role,
    _follower: Follower,
    begun: bool,
}

impl Listening {
    /// Waits for what comes next, and renders it; none at the end.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            // At once: the client learns that it is heard, and proxies pass the head on.
            sse::write_opening(&mut out, "events of this node");
            return Some((self, out.into()));
        }
        match timeout(SILENCE, self.listener.next()).await {
            Err(_) => return Some((self, sse::comment())),
            Ok(Heard::Closed) => return None,
            Ok(Heard::Missed(count)) => {
                sse::write_event(&mut out, (Some("missed"), None), &MissedEvents { count });
            }
            Ok(Heard::Items(items)) => items.iter().for_each(|item| self.render(&mut out, item)),
        }
        Some((self, out.into()))
    }

    fn render(&self, out: &mut Vec<u8>, item: &EventItem) {
        match item {
            EventItem::Event(event) => {
                let rendered = event.rendered(|event| {
                    let mut out = Vec::new();
                    let body = event_body(self.listener.hub().node(), &self.role, event);
                    sse::write_event(&mut out, (None, Some(event.id)), &body);
                    out.into()
                });
                out.extend_from_slice(&rendered);
            }
            EventItem::Sampled { left_out, every } => {
                let data = SampledEvents { left_out: *left_out, every: *every };
                sse::write_event(out, (Some("sampled"), None), &data);
            }
        }
    }
}

/// What a listener waits for, and the listener with it.
type Next = Pin<Box<dyn Future<Output = Option<(Listening, Bytes)>>>>;

/// The stream as the body of an answer.
struct EventStream {
    next: Next,
    presence: Option<Box<dyn Presence>>,
}

impl BodyPieces for EventStream {
    fn attends(&self) -> bool {
        true
    }

    fn begin(&mut self, Attendance { presence, .. }: Attendance) {
        self.presence = Some(presence);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Poll::Ready(next) = self.next.as_mut().poll(cx) else {
            let probed = ready!(self.presence.poll_probe(cx));
            return Poll::Ready(Some(probed.map(|()| sse::comment()).map_err(Into::into)));
        };
        let Some((listening, piece)) = next else { return Poll::Ready(None) };
        self.next = Box::pin(listening.next());
        Poll::Ready(Some(Ok(piece)))
    }
}
