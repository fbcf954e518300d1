//! Following the log: its messages as they come, across the ends of connections and nodes.

mod connection;
mod events;
mod position;
mod reconnecting;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use acklog_api::follow::Gap;
use acklog_api::query;
use acklog_types::WriteConcern;
use futures_core::Stream;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use self::position::Position;
use self::reconnecting::Reconnecting;
use crate::endpoint::Dial;
use crate::error::Error;

pub use crate::sse_stream::SILENCE_MAX;
pub use acklog_api::follow::{EventId as Cursor, GapReason};
pub use connection::{EventStream, FollowError, FollowRequest};
pub use events::{BadFollowStream, FollowEvent, StreamedMessage};

/// Where a follower begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FollowFrom {
    /// With the first message that the log still has.
    #[default]
    Start,
    /// With the message of this id.
    Id(u64),
    /// With so many messages before the end.
    Last(u64),
    /// With the first message that was accepted at this time or later: RFC 3339, with a zone.
    Since(String),
    /// Behind this message, if it still is one of this log.
    Behind(Cursor),
}

impl FollowFrom {
    /// Returns the name and the value of the query parameter that asks for this place. A cursor is
    /// asked for by a header.
    pub fn parameter(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Start | Self::Behind(_) => None,
            Self::Id(id) => Some((query::FROM, id.to_string())),
            Self::Last(count) => Some((query::LAST, count.to_string())),
            Self::Since(time) => Some((query::SINCE, time.clone())),
        }
    }
}

/// The options of a follower. The default: everything that the node shows, from the start of the
/// log on.
#[derive(Clone, Debug, Default)]
pub struct FollowOptions {
    /// Where it begins.
    pub from: FollowFrom,
    /// The number of nodes that must have a message before it is shown; none: the node's default.
    pub read_concern: Option<WriteConcern>,
}

/// An item of a follower's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A message.
    Message {
        /// The id: one more than that of the message before, unless there is a gap.
        id: u64,
        /// The text.
        text: String,
        /// The id of the first message of its batch, if it is a member of one.
        batch: Option<u64>,
    },
    /// Messages are gone that were not handed out, and come no more.
    Gap {
        /// The first id that is missing.
        from: u64,
        /// The first id that is there again.
        to: u64,
        /// The reason.
        why: GapReason,
    },
}

impl From<Gap> for Followed {
    fn from(Gap { from, to, why }: Gap) -> Self {
        Self::Gap { from, to, why }
    }
}

/// The connection of a follower, for people who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowLink {
    /// It connects for the first time.
    Connecting,
    /// It follows a node.
    Open {
        /// The node's URL.
        url: String,
        /// The id of the message that is handed out next, unless messages are gone.
        next: u64,
    },
    /// It connects again, since the connection was lost for this reason.
    Lost(String),
}

/// What the task hands over: an item, and the cursor behind it.
type Handed = Result<(Followed, Option<Cursor>), Error>;

/// The messages of a log from a place on, and what comes to it, for as long as it is asked for.
/// Made by [`Client::follow`](crate::Client::follow).
///
/// It connects again by itself, to each of the nodes in turn, and goes on where it was: no message
/// is lost and none comes twice. It ends with an error where that cannot be: when the log is
/// another one, when all nodes refuse for good, or when no node can be followed within the client's
/// deadline at first; later, it tries for as long as it takes.
///
/// Messages that are not taken are not read: a slow reader costs the memory of some pieces of the
/// stream. Dropping it ends the connection.
#[derive(Debug)]
pub struct Follow {
    batches: mpsc::Receiver<Vec<Handed>>,
    batch: VecDeque<Handed>,
    cursor: Option<Cursor>,
    link: watch::Receiver<FollowLink>,
    _task: AbortOnDropHandle<()>,
}

impl Follow {
    /// Begins to follow.
    pub(crate) fn new<D: Dial>(
        targets: Vec<D>,
        deadline: Duration,
        options: FollowOptions,
    ) -> Self {
        // One batch is handed over while the next one is read.
        let (sender, batches) = mpsc::channel(1);
        let (link_sender, link) = watch::channel(FollowLink::Connecting);
        let FollowOptions { from, read_concern } = options;
        let position = Position::new(from.clone());
        let follower =
            Reconnecting { targets, deadline, read_concern, position, link: link_sender };
        let cursor = match from {
            FollowFrom::Behind(cursor) => Some(cursor),
            _ => None,
        };
        let task = tokio::spawn(follower.run(sender));
        Self { batches, batch: VecDeque::new(), cursor, link, _task: AbortOnDropHandle::new(task) }
    }

    /// Returns the next item; `None` behind an error, which is the last item. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Followed, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the cursor behind the last whole message or batch that was handed out, for
    /// [`FollowFrom::Behind`]; `None` while there is none.
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Returns the state of the connection.
    pub fn link(&self) -> watch::Receiver<FollowLink> {
        self.link.clone()
    }
}

impl Stream for Follow {
    type Item = Result<Followed, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(handed) = self.batch.pop_front() {
                return Poll::Ready(Some(handed.map(|(item, cursor)| {
                    self.cursor = cursor.or_else(|| self.cursor.take());
                    item
                })));
            }
            match ready!(self.batches.poll_recv(context)) {
                Some(batch) => self.batch = batch.into(),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests;
