//! The body of a stream of events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use acklog_api::{EventsRequest, MissedEvents, Role, SampledEvents, view};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::{NodeView, messages, relay, state};
use crate::contract::event_body;
use crate::contract::sse;
use crate::server::http::config::ServedNode;
use crate::server::http::follow::Follower;
use crate::server::http::response::{Attendance, BodyError, BodyPieces, Presence};
use crate::server::node::{EventItem, EventListener, Heard, ITEMS_MAX};

/// Silence after which a comment is sent. Longer: proxies cut the connection. Shorter: more bytes
/// for nothing.
const SILENCE: Duration = Duration::from_secs(10);

/// Time between two pieces of events, so that a busy node writes many at once. Shorter: each event
/// costs the node, and each that relays it, a system call of its own. Longer: a reader sees what
/// happens later, up to this time.
const GATHERING: Duration = Duration::from_millis(20);

/// Time between two pieces of a busy node, which leaves out most events. Shorter: each piece wakes
/// the node, the master that relays it, and the reader. Longer: a reader sees what happens later.
const GATHERING_WHEN_BUSY: Duration = Duration::from_millis(500);

/// Pieces beside the node's own events that wait for a reader. Fewer: those who make them wait for
/// each other. More: more memory for a slow reader, and older news.
const PIECES_MAX: usize = 4;

/// One who listens over HTTP.
struct Listening {
    listener: EventListener,
    role: Role,
    /// The name of the node, where the reader gets those of several.
    of_many: Option<String>,
    /// What is told beside the node's own events, rendered.
    pieces: mpsc::Receiver<Bytes>,
    /// Those who make the pieces; they end with the reader.
    _makers: JoinSet<()>,
    _follower: Follower,
    begun: bool,
    /// The earliest time of the next piece of events.
    due: Instant,
}

impl Listening {
    fn new(
        told: &NodeView,
        request: EventsRequest,
        last_id: Option<u64>,
        follower: Follower,
    ) -> Self {
        let listener = told.node.events().clone().listen(last_id);
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let mut makers = JoinSet::new();
        if request.state {
            makers.spawn_local(state::tell(told.clone(), sender.clone()));
        }
        if request.messages {
            makers.spawn_local(messages::tell(told.clone(), sender.clone()));
        }
        if let (true, ServedNode::Master(master)) = (request.all_nodes, &told.node) {
            makers.spawn_local(relay::tell((master.clone(), told.peers.clone()), request, sender));
        }
        Self {
            listener,
            role: told.node.role(),
            of_many: request.all_nodes.then(|| told.name()),
            pieces,
            _makers: makers,
            _follower: follower,
            begun: false,
            due: Instant::now(),
        }
    }

    /// Waits for what comes next, and renders it; none at the end. Not cancel safe: the listener
    /// is dropped with it.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            // At once: the client learns that it is heard, and proxies pass the head on.
            sse::write_opening(&mut out, "events of this node");
            return Some((self, out.into()));
        }
        let heard = async {
            sleep_until(self.due).await;
            self.listener.next().await
        };
        tokio::select! {
            heard = heard => match heard {
                Heard::Closed => return None,
                Heard::Missed(count) => {
                    let data = MissedEvents { count, node: self.of_many.clone() };
                    sse::write_event(&mut out, (Some(view::MISSED_EVENT), None), &data);
                }
                Heard::Items(items) => {
                    items.iter().for_each(|item| self.render(&mut out, item));
                    // More waits behind a full piece.
                    let gathers = items.len() < ITEMS_MAX && self.listener.hub().is_busy();
                    let gathering = if gathers { GATHERING_WHEN_BUSY } else { GATHERING };
                    self.due = Instant::now() + gathering;
                }
            },
            Some(piece) = self.pieces.recv() => return Some((self, piece)),
            () = sleep(SILENCE) => return Some((self, sse::comment())),
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
                match self.of_many {
                    None => out.extend_from_slice(&rendered),
                    Some(_) => out.extend_from_slice(sse::without_id(&rendered)),
                }
            }
            EventItem::Sampled { left_out, every } => {
                let node = self.of_many.clone();
                let data = SampledEvents { left_out: *left_out, every: *every, node };
                sse::write_event(out, (Some(view::SAMPLED_EVENT), None), &data);
            }
        }
    }
}

/// What a listener waits for, and the listener with it.
type Next = Pin<Box<dyn Future<Output = Option<(Listening, Bytes)>>>>;

/// The stream as the body of an answer.
pub(super) struct EventStream {
    next: Next,
    presence: Option<Box<dyn Presence>>,
}

impl EventStream {
    /// Creates a stream of the events of a node, behind the one with this id, and of what the
    /// request names beside them.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks.
    pub(super) fn new(
        told: &NodeView,
        request: EventsRequest,
        last_id: Option<u64>,
        follower: Follower,
    ) -> Self {
        let listening = Listening::new(told, request, last_id, follower);
        Self { next: Box::pin(listening.next()), presence: None }
    }
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
