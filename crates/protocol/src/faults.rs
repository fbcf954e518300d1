//! Faults on demand: what becomes of frames, runs and answers, drawn from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_types::{DelayRange, Faults, IdRange, NodeName, Rate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info};

use super::frame::{Frame, FrameKind};

/// Longest artificial delay of a handshake: below the time that the master grants to an unfinished one, so that a
/// node with long delays still gets in.
pub const HANDSHAKE_DELAY_MAX: Duration = Duration::from_secs(5);

/// Draws the faults of one node.
///
/// There is one stream of draws for each peer, kind of frame and fault, and the k-th frame of that kind to that peer
/// takes the k-th draw: what happens on one connection does not change what another one meets, and a seed repeats a
/// scenario. New faults begin new streams.
#[derive(Debug)]
pub(super) struct Injector {
    faults: Faults,
    seed: u64,
    /// Whether any frame can meet a fault: without, a frame costs this one question.
    touches_frames: bool,
    streams: BTreeMap<(Option<NodeName>, Draw), ChaCha8Rng>,
}

/// What a stream of draws decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Draw {
    SendDelay(FrameKind),
    Drop(FrameKind),
    Duplicate(FrameKind),
    StoreDelay(FrameKind),
    Error,
}

/// A frame on its way out, with what was drawn for it.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    frame: Frame<IdRange>,
    /// How long it waits before it is written.
    pub(super) delay: Duration,
    /// How often it is written.
    copies: usize,
}

impl Outgoing {
    /// The messages that the frame carries.
    pub(super) fn run(&self) -> Option<IdRange> {
        self.frame.run().copied()
    }

    /// The frame, as often as it is to be written.
    pub(super) fn frames(self) -> impl Iterator<Item = Frame<IdRange>> {
        std::iter::repeat_n(self.frame, self.copies)
    }
}

impl Injector {
    /// These faults, drawn from their own seed or else from `seed`.
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        let touches_frames = faults.send_delay.is_some()
            || faults.drop_rate > Rate::NEVER
            || faults.duplicate_rate > Rate::NEVER;
        let seed = faults.seed.unwrap_or(seed);
        Self { faults, seed, touches_frames, streams: BTreeMap::new() }
    }

    /// Puts other faults in force. They begin with new draws, from their own seed or else from `seed`.
    pub(super) fn replace(&mut self, faults: Faults, seed: u64) {
        let was = self.faults;
        if faults != was {
            info!(%faults, %was, "the faults change");
        }
        *self = Self::new(faults, seed);
    }

    /// The faults in force.
    pub(super) fn faults(&self) -> Faults {
        self.faults
    }

    /// Draws what becomes of a frame to `peer` (none: the master). Requests are delayed, but heartbeats never and
    /// handshakes by [`HANDSHAKE_DELAY_MAX`] at most; any frame may be dropped or doubled.
    pub(super) fn outgoing(&mut self, peer: Option<&NodeName>, frame: Frame<IdRange>) -> Outgoing {
        if !self.touches_frames {
            return Outgoing { frame, delay: Duration::ZERO, copies: 1 };
        }
        let (kind, Faults { send_delay, drop_rate, duplicate_rate, .. }) =
            (frame.kind(), self.faults);
        let delay = match (kind, &frame) {
            (FrameKind::Heartbeat, _) | (_, Frame::Response(..)) => Duration::ZERO,
            _ => self.delay(peer, Draw::SendDelay(kind), send_delay),
        };
        let delay = match kind {
            FrameKind::Handshake => delay.min(HANDSHAKE_DELAY_MAX),
            _ => delay,
        };
        // Both are drawn for each frame, so that no draw moves another one's place in its stream.
        let dropped = self.happens(peer, Draw::Drop(kind), drop_rate);
        let doubled = self.happens(peer, Draw::Duplicate(kind), duplicate_rate);
        let (copies, fault) = match (dropped, doubled) {
            (true, _) => (0, Some("dropped")),
            (false, true) => (2, Some("written twice")),
            (false, false) => (1, None),
        };
        if let Some(fault) = fault {
            let (peer, request) = (peer.map(NodeName::as_str), frame.request());
            debug!(peer, %request, ?kind, "a fault: the frame is {fault}");
        }
        Outgoing { frame, delay, copies }
    }

    /// The delay before what the next received frame of that kind carries is stored.
    pub(super) fn store_delay(&mut self, kind: FrameKind) -> Duration {
        self.delay(None, Draw::StoreDelay(kind), self.faults.store_delay)
    }

    /// Whether the next stored run is answered with an error.
    pub(super) fn answers_with_error(&mut self) -> bool {
        self.happens(None, Draw::Error, self.faults.error_rate)
    }

    fn delay(
        &mut self,
        peer: Option<&NodeName>,
        draw: Draw,
        range: Option<DelayRange>,
    ) -> Duration {
        let Some(range) = range else { return Duration::ZERO };
        let micros = range.min().as_micros() as u64..=range.max().as_micros() as u64;
        Duration::from_micros(self.stream(peer, draw).random_range(micros))
    }

    fn happens(&mut self, peer: Option<&NodeName>, draw: Draw, rate: Rate) -> bool {
        rate > Rate::NEVER && self.stream(peer, draw).random_bool(rate.get())
    }

    fn stream(&mut self, peer: Option<&NodeName>, draw: Draw) -> &mut ChaCha8Rng {
        let seed = self.seed;
        self.streams.entry((peer.cloned(), draw)).or_insert_with(|| {
            let (fault, kind) = match draw {
                Draw::StoreDelay(kind) => (0, kind as u8),
                Draw::SendDelay(kind) => (1, kind as u8),
                Draw::Drop(kind) => (2, kind as u8),
                Draw::Duplicate(kind) => (3, kind as u8),
                Draw::Error => (4, 0),
            };
            let name = peer.map_or(0, |peer| crc32c::crc32c(peer.as_str().as_bytes()));
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..10].copy_from_slice(&[fault, kind]);
            bytes[16..20].copy_from_slice(&name.to_le_bytes());
            ChaCha8Rng::from_seed(bytes)
        })
    }
}

#[cfg(test)]
mod tests;
