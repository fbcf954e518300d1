//! The replicas of the log on all peers, and which ends so many nodes hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acklog_types::{LogEnd, NodeName};

use super::held_ends::HeldEnds;
use super::replica::Replica;
use crate::events::Events;
use crate::master::peers::{MemberId, PeerEvent};

/// The replicas, in the order in which the names of their peers first came.
#[derive(Debug)]
pub(super) struct Replicas {
    replicas: BTreeMap<MemberId, Replica>,
    /// The longest backoff of one of them.
    pause_max: Duration,
    held: HeldEnds,
    /// The last answer to which nodes have a message, since many clients of one batch share it.
    acked_by: Arc<[NodeName]>,
}

impl Replicas {
    /// Creates no replicas; the master is `name`.
    pub(super) fn new(name: &NodeName, pause_max: Duration) -> Self {
        Self {
            replicas: BTreeMap::new(),
            pause_max,
            held: HeldEnds::default(),
            acked_by: Arc::new([name.clone()]),
        }
    }

    /// Takes in what happened to a peer; the master's own log is durable up to `durable_end`.
    pub(super) fn on_event(&mut self, event: PeerEvent, durable_end: LogEnd) {
        match event {
            PeerEvent::Joined { peer, name, end, storage } => {
                self.entry(peer, name, durable_end).join(end, storage);
            }
            PeerEvent::Registered { peer, name } => self.entry(peer, name, durable_end).count(),
            PeerEvent::Left(peer) => self.get_mut(peer).into_iter().for_each(Replica::leave),
            PeerEvent::Removed(peer) => drop(self.replicas.remove(&peer)),
            PeerEvent::StatusChanged { peer, is_live } => {
                self.get_mut(peer).into_iter().for_each(|replica| replica.set_live(is_live));
            }
        }
        self.held.invalidate();
    }

    fn entry(&mut self, peer: MemberId, name: NodeName, log_end: LogEnd) -> &mut Replica {
        let pause_max = self.pause_max;
        self.replicas.entry(peer).or_insert_with(|| Replica::new(name, pause_max, log_end))
    }

    /// Notes a position that a peer reported. Returns whether it is news.
    pub(super) fn ack(
        &mut self,
        now: Instant,
        peer: MemberId,
        end: LogEnd,
        events: &mut Events,
    ) -> bool {
        let Some(replica) = self.get_mut(peer) else { return false };
        let was_known = replica.known_end().is_some();
        let is_news = replica.ack(now, end, events);
        if is_news || !was_known {
            self.held.invalidate();
        }
        is_news
    }

    pub(super) fn get(&self, peer: MemberId) -> Option<&Replica> {
        self.replicas.get(&peer)
    }

    pub(super) fn get_mut(&mut self, peer: MemberId) -> Option<&mut Replica> {
        self.replicas.get_mut(&peer)
    }

    /// Returns the first able replica behind `last`, or else the first able one of all.
    pub(super) fn next_after(
        &self,
        last: Option<MemberId>,
        able: impl Fn(MemberId, &Replica) -> bool,
    ) -> Option<MemberId> {
        let able = self.replicas.iter().filter(|&(&peer, replica)| able(peer, replica));
        let mut able = able.map(|(&peer, _)| peer);
        let first = able.clone().next();
        able.find(|&peer| Some(peer) > last).or(first)
    }

    /// Returns those whose acks count.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Replica> + Clone {
        self.replicas.values().filter(|replica| replica.is_counted())
    }

    /// Returns the ends that 1..n nodes hold; the master's own log is durable up to `durable_end`.
    pub(super) fn held(&mut self, durable_end: LogEnd) -> &HeldEnds {
        if self.held.is_stale(durable_end) {
            let counted = self.replicas.values().filter(|replica| replica.is_counted());
            self.held.set(durable_end, counted.filter_map(Replica::known_end));
        }
        &self.held
    }

    /// Returns the ends that 1..n nodes held when they were [made](Self::held) last.
    pub(super) fn settled(&self) -> &HeldEnds {
        &self.held
    }

    /// Returns the nodes that have everything before `end`: the master, if it is given, then the
    /// replicas that count.
    pub(super) fn acked_by(&mut self, master: Option<&NodeName>, end: LogEnd) -> Arc<[NodeName]> {
        let has_it = |replica: &&Replica| replica.is_counted() && end <= replica.acked_end();
        let replicas = self.replicas.values().filter(has_it);
        let names = || master.into_iter().chain(replicas.clone().map(Replica::name));
        if !names().eq(self.acked_by.iter()) {
            self.acked_by = names().cloned().collect();
        }
        self.acked_by.clone()
    }

    /// Returns when a backoff ends that keeps something from being sent.
    pub(super) fn next_deadline(&self, durable_end: LogEnd) -> Option<Instant> {
        self.replicas.values().filter_map(|replica| replica.next_deadline(durable_end)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE_MAX: Duration = Duration::from_secs(1);

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    /// Bonnie and clyde count, dora does not; all of them have a connection.
    fn three() -> (Replicas, [MemberId; 3]) {
        let mut replicas = Replicas::new(&name("master"), PAUSE_MAX);
        let peers = [0, 1, 2].map(MemberId);
        for (peer, who) in peers.into_iter().zip(["bonnie", "clyde", "dora"]) {
            if who != "dora" {
                replicas.on_event(PeerEvent::Registered { peer, name: name(who) }, LogEnd::ZERO);
            }
            let (name, end) = (name(who), LogEnd::ZERO);
            let joined = PeerEvent::Joined { peer, name, end, storage: None };
            replicas.on_event(joined, LogEnd::ZERO);
        }
        (replicas, peers)
    }

    #[test]
    fn only_replicas_that_count_hold_an_end_and_are_named() {
        let (mut replicas, [bonnie, clyde, dora]) = three();
        for (peer, end) in [(bonnie, 5), (clyde, 3), (dora, 9)] {
            let mut ack = || {
                let (now, end) = (Instant::now(), LogEnd::new(end));
                replicas.ack(now, peer, end, &mut Events::default())
            };
            assert!(ack());
            let again = ack();
            assert!(!again, "that is no news");
        }
        let durable_end = LogEnd::new(9);
        let held = replicas.held(durable_end);
        assert_eq!([1, 2, 3, 4].map(|nodes| held.by(nodes).get()), [9, 5, 3, 0]);
        let master = name("master");
        let mut names = |end| {
            let names = replicas.acked_by(Some(&master), LogEnd::new(end));
            names.iter().map(NodeName::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!([3, 4, 6].map(&mut names), ["master bonnie clyde", "master bonnie", "master"]);
        let registered = PeerEvent::Registered { peer: dora, name: name("dora") };
        replicas.on_event(registered, LogEnd::ZERO);
        assert_eq!(replicas.held(durable_end).by(2), durable_end);
        replicas.on_event(PeerEvent::Left(bonnie), LogEnd::ZERO);
        assert_eq!(replicas.held(durable_end).by(3), LogEnd::new(5), "acked stays acked");
        replicas.on_event(PeerEvent::Removed(bonnie), LogEnd::ZERO);
        assert_eq!(replicas.held(durable_end).by(3), LogEnd::new(3));
    }

    #[test]
    fn replicas_are_asked_in_turn() {
        let (replicas, [bonnie, clyde, dora]) = three();
        let any = |_, _: &Replica| true;
        assert_eq!(replicas.next_after(None, any), Some(bonnie));
        assert_eq!(replicas.next_after(Some(bonnie), any), Some(clyde));
        assert_eq!(replicas.next_after(Some(dora), any), Some(bonnie));
        assert_eq!(replicas.next_after(Some(clyde), |peer, _| peer == clyde), Some(clyde));
        assert_eq!(replicas.next_after(None, |_, _| false), None);
    }
}
