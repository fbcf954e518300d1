//! What both roles of a node have in common, so that one driver runs either of them.

use std::time::Instant;

use acklog_types::{Damage, DiskFault, IdRange, LogEnd, NodeName, Records, SessionId, Unreadable};

use crate::events::{Event, Events};
use crate::frame::Frame;
use crate::line::LineView;
use crate::progress::ReadOrder;
use crate::{CloseReason, SessionEnd};

/// A node's state machine: it decides, and a driver acts.
///
/// After each [`step`](Self::step) and [`handle_timeout`](Self::handle_timeout), or after several of them, the driver
/// calls [`poll_effect`](Self::poll_effect) until it returns none. It holds the only timer, and sets it to
/// [`next_deadline`](Self::next_deadline). `now` never goes back.
pub trait Machine {
    /// What only this role is told.
    type Input;
    /// What only this role wants to be done.
    type Effect;
    /// What `/health` shows of this role.
    type Health;

    /// Takes in what happened.
    ///
    /// # Panics
    /// When a connection, a frame or what was read for a peer is handed in while the node is paused.
    fn step(&mut self, now: Instant, input: Input<Self::Input>);

    /// Looks at how far the frames to peers have got, where that is due. Call before each
    /// [`handle_timeout`](Self::handle_timeout).
    fn look(&mut self, now: Instant, look: impl FnMut(SessionId) -> LineView);

    /// Does what is due. Call at [`next_deadline`](Self::next_deadline) or later; earlier does no harm.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns the next thing to do.
    #[must_use]
    fn poll_effect(&mut self) -> Option<Effect<Self::Effect>>;

    /// Returns the events that are not polled yet, to set which of them are read.
    fn events(&mut self) -> &mut Events;

    /// Returns the next thing that happened. Call until it returns none, after each call that changes the machine,
    /// [`poll_effect`](Self::poll_effect) included.
    #[must_use]
    #[inline]
    fn poll_event(&mut self) -> Option<Event> {
        self.events().poll()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do next.
    fn next_deadline(&self) -> Option<Instant>;

    /// Returns what `/health` shows.
    fn health(&self, now: Instant) -> Self::Health;

    /// Closes all connections to peers, as a user asked for. Returns how many there were.
    fn disconnect(&mut self, now: Instant) -> usize;
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input<R> {
    /// A frame arrived.
    Frame {
        /// The session that it arrived on.
        session: SessionId,
        /// The frame.
        frame: Frame<Records>,
    },
    /// Bytes of a frame arrived that is not whole yet.
    Heard(SessionId),
    /// What [`Effect::Read`] asked for was read, or could not be.
    Read {
        /// The session that it is for.
        session: SessionId,
        /// The messages that were read and the bytes of their records.
        found: Result<(IdRange, usize), Unreadable>,
    },
    /// A connection is gone.
    SessionDown {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// The log is durable up to here.
    Durable(LogEnd),
    /// The disk takes nothing, for the moment or until a restart.
    DiskFault(DiskFault),
    /// The disk can be used again, after a fault that passes.
    DiskWell,
    /// What of the log is damaged, or how far the repair of it is, changed; none: the log is whole again.
    Damage(Option<Damage>),
    /// The node stops. A master takes no append any more, and answers every waiter as soon as its message is durable.
    Shutdown,
    /// What only this role is told.
    Role(R),
}

/// What a node wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<R> {
    /// Send a frame; its run names the records to read from the log. Of a secondary's frames only pages have one.
    Send {
        /// The session to send it on.
        session: SessionId,
        /// The frame.
        frame: Frame<IdRange>,
    },
    /// Read records for a session, without waiting for that, and tell [`Input::Read`]. One at a time for each session.
    Read {
        /// The session that they are for: if it ends meanwhile, they need not be read.
        session: SessionId,
        /// What to read.
        order: ReadOrder,
    },
    /// Give the log what a peer has of the messages that are damaged here.
    Mend {
        /// The peer.
        peer: NodeName,
        /// The messages.
        run: Records,
    },
    /// Close a connection, after what was sent on it before.
    Close {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// What only this role wants.
    Role(R),
}
