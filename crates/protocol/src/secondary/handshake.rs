//! The begin of a connection to the master: the handshake and its answer.

use std::time::Instant;

use acklog_types::{Epoch, HEARTBEAT_INTERVAL_MAX, LogView, SessionId, Storage};

use super::link::LinkToMaster;
use super::{Connection, Secondary, SecondaryPhase};
use crate::events::{ConnectionEvent, Detail};
use crate::frame::{Handshake, NodeFacts, RefusalCode, Welcome};
use crate::machine::Effect;
use crate::{CloseReason, ProtocolError};

impl<L: LogView> Secondary<L> {
    /// Returns how far the node is.
    pub fn phase(&self) -> SecondaryPhase {
        if self.follower.has_disk_failed() {
            return SecondaryPhase::Failed;
        }
        let unconnected = || self.dial_state.refusal().unwrap_or(SecondaryPhase::Connecting);
        self.follower.phase().unwrap_or_else(unconnected)
    }

    /// Takes a new connection, unless the node can do nothing with it.
    pub(super) fn connected(&mut self, now: Instant, session: SessionId) {
        let is_faulty = self.follower.is_disk_faulty();
        if is_faulty || matches!(self.connection, Connection::Stopped) {
            let reason = if is_faulty { CloseReason::DiskFault } else { CloseReason::Stopping };
            self.effects.push_back(Effect::Close { session, reason });
            self.dial_later(now);
            return;
        }
        let link = LinkToMaster::new(now, session, self.options.request_timeout);
        self.follower.leave();
        self.connection = Connection::Up(Box::new(link));
        let end = self.follower.durable_end();
        self.events.emit(Detail::Changes, || ConnectionEvent::Connected { end });
    }

    /// Returns the handshake, if it is to be sent now.
    pub(super) fn handshake(&mut self) -> Option<Handshake> {
        if !self.link()?.wants_handshake() {
            return None;
        }
        let introduction = self.follower.introduction(&mut self.events)?;
        Some(Handshake {
            log: introduction.log,
            end: introduction.end,
            checksum: introduction.checksum,
            node: NodeFacts {
                http_port: self.options.http_port,
                storage: Some(Storage::of(self.follower.is_on_disk())),
                ..NodeFacts::default()
            },
            ..Handshake::new(self.options.name.clone(), self.options.instance)
        })
    }

    /// Takes the master's acceptance, and begins to catch up. A second one changes nothing.
    pub(super) fn welcomed(&mut self, welcome: Welcome) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        self.follower.check_identity(welcome.log)?;
        if link.has_joined() {
            return Ok(());
        }
        let interval = welcome.heartbeat_interval;
        if interval.is_zero() || interval > HEARTBEAT_INTERVAL_MAX {
            return Err(ProtocolError::BadInterval(interval));
        }
        let (end, log_end) = (self.follower.durable_end(), welcome.log_end);
        self.events.emit(Detail::Changes, || {
            let peer = welcome.master.clone();
            ConnectionEvent::Joined { peer, address: None, end, log_end }
        });
        link.join(interval);
        self.follower.join(welcome.log, log_end, self.options.request_timeout);
        self.follower.note_positions(welcome.positions);
        self.master = Some(welcome.master);
        self.master_http_port = welcome.node.http_port;
        self.dial_state.on_welcome();
        Ok(())
    }

    /// Closes the connection to a master in an epoch that this release cannot follow: it cannot cut
    /// its log where an epoch begins.
    pub(super) fn cannot_follow(&mut self, now: Instant, epoch: Epoch) {
        let detail = format!(
            "the master is in epoch {epoch}, and this release follows epoch {} only; upgrade this \
             node to the release of the master",
            Epoch::FIRST
        );
        self.dial_state.on_refusal(SecondaryPhase::Refused, detail.clone());
        self.events.emit(Detail::Changes, || ConnectionEvent::EpochNotFollowed { epoch, detail });
        self.close(now, CloseReason::Refused);
    }

    /// Takes the master's refusal, and closes the connection.
    pub(super) fn refused(&mut self, now: Instant, code: RefusalCode, detail: &str) {
        let diverged = code.is_divergence();
        let phase = if diverged { SecondaryPhase::Diverged } else { SecondaryPhase::Refused };
        let remedy = match code {
            RefusalCode::Version => {
                "; where the master is of an earlier release than this node, upgrade the master \
                 first: a master also speaks the version before its own"
            }
            _ => "",
        };
        let detail = format!("{detail}{remedy}");
        self.dial_state.on_refusal(phase, format!("the master refuses this node: {detail}"));
        let event = || ConnectionEvent::RefusedByMaster { code, detail, phase };
        self.events.emit(Detail::Changes, event);
        self.close(now, CloseReason::Refused);
    }

    /// Closes the connection where a request failed at the master before the node was accepted: the
    /// master itself prevents that.
    pub(super) fn failed_at_master(&mut self, now: Instant, detail: &str) {
        if self.link().is_some_and(|link| !link.has_joined()) {
            self.dial_state.on_error(format!("the master cannot let this node in: {detail}"));
            self.close(now, CloseReason::Refused);
        }
    }
}
