//! How a connection becomes a member: who is let in, who is refused, and who has to leave for it.

use std::time::Instant;

use acklog_types::{
    Checksum, IdRange, LogEnd, NodeName, Records, RequestId, SECONDARIES_MAX, SessionId,
};
use acklog_types::{LogView, Unreadable};
use tracing::{debug, info, warn};

use super::losses::{BEGIN_ANEW, KEEP_IT};
use super::member::NewLink;
use super::peers::refused::Refused;
use super::{LeaderEffect, Master, Standing};
use crate::frame::{
    ErrorCode, Frame, Handshake, PROTOCOL_VERSION, RefusalCode, Request, Response, Welcome,
};
use crate::status::Status;
use crate::{CloseReason, ProtocolError};

/// A refusal: its code and what to tell the person at the other end.
type Refusal = (RefusalCode, String);

/// Why a secondary is not let in.
enum Denied {
    /// For a reason of its own: it is told.
    Refused(Refusal),
    /// For one that lies in this node's disk, told in words: it may try again.
    Disk(String),
    /// That is not known before a file was read.
    Uncompared { end: LogEnd, told: Checksum },
}

impl From<Refusal> for Denied {
    fn from(refused: Refusal) -> Self {
        Self::Refused(refused)
    }
}

impl<L: LogView> Master<L> {
    /// A connection was accepted.
    pub(super) fn meet(&mut self, now: Instant, session: SessionId, address: String) {
        debug!(%session, address, "accepted a connection");
        if let Some(oldest) = self.pending.surplus() {
            self.close(oldest, CloseReason::TooManyHandshakes);
        }
        self.pending.insert(now, session, address);
    }

    /// Closes the connections whose time for a handshake is over.
    pub(super) fn close_expired(&mut self, now: Instant) {
        while let Some(session) = self.pending.expired(now) {
            self.close(session, CloseReason::HandshakeTimeout);
        }
    }

    /// The first frame of a connection must be a handshake.
    pub(super) fn receive_pending(
        &mut self,
        now: Instant,
        session: SessionId,
        frame: Frame<Records>,
    ) {
        let (request, handshake) = match frame {
            Frame::Request(request, Request::Handshake(handshake)) => (request, handshake),
            Frame::Request(request, Request::HandshakeOfVersion(version)) => {
                let detail = format!(
                    "this master speaks version {PROTOCOL_VERSION} of the protocol, not {version}; \
                     run the same release on all nodes"
                );
                let refused = (RefusalCode::Version, detail);
                return self.refuse(now, session, request, None, refused);
            }
            _ => {
                let reason = CloseReason::Protocol(ProtocolError::HandshakeExpected);
                return self.close(session, reason);
            }
        };
        debug!(%session, peer = %handshake.name, %request, end = %handshake.end, "handshake");
        if !self.pending.repeat_handshake(session, request) {
            self.judge(now, session, request, handshake, None);
        }
    }

    /// A secondary's log is compared with this one. What is true of its name may have changed meanwhile, so that all
    /// checks are made again.
    pub(super) fn compared(
        &mut self,
        now: Instant,
        session: SessionId,
        is_same: Result<bool, Unreadable>,
    ) {
        match self.pending.finish_comparison(session) {
            Some(_) if self.time.is_paused() => {
                debug!(%session, "this node is paused; the secondary asks again later");
            }
            Some((request, handshake)) => {
                self.judge(now, session, request, handshake, Some(is_same));
            }
            None => debug!(%session, "a log is compared, and its connection is gone"),
        }
    }

    /// Lets a secondary in, refuses it, or has its log compared first.
    fn judge(
        &mut self,
        now: Instant,
        session: SessionId,
        request: RequestId,
        handshake: Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) {
        match self.admit(&handshake, is_same) {
            Ok(()) => {
                self.let_in(now, session, &handshake);
                self.respond(session, request, self.welcome());
            }
            Err(Denied::Refused(refused)) => {
                self.refuse(now, session, request, Some(&handshake), refused);
            }
            Err(Denied::Disk(detail)) => {
                let (peer, code) = (handshake.name.as_str(), ErrorCode::Internal);
                warn!(repeats = true, peer, %session, %request, detail,
                    "cannot let a secondary in");
                self.respond(session, request, Response::Failed { code, detail });
                self.close(session, CloseReason::DiskFault);
            }
            Err(Denied::Uncompared { end, told }) => {
                if self.pending.start_comparison(session, request, handshake) {
                    let compare = LeaderEffect::Compare { session, end, told };
                    self.effects.push_back(compare.into());
                }
            }
        }
    }

    /// A member repeats its handshake, because the answer was lost or late.
    pub(super) fn receive_repeated_handshake(
        &mut self,
        session: SessionId,
        request: RequestId,
        handshake: &Handshake,
    ) {
        debug!(peer = %handshake.name, %request, "handshake repeated");
        self.respond(session, request, self.welcome());
    }

    fn welcome(&self) -> Response<IdRange> {
        Response::Welcome(Welcome {
            master: self.options.name.clone(),
            log: self.options.log,
            log_end: self.durable_end,
            heartbeat_interval: self.options.heartbeat_interval,
        })
    }

    /// Whether a secondary may join.
    fn admit(
        &self,
        handshake: &Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) -> Result<(), Denied> {
        let Handshake { name, instance, .. } = handshake;
        if *name == self.options.name {
            let detail = format!("{name} is the master's own name; give this node another --name");
            return Err((RefusalCode::NameTaken, detail).into());
        }
        if let Some(listed) = &self.options.secondaries
            && !listed.contains(name)
        {
            let detail = format!(
                "{name} is not among the secondaries that this master lets in; add it to the master's \
                 --secondaries, or give this node one of those names"
            );
            return Err((RefusalCode::NotListed, detail).into());
        }
        let known = self.members.named(name).map(|(_, member)| member);
        if let Some(member) = known
            && member.status() != Status::Unhealthy
            && !member.is_instance(*instance)
        {
            let detail = format!(
                "another live node has the name {name}; stop it, or give this node another --name"
            );
            return Err((RefusalCode::NameTaken, detail).into());
        }
        let secondaries_max =
            self.options.cluster_size.map_or(SECONDARIES_MAX, |nodes| nodes.saturating_sub(1));
        if known.is_none() && self.members.len() >= usize::from(secondaries_max) {
            let detail = format!(
                "the cluster has its {secondaries_max} secondaries already; raise --cluster-size, or \
                 forget one that is gone with `acklog forget NAME`"
            );
            return Err((RefusalCode::ClusterFull, detail).into());
        }
        self.compare_logs(handshake, is_same)?;
        if known.is_none()
            && let Some(fault) = &self.disk_fault
        {
            let detail = format!("the master's disk takes no new name at the moment: {fault}");
            return Err(Denied::Disk(detail));
        }
        Ok(())
    }

    /// Whether what the secondary has is a prefix of this log. Never by ids alone: another log has the same ids.
    /// `is_same` is what a comparison that was asked for has found.
    fn compare_logs(
        &self,
        handshake: &Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) -> Result<(), Denied> {
        let &Handshake { end, log, checksum, .. } = handshake;
        if end.get() == 0 {
            return Ok(());
        }
        if log != Some(self.options.log) {
            let detail = format!(
                "this node has {end} messages of another log, and keeps them. Where they are of \
                 worth, let the master have its own log back: GET /messages shows what this node has. \
                 To join this master as it is, it must begin anew, which gives them up: {BEGIN_ANEW}"
            );
            return Err((RefusalCode::OtherLog, detail).into());
        }
        if end > self.durable_end {
            return Err((RefusalCode::LongerLog, self.longer_detail(end, checksum)).into());
        }
        let found = |told| match is_same {
            Some(found) => found.map_err(|Unreadable(detail)| {
                let what =
                    "the master cannot read what is to be compared with this node's messages";
                Denied::Disk(format!("{what}: {detail}"))
            }),
            None => self.log.is_same_below(end, told).ok_or(Denied::Uncompared { end, told }),
        };
        if !checksum.map_or(Ok(false), found)? {
            let detail = format!(
                "this node and the master have different messages below {end} of one log: one of the \
                 two was put back from an older copy, or lost its end. {KEEP_IT}. Once it is \
                 known that the master is right, let it begin anew: {BEGIN_ANEW}"
            );
            return Err((RefusalCode::OtherRecord, detail).into());
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        now: Instant,
        session: SessionId,
        request: RequestId,
        handshake: Option<&Handshake>,
        refused: Refusal,
    ) {
        let (code, detail) = refused;
        let name = handshake.map(|handshake| handshake.name.clone());
        let is_other = |told: &Handshake| {
            told.end > LogEnd::ZERO && (told.log != Some(self.options.log) || code.is_divergence())
        };
        let has_other_messages = handshake.is_some_and(is_other);
        let log_end = handshake.map(|handshake| handshake.end);
        let row = Refused {
            name: name.clone(),
            code,
            log_end,
            has_other_messages,
            detail: detail.clone(),
        };
        // Whoever invents names or positions has as few lines as others without a handshake.
        if !self.refused.insert(now, row) || self.stranger_lines.admits(now) {
            let peer = name.as_ref().map_or("unknown", NodeName::as_str);
            warn!(repeats = true, peer, %session, code = code.as_str(), detail, "refused a secondary");
        }
        if let Some(handshake) = handshake
            && code == RefusalCode::LongerLog
        {
            self.note_longer(&handshake.name, handshake.end, handshake.checksum);
        }
        self.respond(session, request, Response::Refused { code, detail });
        self.close(session, CloseReason::Refused);
    }

    fn let_in(&mut self, now: Instant, session: SessionId, handshake: &Handshake) {
        let address = self.pending.remove(session).unwrap_or_default();
        let replaced = self.members.named(&handshake.name);
        let replaced = replaced.and_then(|(_, member)| member.session());
        // Of an earlier connection of the same process nothing is to come any more.
        let earlier = self.pending.earlier_of_same_process(session, handshake);
        for replaced in earlier.into_iter().chain(replaced) {
            self.close(replaced, CloseReason::Replaced);
        }
        // A guest went with its connection.
        let known = self.members.named(&handshake.name).map(|(id, _)| id);
        let id = known.unwrap_or_else(|| {
            self.members.add(handshake.name.clone(), Standing::Guest, &self.options)
        });
        self.refused.remove(&handshake.name);
        let Some(member) = self.members.get(id) else { return };
        if member.acked_end() > handshake.end {
            let acked = member.acked_end();
            warn!(peer = %handshake.name, %acked, end = %handshake.end,
                "a secondary came back without messages that it had acked");
        }
        info!(peer = %handshake.name, address, end = %handshake.end, log_end = %self.durable_end,
            "a secondary joins");
        let (end, instance) = (handshake.end, handshake.instance);
        let new = NewLink { session, instance, address, end };
        self.members.connect(now, id, new, &self.options);
        self.note_acked();
    }
}
