//! Damaged messages of the master's own log: fetched from a secondary that has them.
//!
//! A master takes messages while a live secondary has all that is damaged here: nothing is lost
//! then. Without one it is read-only until there is one, or the damage is mended another way.

use std::time::Instant;

use acklog_types::{Damage, DiskFault, LogEnd, LogView, Records, RequestId};
use rand_chacha::ChaCha8Rng;

use super::Leader;
use super::replica::Replica;
use crate::events::{Detail, Events, NodeEvent};
use crate::machine::Effect;
use crate::master::io::Output;
use crate::master::peers::{AwaitedPage, MemberId, Peer, Peers};
use crate::repair::{self, Repair};

/// Who is asked for copies of damaged messages.
#[derive(Debug, Default)]
pub(super) struct CopyRequest {
    /// The peer that was asked last.
    last: Option<MemberId>,
    /// Whether that one's answer is awaited.
    is_asked: bool,
    /// The time until which its answer is taken to be on its way, although the time for it is over.
    comes_until: Option<Instant>,
}

impl<L: LogView> Leader<L> {
    /// Takes in what of the log is damaged; none: it is whole.
    pub(in crate::master) fn damaged(
        &mut self,
        now: Instant,
        damage: Option<Damage>,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) {
        if repair::take_in(&mut self.repair, now, damage, rng, events).is_some() {
            self.copy_request = CopyRequest::default();
        }
    }

    /// Returns what keeps messages from being taken: the disk, or damage of which no other node has
    /// a copy.
    pub(in crate::master) fn fault(&self) -> Option<DiskFault> {
        let damage = || self.repair.as_ref().filter(|_| self.lacks_copy());
        self.own.fault().cloned().or_else(|| damage().map(Repair::fault))
    }

    /// Returns what `/health` reports of the disk.
    pub(in crate::master) fn reported_fault(&self) -> Option<DiskFault> {
        let damage = || self.repair.as_ref().map(Repair::fault);
        self.own.fault().cloned().or_else(damage)
    }

    /// Returns whether something is damaged of which no other node has a copy.
    pub(super) fn lacks_copy(&self) -> bool {
        let until = self.repair.as_ref().map(|repair| repair.damage().until);
        let is_lost =
            |until: LogEnd| !self.replicas.counted().any(|replica| replica.can_give(until));
        until.is_some_and(is_lost)
    }

    /// Emits an event where the copy of what is damaged was lost or found since the last call.
    pub(in crate::master) fn note_copies(&mut self, events: &mut Events) {
        let lacks_copy = self.lacks_copy();
        if std::mem::replace(&mut self.lacked_copy, lacks_copy) == lacks_copy {
            return;
        }
        let damage = || self.fault().filter(|_| lacks_copy);
        events.emit(Detail::Changes, || NodeEvent::CopyMissing { damage: damage() });
    }

    /// Returns the peer that is to be asked now for what is damaged, and from which position on:
    /// each time another one, where there are several.
    pub(in crate::master) fn next_repair(
        &mut self,
        now: Instant,
        peers: &Peers,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) -> Option<(MemberId, LogEnd)> {
        let (repair, asked) = (self.repair.as_mut()?, &mut self.copy_request);
        repair.wake(now);
        asked.comes_until = None;
        if let Some(last) = asked.last.filter(|_| asked.is_asked) {
            let peer = peers.get(last);
            if peer.is_some_and(Peer::owes_page) {
                return None;
            }
            let comes_until = peer.and_then(Peer::page_comes_until);
            asked.comes_until = comes_until.filter(|&until| until > now);
            if asked.comes_until.is_some() {
                return None;
            }
            // An answer without it, or none.
            asked.is_asked = false;
            repair.failed(now, rng);
        }
        let wanted = repair.due()?;
        let answers = |peer| peers.get(peer).is_some_and(Peer::answers_pages);
        let id = self.replicas.next_after(asked.last, |peer, replica| {
            replica.can_give(wanted.end()) && answers(peer)
        })?;
        (asked.last, asked.is_asked) = (Some(id), true);
        let peer = self.replicas.get(id)?.name();
        let event = || NodeEvent::RepairRequested { peer: peer.clone(), ids: wanted };
        events.emit(Detail::Changes, event);
        Some((id, wanted.start()))
    }

    /// Takes a page of a peer that was asked, with what was awaited from it. Has the log mended
    /// with what of it helps.
    pub(in crate::master) fn take_page(
        &mut self,
        now: Instant,
        id: MemberId,
        request: RequestId,
        (page, awaited): (&Records, AwaitedPage),
        rng: &mut ChaCha8Rng,
        out: &mut Output,
    ) {
        let Some(repair) = &mut self.repair else { return };
        let Some(peer) = self.replicas.get(id).map(Replica::name) else { return };
        if self.copy_request.last == Some(id) {
            self.copy_request.is_asked = awaited.has_others;
        }
        let range = page.range();
        if let Some(run) = repair.take(page) {
            return out.push(Effect::Mend { peer: peer.clone(), run });
        }
        // Otherwise it was requested once more, since it took so long, and the first answer had
        // the messages.
        let is_other = |from: LogEnd| range.is_empty() || range.start() != from;
        let is_missing = awaited.from.is_some_and(is_other);
        out.events.emit(Detail::Changes, || {
            let (peer, ids) = (peer.clone(), range);
            NodeEvent::RepairPageUnfit { peer, request, ids, is_missing }
        });
        if is_missing {
            repair.failed(now, rng);
        }
    }

    /// Returns when a peer is asked again.
    pub(super) fn next_repair_deadline(&self) -> Option<Instant> {
        let repair = self.repair.as_ref()?;
        repair.next_deadline().into_iter().chain(self.copy_request.comes_until).min()
    }
}
