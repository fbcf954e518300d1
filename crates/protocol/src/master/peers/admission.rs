//! Admission: which handshakes are refused for their name, and which sessions are closed for the
//! one that is admitted.

use std::time::Instant;

use acklog_types::{SECONDARIES_MAX, SessionId};

use super::event::MemberId;
use super::refused::RefusedRow;
use super::{Output, Peers};
use crate::CloseReason;
use crate::events::{ConnectionEvent, Detail, Events};
use crate::frame::{Handshake, RefusalCode};
use crate::status::Status;

/// The reason why a handshake is refused: a code, and words for the operator of the other node.
#[derive(Debug)]
pub(in crate::master) struct HandshakeRefusal {
    pub(in crate::master) code: RefusalCode,
    pub(in crate::master) detail: String,
}

impl HandshakeRefusal {
    pub(in crate::master) fn new(code: RefusalCode, detail: String) -> Self {
        Self { code, detail }
    }
}

/// Whether a name is one of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum NameStatus {
    /// It is.
    Known,
    /// It is not: it is to be a new one.
    New,
}

/// Whose messages a secondary has that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum OfferedLog {
    /// None, or the master's.
    OfMaster,
    /// Those of another log.
    Other,
}

impl Peers {
    /// Checks whether a secondary of this name may join, whatever its log.
    ///
    /// # Errors
    /// When the handshake is to be refused.
    pub(in crate::master) fn check_name(
        &self,
        handshake: &Handshake,
    ) -> Result<NameStatus, HandshakeRefusal> {
        let Handshake { name, instance, .. } = handshake;
        let refuse = |code, detail| Err(HandshakeRefusal::new(code, detail));
        if *name == self.options.name {
            let detail = format!("{name} is the master's own name; give this node another --name");
            return refuse(RefusalCode::NameTaken, detail);
        }
        if let Some(listed) = &self.options.secondaries
            && !listed.contains(name)
        {
            let detail = format!(
                "{name} is not among the secondaries that this master lets in; add it to the master's \
                 --secondaries, or give this node one of those names"
            );
            return refuse(RefusalCode::NotListed, detail);
        }
        let known = self.members.named(name).map(|(_, peer)| peer);
        if let Some(peer) = known {
            if peer.status() != Status::Unhealthy && !peer.is_instance(*instance) {
                let detail = format!(
                    "another live node has the name {name}; stop it, or give this node another --name"
                );
                return refuse(RefusalCode::NameTaken, detail);
            }
            return Ok(NameStatus::Known);
        }
        let secondaries_max =
            self.options.cluster_size.map_or(SECONDARIES_MAX, |nodes| nodes.saturating_sub(1));
        if self.members.len() >= usize::from(secondaries_max) {
            let detail = format!(
                "the cluster has its {secondaries_max} secondaries already; raise --cluster-size, or \
                 forget one that is gone with `acklog forget NAME`"
            );
            return refuse(RefusalCode::ClusterFull, detail);
        }
        Ok(NameStatus::New)
    }

    /// Notes that a handshake is refused, and emits that where it is news.
    pub(in crate::master) fn note_refusal(
        &mut self,
        now: Instant,
        session: SessionId,
        handshake: Option<&Handshake>,
        refusal: &HandshakeRefusal,
        log: OfferedLog,
        events: &mut Events,
    ) {
        let HandshakeRefusal { code, detail } = refusal;
        let row = RefusedRow {
            name: handshake.map(|handshake| handshake.name.clone()),
            code: *code,
            log_end: handshake.map(|handshake| handshake.end),
            has_other_messages: log == OfferedLog::Other,
            detail: detail.clone(),
        };
        // Whoever invents names or positions has as few lines as others without a handshake.
        if !self.refused.insert(now, row) || self.lines.admits(now) {
            events.emit(Detail::Changes, || {
                let (peer, code) = (handshake.map(|handshake| handshake.name.clone()), *code);
                ConnectionEvent::Refused { peer, session, code, detail: detail.clone() }
            });
        }
    }

    /// Makes a session the one of its name: it is no longer pending, and earlier sessions of that
    /// name are closed. Returns the member and the address. [`connect`](Self::connect) comes next.
    pub(in crate::master) fn admit(
        &mut self,
        now: Instant,
        session: SessionId,
        handshake: &Handshake,
        out: &mut Output,
    ) -> (MemberId, String) {
        let address = self.pending.remove(session).unwrap_or_default();
        let replaced = self.members.named(&handshake.name);
        let replaced = replaced.and_then(|(_, peer)| peer.session());
        // Of an earlier connection of the same process nothing is to come any more.
        let earlier = self.pending.earlier_of_same_process(session, handshake);
        for replaced in earlier.into_iter().chain(replaced) {
            self.close(now, replaced, CloseReason::Replaced, out);
        }
        // A guest went with its connection.
        let known = self.members.named(&handshake.name).map(|(id, _)| id);
        let id = known.unwrap_or_else(|| self.members.add_guest(handshake.name.clone()));
        self.refused.remove(&handshake.name);
        (id, address)
    }
}
