//! Randomness of faults: streams of draws from one seed.

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_types::{DelayRange, NodeName, Rate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::frame::FrameKind;

/// Draws from a seed.
///
/// There is one stream of draws for each peer, kind of frame and fault, and the k-th frame of that
/// kind to that peer takes the k-th draw. So events on one connection do not change the faults of
/// another, and a seed repeats a scenario.
#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    streams: BTreeMap<(Option<NodeName>, Draw), ChaCha8Rng>,
}

/// The decision that a stream of draws makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draw {
    SendDelay(FrameKind),
    Drop(FrameKind),
    Duplicate(FrameKind),
    StoreDelay(FrameKind),
    Error,
}

impl Draws {
    /// Starts all streams, from this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, streams: BTreeMap::new() }
    }

    /// Draws a delay. Without a range it is zero, and nothing is drawn.
    pub(super) fn delay(
        &mut self,
        peer: Option<&NodeName>,
        draw: Draw,
        range: Option<DelayRange>,
    ) -> Duration {
        let Some(range) = range else { return Duration::ZERO };
        let micros = range.min().as_micros() as u64..=range.max().as_micros() as u64;
        Duration::from_micros(self.stream(peer, draw).random_range(micros))
    }

    /// Draws whether something happens. If it never does, nothing is drawn.
    pub(super) fn happens(&mut self, peer: Option<&NodeName>, draw: Draw, rate: Rate) -> bool {
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
