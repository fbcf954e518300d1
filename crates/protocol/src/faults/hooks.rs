//! What fault injection needs of a machine, beside its effects.

use std::time::Instant;

use acklog_types::{Faults, IdRange, NodeName, SessionId};

use crate::machine::Machine;
use crate::own_time::OwnTime;

/// A machine that can be wrapped in a [`Faulty`](super::Faulty).
pub trait FaultHooks: Machine {
    /// Takes over what of the faults has to act inside of the machine, drawn from their own seed or else from `seed`:
    /// that the node is paused, and a secondary's store delay and errors. And where requests are delayed, the machine
    /// no longer takes them for sent when it makes them, but when it is told so by [`sent`](Self::sent).
    fn set_faults(&mut self, now: Instant, faults: Faults, seed: u64);

    /// Draws a seed from the machine's own chance.
    fn draw_seed(&mut self) -> u64;

    /// Returns the time of the node, which stands still while it is paused.
    fn own_time(&self) -> &OwnTime;

    /// Returns the sessions with peers that were let in, in the order in which they are served.
    fn sessions(&self) -> impl Iterator<Item = SessionId>;

    /// Returns whether frames can still be sent on a session.
    fn is_open(&self, session: SessionId) -> bool;

    /// Returns whose session that is; none for the master's, and while nobody is let in on it.
    fn peer(&self, session: SessionId) -> Option<&NodeName>;

    /// Returns whether a run that is sent late is still of use to the peer.
    fn lacks(&self, session: SessionId, run: IdRange) -> bool;

    /// Notes that a request goes out, where requests are delayed; `now` is the node's own time.
    fn sent(&mut self, now: Instant, session: SessionId);
}
