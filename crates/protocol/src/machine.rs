//! The interface that both roles of a node share, so that one driver runs either of them.

use std::time::Instant;

use acklog_types::{Damage, DiskFault, IdRange, LogEnd, NodeName, Records, SessionId, Unreadable};

use crate::events::{Event, Events};
use crate::frame::Frame;
use crate::line::LineView;
use crate::progress::ReadOrder;
use crate::{CloseReason, SessionEnd};

/// A node's state machine: it decides, and a driver acts.
///
/// After each [`step`](Self::step) and [`handle_timeout`](Self::handle_timeout), or after several
/// of them, the driver calls [`poll_effect`](Self::poll_effect) until it returns none. It holds the
/// only timer, and sets it to [`next_deadline`](Self::next_deadline). `now` never goes back.
pub trait Machine {
    /// Inputs of this role only.
    type Input;
    /// Effects of this role only.
    type Effect;
    /// The facts that `/health` shows of this role.
    type Health;

    /// Takes in an input.
    ///
    /// # Panics
    /// If a connection, a frame or records read for a peer are handed in while the node is paused.
    fn step(&mut self, now: Instant, input: Input<Self::Input>);

    /// Looks at how far the frames to peers have got, where that is due. Must be called before each
    /// [`handle_timeout`](Self::handle_timeout).
    fn look(&mut self, now: Instant, look: impl FnMut(SessionId) -> LineView);

    /// Does what is due. Calling it before [`next_deadline`](Self::next_deadline) does no harm.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns the next effect, for the driver to carry out.
    #[must_use]
    fn poll_effect(&mut self) -> Option<Effect<Self::Effect>>;

    /// Returns the queue of events, to set the [`Detail`](crate::Detail) that is read.
    fn events(&mut self) -> &mut Events;

    /// Returns the next event. A driver sets their [detail](crate::Events::set_detail) once, and
    /// calls this until it returns none whenever it polled an effect, and before it waits again.
    /// One that reads no events sets [`Detail::Nothing`](crate::Detail::Nothing).
    #[must_use]
    #[inline]
    fn poll_event(&mut self) -> Option<Event> {
        self.events().poll()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due next; none if nothing is.
    fn next_deadline(&self) -> Option<Instant>;

    /// Returns the facts that `/health` shows.
    fn health(&self, now: Instant) -> Self::Health;

    /// Closes all connections to peers, as a user asked for. Returns how many there were.
    fn disconnect(&mut self, now: Instant) -> usize;
}

/// An input: something that happened to a node.
#[derive(Debug)]
pub enum Input<R> {
    /// A frame arrived.
    Frame {
        /// The session that it arrived on.
        session: SessionId,
        /// The frame.
        frame: Frame<Records>,
    },
    /// Bytes of a frame arrived that is not complete yet.
    Heard(SessionId),
    /// The records that [`Effect::Read`] asked for were read, or cannot be read.
    Read {
        /// The session that it is for.
        session: SessionId,
        /// The messages that were read and the bytes of their records.
        found: Result<(IdRange, usize), Unreadable>,
    },
    /// A connection ended.
    SessionDown {
        /// Its session.
        session: SessionId,
        /// The reason.
        reason: SessionEnd,
    },
    /// The log is durable up to this end.
    Durable(LogEnd),
    /// The disk takes nothing, for the moment or until a restart.
    DiskFault(DiskFault),
    /// The disk takes writes again, after a fault that passed.
    DiskWell,
    /// The log's damage, or the progress of its repair, changed; none: the log is undamaged again.
    Damage(Option<Damage>),
    /// The node stops. A master takes no more appends, and answers each client as soon as its
    /// message is durable.
    Shutdown,
    /// An input of this role only.
    Role(R),
}

/// An effect: something that the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<R> {
    /// Send a frame. Its run names the records to read from the log. Of a secondary's frames, only
    /// pages have a run.
    Send {
        /// The session to send it on.
        session: SessionId,
        /// The frame.
        frame: Frame<IdRange>,
    },
    /// Read records for a session without blocking the node, then report [`Input::Read`]. One read
    /// at a time for each session.
    Read {
        /// The session that they are for. If it ends first, they need not be read.
        session: SessionId,
        /// The run to read.
        order: ReadOrder,
    },
    /// Give the log a peer's copy of messages that are damaged here.
    Mend {
        /// The peer.
        peer: NodeName,
        /// The messages.
        run: Records,
    },
    /// Close a connection, after everything that was sent on it before.
    Close {
        /// Its session.
        session: SessionId,
        /// The reason.
        reason: CloseReason,
    },
    /// An effect of this role only.
    Role(R),
}
