//! Fault injection: frames, runs and answers that go wrong on demand, drawn from a seed.
//!
//! [`Faulty`] wraps a machine of either role, and does to its frames what the faults ask for.
//! Faults that cannot be injected from outside are hooks of the machine: see [`FaultHooks`].

mod draws;
mod faulty;
mod hooks;
mod store;

use std::time::Duration;

use acklog_types::{Faults, IdRange, NodeName, Rate};
pub use faulty::Faulty;
pub use hooks::FaultHooks;
pub(super) use store::StoreFaults;

use self::draws::{Draw, Draws};
use super::events::{FrameEvent, FrameStage};
use super::frame::{Frame, FrameKind};

/// Longest injected delay of a handshake. Shorter: delays of handshakes could not be tried at
/// length. Longer: a node with such a delay would not finish its handshake in time.
pub const HANDSHAKE_DELAY_MAX: Duration = Duration::from_secs(5);

/// Draws the faults of one node's frames. New faults start new streams of draws.
#[derive(Debug)]
struct Injector {
    faults: Faults,
    /// Whether a frame can meet a fault. If none can, all draws are skipped.
    touches_frames: bool,
    draws: Draws,
}

/// An outgoing frame with the faults drawn for it.
#[derive(Clone, Debug)]
struct Outgoing {
    frame: Frame<IdRange>,
    /// Time that it waits before it is written.
    delay: Duration,
    /// Number of times that it is written.
    copies: usize,
}

impl Outgoing {
    /// Returns the messages that the frame carries.
    fn run(&self) -> Option<IdRange> {
        self.frame.run().copied()
    }

    /// Returns the event of a stage of the frame.
    fn event(&self, peer: Option<NodeName>, stage: FrameStage) -> FrameEvent {
        let (request, frame, ids) = (self.frame.request(), self.frame.kind(), self.run());
        FrameEvent { peer, request, frame, ids, stage }
    }

    /// Returns the stages that the drawn faults add to the frame's life.
    fn stages(&self) -> impl Iterator<Item = FrameStage> {
        let copies = match self.copies {
            0 => Some(FrameStage::Dropped),
            1 => None,
            _ => Some(FrameStage::Doubled),
        };
        let delay = Some(self.delay).filter(|delay| !delay.is_zero());
        copies.into_iter().chain(delay.map(|delay| FrameStage::Delayed { delay }))
    }

    /// Returns the frame as many times as it is to be written.
    fn frames(self) -> impl Iterator<Item = Frame<IdRange>> {
        std::iter::repeat_n(self.frame, self.copies)
    }
}

impl Injector {
    /// Creates an injector of these faults, drawn from their own seed or else from `seed`.
    fn new(faults: Faults, seed: u64) -> Self {
        let touches_frames = faults.send_delay.is_some()
            || faults.drop_rate > Rate::NEVER
            || faults.duplicate_rate > Rate::NEVER;
        Self { faults, touches_frames, draws: Draws::new(faults.seed.unwrap_or(seed)) }
    }

    /// Replaces the faults. The new ones start new draws, from their own seed or else from `seed`.
    fn replace(&mut self, faults: Faults, seed: u64) {
        *self = Self::new(faults, seed);
    }

    /// Returns the faults in force.
    fn faults(&self) -> Faults {
        self.faults
    }

    /// Returns whether a frame can meet a fault.
    fn touches_frames(&self) -> bool {
        self.touches_frames
    }

    /// Returns whether such a frame is delayed. Requests are, except heartbeats.
    fn delays(&self, frame: &Frame<IdRange>) -> bool {
        let is_request = matches!(frame, Frame::Request(..));
        is_request && frame.kind() != FrameKind::Heartbeat && self.faults.send_delay.is_some()
    }

    /// Draws the faults of a frame to `peer` (none: the master). A handshake is delayed by at most
    /// [`HANDSHAKE_DELAY_MAX`]; any frame may be dropped or doubled.
    fn outgoing(&mut self, peer: Option<&NodeName>, frame: Frame<IdRange>) -> Outgoing {
        let (kind, Faults { send_delay, drop_rate, duplicate_rate, .. }) =
            (frame.kind(), self.faults);
        let delay = match self.delays(&frame) {
            true => self.draws.delay(peer, Draw::SendDelay(kind), send_delay),
            false => Duration::ZERO,
        };
        let delay = match kind {
            FrameKind::Handshake => delay.min(HANDSHAKE_DELAY_MAX),
            _ => delay,
        };
        // Both are drawn for each frame, so that no draw moves another one's place in its stream.
        let dropped = self.draws.happens(peer, Draw::Drop(kind), drop_rate);
        let doubled = self.draws.happens(peer, Draw::Duplicate(kind), duplicate_rate);
        let copies = match (dropped, doubled) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        Outgoing { frame, delay, copies }
    }
}

#[cfg(test)]
mod tests;
