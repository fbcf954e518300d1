//! Handshakes: which connections are admitted, which are refused, and which are closed for them.

use std::time::Instant;

use acklog_types::{IdRange, LogView, Records, RequestId, SessionId, Storage, Unreadable};

use super::leader::Denied;
use super::peers::{HandshakeRefusal, NewConnection, OfferedLog};
use super::{LeaderEffect, Master};
use crate::events::{ConnectionEvent, Detail};
use crate::frame::{
    ErrorCode, Frame, Handshake, NodeFacts, ProtocolVersion, RefusalCode, Request, Response,
    Welcome,
};
use crate::{CloseReason, ProtocolError};

impl<L: LogView> Master<L> {
    /// Takes in the first frame of a connection: it must be a handshake.
    pub(super) fn receive_pending(
        &mut self,
        now: Instant,
        session: SessionId,
        frame: Frame<Records>,
    ) {
        let (request, handshake) = match frame {
            Frame::Request(request, Request::Handshake(handshake)) => (request, handshake),
            Frame::Request(request, Request::HandshakeOfVersion(version)) => {
                let (present, before) = (ProtocolVersion::PRESENT, ProtocolVersion::V3);
                let is_newer = version > present.number();
                let remedy = match is_newer {
                    true => "upgrade the master first, and then this node",
                    false => "upgrade this node",
                };
                let detail = format!(
                    "this master speaks version {present} of the protocol, and {before} with \
                     secondaries of the release before, not {version}; {remedy}"
                );
                let refused = HandshakeRefusal::new(RefusalCode::Version, detail);
                return self.refuse(now, session, request, None, refused);
            }
            _ => {
                let reason = CloseReason::Protocol(ProtocolError::HandshakeExpected);
                return self.close(session, reason);
            }
        };
        self.out.events.emit(Detail::Changes, || {
            let (peer, end) = (handshake.name.clone(), handshake.end);
            ConnectionEvent::Handshake { session, peer, request, end }
        });
        if !self.peers.repeat_handshake(session, request) {
            self.judge(now, session, request, *handshake, None);
        }
    }

    /// Takes in whether a secondary's log is the same as this one. What is true of its name may
    /// have changed meanwhile, so that all checks are made again.
    pub(super) fn compared(
        &mut self,
        now: Instant,
        session: SessionId,
        is_same: Result<bool, Unreadable>,
    ) {
        let paused = match self.peers.finish_comparison(session) {
            Some(_) if self.is_paused() => true,
            Some((request, handshake)) => {
                return self.judge(now, session, request, handshake, Some(is_same));
            }
            None => false,
        };
        let event = || ConnectionEvent::ComparedInVain { session, paused };
        self.out.events.emit(Detail::Changes, event);
    }

    /// Admits a secondary, refuses it, or has its log compared first.
    fn judge(
        &mut self,
        now: Instant,
        session: SessionId,
        request: RequestId,
        handshake: Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) {
        match self.check(&handshake, is_same) {
            Ok(()) => {
                self.admit(now, session, &handshake);
                let welcome = self.welcome();
                self.respond(session, request, welcome);
            }
            Err(Denied::Refused(refused)) => {
                self.refuse(now, session, request, Some(&handshake), refused);
            }
            Err(Denied::Disk(detail)) => {
                self.out.events.emit(Detail::Changes, || {
                    let (peer, detail) = (handshake.name.clone(), detail.clone());
                    ConnectionEvent::NotAdmitted { peer, session, request, detail }
                });
                let code = ErrorCode::Internal;
                self.respond(session, request, Response::Failed { code, detail });
                self.close(session, CloseReason::DiskFault);
            }
            Err(Denied::Uncompared { end, told }) => {
                if self.peers.start_comparison(session, request, handshake) {
                    self.out.push(LeaderEffect::Compare { session, end, told });
                }
            }
        }
    }

    /// Refuses a secondary that promised to follow a later epoch: its log may have to be cut where
    /// that epoch begins, which a master of this release does not know.
    fn check_epoch(&self, handshake: &Handshake) -> Result<(), HandshakeRefusal> {
        let (promised, own) = (handshake.epoch, self.epoch());
        if promised <= own {
            return Ok(());
        }
        let detail = format!(
            "this node follows epoch {promised} of a log, and this master is in epoch {own} and \
             knows no later one; upgrade the master to the release of this node"
        );
        Err(HandshakeRefusal::new(RefusalCode::Epoch, detail))
    }

    /// Checks whether a secondary may join: first its epoch, then its name, then its log.
    fn check(
        &self,
        handshake: &Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) -> Result<(), Denied> {
        self.check_epoch(handshake)?;
        let name = self.peers.check_name(handshake)?;
        self.leader.check_prefix(handshake, is_same)?;
        self.leader.check_disk_for(name)
    }

    /// Answers a member that repeats its handshake, because the answer was lost or late.
    pub(super) fn receive_repeated_handshake(
        &mut self,
        session: SessionId,
        request: RequestId,
        handshake: &Handshake,
    ) {
        let peer = || handshake.name.clone();
        let event = || ConnectionEvent::HandshakeRepeated { peer: peer(), request };
        self.out.events.emit(Detail::Changes, event);
        let welcome = self.welcome();
        self.respond(session, request, welcome);
    }

    fn welcome(&mut self) -> Response<IdRange> {
        self.relay();
        let positions = self.positions();
        let node = self.peers.options();
        let storage = Some(Storage::of(self.leader.is_on_disk()));
        Response::from(Welcome {
            master: node.name.clone(),
            log: self.leader.log_id(),
            epoch: self.epoch(),
            log_end: self.leader.durable_end(),
            heartbeat_interval: node.heartbeat_interval,
            node: NodeFacts { http_port: node.http_port, storage, ..NodeFacts::default() },
            positions,
        })
    }

    fn refuse(
        &mut self,
        now: Instant,
        session: SessionId,
        request: RequestId,
        handshake: Option<&Handshake>,
        refusal: HandshakeRefusal,
    ) {
        let code = refusal.code;
        let offered = handshake
            .map_or(OfferedLog::OfMaster, |handshake| self.leader.offered_log(handshake, code));
        self.peers.note_refusal(now, session, handshake, &refusal, offered, &mut self.out.events);
        if let Some(Handshake { name, end, checksum, .. }) = handshake
            && code == RefusalCode::LongerLog
            && self.leader.note_longer(name, *end, *checksum, &mut self.out.events)
        {
            self.persist_names();
        }
        let detail = refusal.detail;
        self.respond(session, request, Response::Refused { code, detail });
        self.close(session, CloseReason::Refused);
    }

    fn admit(&mut self, now: Instant, session: SessionId, handshake: &Handshake) {
        let (id, address) = self.peers.admit(now, session, handshake, &mut self.out);
        let (end, acked, instance) = (handshake.end, self.leader.acked_end(id), handshake.instance);
        let log_end = self.leader.durable_end();
        let (peer, events) = (|| handshake.name.clone(), &mut self.out.events);
        if acked > end {
            let event = || ConnectionEvent::LostAcked { peer: peer(), acked, end };
            events.emit(Detail::Changes, event);
        }
        let of = || Some(address.clone());
        let event = || ConnectionEvent::Joined { peer: peer(), address: of(), end, log_end };
        events.emit(Detail::Changes, event);
        let NodeFacts { http_port, storage, .. } = handshake.node;
        let new = NewConnection { session, instance, address, end, http_port, storage };
        self.peers.connect(now, id, new, events);
    }
}
