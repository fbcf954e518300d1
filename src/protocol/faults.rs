//! Artificial delays, drawn from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::frame::RequestKind;
use crate::types::{DelayRange, NodeName};

/// Longest artificial delay of a handshake: below the time that the master grants to an unfinished one, so that a
/// node with long delays still gets in.
pub const HANDSHAKE_DELAY_MAX: Duration = Duration::from_secs(5);

/// A source of artificial delays.
///
/// There is one stream of draws for each peer and kind, and the k-th request of that kind to that peer takes the k-th
/// draw: what happens on one connection does not change what another one meets, and a seed repeats a scenario.
#[derive(Debug)]
pub(super) struct Delays {
    range: Option<DelayRange>,
    seed: u64,
    streams: BTreeMap<(Option<NodeName>, Kind), ChaCha8Rng>,
}

/// What is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Send(RequestKind),
    Store,
}

impl Delays {
    /// Delays from `range`, drawn from `seed`; without a range there are none.
    pub(super) fn new(range: Option<DelayRange>, seed: u64) -> Self {
        Self { range, seed, streams: BTreeMap::new() }
    }

    /// The delay of the next request of this kind to `peer` (none: the master). Heartbeats are never delayed,
    /// handshakes by [`HANDSHAKE_DELAY_MAX`] at most.
    pub(super) fn send(&mut self, peer: Option<&NodeName>, kind: RequestKind) -> Duration {
        match kind {
            RequestKind::Heartbeat => Duration::ZERO,
            RequestKind::Handshake => self.draw(peer, Kind::Send(kind)).min(HANDSHAKE_DELAY_MAX),
            _ => self.draw(peer, Kind::Send(kind)),
        }
    }

    /// The delay before the next received run or page is stored.
    pub(super) fn store(&mut self) -> Duration {
        self.draw(None, Kind::Store)
    }

    fn draw(&mut self, peer: Option<&NodeName>, kind: Kind) -> Duration {
        let Some(range) = self.range else { return Duration::ZERO };
        let seed = self.seed;
        let rng = self.streams.entry((peer.cloned(), kind)).or_insert_with(|| {
            let name = peer.map_or(0, |peer| crc32c::crc32c(peer.as_str().as_bytes()));
            let kind = match kind {
                Kind::Send(kind) => 1 + kind as u64,
                Kind::Store => 0,
            };
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..16].copy_from_slice(&kind.to_le_bytes());
            bytes[16..20].copy_from_slice(&name.to_le_bytes());
            ChaCha8Rng::from_seed(bytes)
        });
        let micros = range.min().as_micros() as u64..=range.max().as_micros() as u64;
        Duration::from_micros(rng.random_range(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(seed: u64) -> Delays {
        Delays::new(Some("1000ms..2000ms".parse().unwrap()), seed)
    }

    #[test]
    fn the_same_seed_draws_the_same_delays_for_each_peer_whatever_the_others_do() {
        let (bonnie, clyde): (NodeName, NodeName) =
            ("bonnie".parse().unwrap(), "clyde".parse().unwrap());
        let draw = |delays: &mut Delays, peer| delays.send(Some(peer), RequestKind::AddMessage);
        let mut alone = delays(7);
        let of_bonnie: Vec<_> = (0..20).map(|_| draw(&mut alone, &bonnie)).collect();
        let mut together = delays(7);
        let interleaved: Vec<_> = (0..20)
            .map(|_| {
                draw(&mut together, &clyde);
                together.store();
                draw(&mut together, &bonnie)
            })
            .collect();
        assert_eq!(of_bonnie, interleaved);
        assert!(of_bonnie.iter().all(|delay| (1000..=2000).contains(&delay.as_millis())));
        assert_ne!(of_bonnie, (0..20).map(|_| draw(&mut delays(8), &bonnie)).collect::<Vec<_>>());
    }

    #[test]
    fn heartbeats_are_never_delayed_and_handshakes_not_beyond_their_limit() {
        let mut delays = Delays::new(Some("20s".parse().unwrap()), 1);
        assert_eq!(delays.send(None, RequestKind::Heartbeat), Duration::ZERO);
        assert_eq!(delays.send(None, RequestKind::Handshake), HANDSHAKE_DELAY_MAX);
        assert_eq!(delays.send(None, RequestKind::GetMessages), Duration::from_secs(20));
    }
}
