//! Protocol events: what happens in a node, as one typed list.
//!
//! A machine emits events beside its effects, and the driver polls them in the same way. Log lines,
//! metrics and the simulator read this list, so that none of them has a vocabulary of its own.
//! Nothing depends on an event: a node whose events nobody reads decides the same.
//!
//! Most events happen per message or per frame. A machine emits those only if a reader asked for
//! that [`Detail`]; otherwise they cost one comparison.

mod connection;
mod frame;
mod kind;
mod message;
mod node;

use std::collections::VecDeque;

use acklog_types::{IdRange, MessageId};

pub use connection::{ConnectionEvent, Ending};
pub(crate) use frame::ids_in;
pub use frame::{FrameEvent, FrameStage};
pub use kind::EventKind;
pub use message::{AnswerKind, MessageEvent};
pub use node::NodeEvent;

use crate::outcome::{Outcome, Receipt};

/// One thing that happened in a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Messages moved on in their life.
    Message(MessageEvent),
    /// A frame was sent or received, or its request ended.
    Frame(FrameEvent),
    /// A connection between nodes began, got further or ended.
    Connection(ConnectionEvent),
    /// The state of this node, or of another one as seen from here, changed.
    Node(NodeEvent),
}

impl Event {
    /// Returns the kind of the event, whose word is the same for every node and reader.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Message(event) => event.kind(),
            Self::Frame(event) => event.stage.kind(),
            Self::Connection(event) => event.kind(),
            Self::Node(event) => event.kind(),
        }
    }

    /// Returns the messages whose life or transfer the event is about; none where it is about
    /// others.
    pub fn ids(&self) -> Option<IdRange> {
        match self {
            Self::Message(event) => event.ids(),
            Self::Frame(event) => event.ids,
            Self::Connection(_) | Self::Node(_) => None,
        }
    }
}

/// Lets [`Events::emit`] take the events of one area as they are.
macro_rules! areas {
    ($($area:ident($event:ident)),*) => {
        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$area(event)
            }
        })*
    };
}

areas!(Message(MessageEvent), Frame(FrameEvent), Connection(ConnectionEvent), Node(NodeEvent));

/// The events that are read, from none to all; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// No events.
    Nothing,
    /// Changes of connections, of health and of the node. Some happen while a machine is created,
    /// so they are read unless a driver says otherwise.
    #[default]
    Changes,
    /// Also the life of each message.
    Messages,
    /// Also each frame, except heartbeats.
    Frames,
    /// Also heartbeats and their answers.
    Heartbeats,
}

/// The events of one machine that are not polled yet.
///
/// A driver polls until there are none, as it does with effects. One that does not read events sets
/// the detail to [`Detail::Nothing`]; otherwise they pile up.
#[derive(Debug, Default)]
pub struct Events {
    detail: Detail,
    queue: VecDeque<Event>,
}

impl Events {
    /// Sets which events are emitted from now on. Those that wait to be polled stay.
    pub fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// Returns the next event, in the order in which they happened.
    #[must_use]
    #[inline]
    pub fn poll(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// Adds the events of the answers to `count` clients, of which this is the first one's. The
    /// messages of the others follow; where there are others, each has one.
    #[inline]
    pub(crate) fn emit_answers(&mut self, outcome: &Outcome, count: u64) {
        if let Some((answer, receipt)) = AnswerKind::of(outcome) {
            let &Receipt { id, messages, write_concern, .. } = receipt;
            let event = |ids| MessageEvent::Answered { ids, write_concern, answer };
            self.emit_each(Detail::Messages, id, (count, messages), event);
        }
    }

    /// Adds an event for each of `count` clients, as [`emit`](Self::emit) does. The first one's
    /// messages, so many of them, begin with `first`; those of the others follow.
    #[inline]
    pub(crate) fn emit_each<E: Into<Event>>(
        &mut self,
        detail: Detail,
        first: MessageId,
        (count, messages): (u64, u64),
        event: impl Fn(IdRange) -> E,
    ) {
        if detail <= self.detail {
            for n in 0..count {
                let start = first.before().plus(n * messages);
                let ids = IdRange::new(start, start.plus(messages));
                self.queue.push_back(event(ids).into());
            }
        }
    }

    /// Adds an event that is read from `detail` on. It is built only if it is read.
    #[inline]
    pub(crate) fn emit<E: Into<Event>>(&mut self, detail: Detail, event: impl FnOnce() -> E) {
        if detail <= self.detail {
            self.queue.push_back(event().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(connections: usize) -> NodeEvent {
        NodeEvent::ConnectionsDropped { connections }
    }

    #[test]
    fn only_what_is_read_is_built_and_it_comes_out_in_order() {
        let mut events = Events::default();
        events.emit(Detail::Changes, || dropped(1));
        events.emit(Detail::Messages, || -> NodeEvent { unreachable!("nobody reads messages") });
        events.set_detail(Detail::Frames);
        events.emit(Detail::Messages, || dropped(2));
        events.emit(Detail::Frames, || dropped(3));
        events.emit(Detail::Heartbeats, || -> NodeEvent { unreachable!("nor heartbeats") });
        events.set_detail(Detail::Nothing);
        events.emit(Detail::Changes, || -> NodeEvent { unreachable!("nothing is read now") });
        let polled: Vec<Event> = std::iter::from_fn(|| events.poll()).collect();
        assert_eq!(polled, [1, 2, 3].map(|connections| Event::Node(dropped(connections))));
    }
}
