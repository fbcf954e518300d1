//! The hooks that fault injection needs in a machine, beside its effects.

use std::time::Instant;

use acklog_types::{Faults, IdRange, NodeName, SessionId};

use crate::machine::Machine;
use crate::own_time::OwnTime;

/// A machine that can be wrapped in a [`Faulty`](super::Faulty).
pub trait FaultHooks: Machine {
    /// Sets the faults that act inside the machine, drawn from their own seed or else from `seed`:
    /// the pause, and a secondary's store delay and errors. If requests are delayed, the machine no
    /// longer counts them as sent when it makes them, but when [`sent`](Self::sent) is called.
    fn set_faults(&mut self, now: Instant, faults: Faults, seed: u64);

    /// Draws a seed from the machine's own randomness.
    fn draw_seed(&mut self) -> u64;

    /// Returns the node's clock, which stands still while it is paused.
    fn own_time(&self) -> &OwnTime;

    /// Returns the sessions of admitted peers, in the order in which they are served.
    fn sessions(&self) -> impl Iterator<Item = SessionId>;

    /// Returns whether frames can still be sent on a session.
    fn is_open(&self, session: SessionId) -> bool;

    /// Returns the peer of a session; none for the master's, and while no peer is admitted on it.
    fn peer(&self, session: SessionId) -> Option<&NodeName>;

    /// Returns whether a run that is sent late is still of use to the peer.
    fn lacks(&self, session: SessionId, run: IdRange) -> bool;

    /// Notes that a request is written, where requests are delayed; `now` is the node's own time.
    fn sent(&mut self, now: Instant, session: SessionId);
}
