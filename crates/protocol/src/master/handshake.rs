//! How a connection becomes a member: who is let in, who is refused, and who has to leave for it.

use std::time::{Duration, Instant};

use acklog_types::{
    Checksum, IdRange, LogEnd, NodeName, Records, RequestId, SECONDARIES_MAX, SessionId,
};
use acklog_types::{LogView, Unreadable};
use tracing::{debug, info, warn};

use super::member::NewLink;
use super::refused::Refused;
use super::{LeaderEffect, Master, Member, MemberId, Standing, send};
use crate::frame::{
    ErrorCode, Frame, Handshake, PROTOCOL_VERSION, RefusalCode, Request, Response, Welcome,
};
use crate::status::Status;
use crate::{CloseReason, ProtocolError};

/// Time for a connection to finish its handshake: the longest artificial delay of one, twice.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections that have not finished their handshake, where there are descriptors enough; the oldest makes room.
/// Lower: strangers could keep secondaries out more easily. Higher: they would hold more of our memory.
pub const STRANGERS_MAX: usize = 1024;

/// A connection that has not finished its handshake.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) address: String,
    pub(super) deadline: Instant,
    /// Its handshake and the number of the request, while its log is compared with this one.
    uncompared: Option<(RequestId, Handshake)>,
}

/// How a secondary begins anew.
pub(super) const BEGIN_ANEW: &str = "restart it where its log is in memory, or stop it and run \
    `acklog log reset DIR` on its data directory";

/// What stands before all else where a secondary may have the better copy of this log.
pub(super) const KEEP_IT: &str = "Keep this node as it is: GET /messages shows what it has, and \
    `acklog log dump DIR` prints it from its data directory";

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
        if self.strangers.len() >= self.options.max_strangers
            && let Some(oldest) = self.next_stranger().map(|(_, oldest)| oldest)
        {
            self.close(oldest, CloseReason::TooManyHandshakes);
        }
        let deadline = now + HANDSHAKE_TIMEOUT;
        self.strangers.insert(session, Stranger { address, deadline, uncompared: None });
    }

    /// Closes the connections whose time for a handshake is over.
    pub(super) fn dismiss_strangers(&mut self, now: Instant) {
        while let Some((deadline, session)) = self.next_stranger()
            && deadline <= now
        {
            self.close(session, CloseReason::HandshakeTimeout);
        }
    }

    /// The stranger whose time is over first, and so the oldest.
    pub(super) fn next_stranger(&self) -> Option<(Instant, SessionId)> {
        self.strangers.iter().map(|(&session, stranger)| (stranger.deadline, session)).min()
    }

    /// The first frame of a connection must be a handshake.
    pub(super) fn receive_from_stranger(
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
        let Some(stranger) = self.strangers.get_mut(&session) else { return };
        match &mut stranger.uncompared {
            // Repeated, as after a time limit: the answer is to the last one.
            Some((pending, _)) => *pending = request,
            None => self.judge(now, session, request, handshake, None),
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
        let stranger = self.strangers.get_mut(&session);
        match stranger.and_then(|stranger| stranger.uncompared.take()) {
            Some(_) if self.is_paused() => {
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
                if let Some(stranger) = self.strangers.get_mut(&session) {
                    stranger.uncompared = Some((request, handshake));
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
        let known = self.members.values().find(|member| member.name() == name);
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
        let address =
            self.strangers.remove(&session).map(|stranger| stranger.address).unwrap_or_default();
        let replaced = self.member_named(&handshake.name).and_then(|id| self.members.get(&id));
        let replaced = replaced.and_then(Member::session);
        // Of an earlier connection of the same process nothing is to come any more.
        let is_earlier = |stranger: &Stranger| {
            let pending = stranger.uncompared.as_ref().map(|(_, pending)| pending);
            pending.is_some_and(|pending| {
                (&pending.name, pending.instance) == (&handshake.name, handshake.instance)
            })
        };
        let earlier = self.strangers.range(..session).filter(|(_, stranger)| is_earlier(stranger));
        let earlier: Vec<SessionId> = earlier.map(|(&earlier, _)| earlier).collect();
        for replaced in earlier.into_iter().chain(replaced) {
            self.close(replaced, CloseReason::Replaced);
        }
        // A guest went with its connection.
        let id = self
            .member_named(&handshake.name)
            .unwrap_or_else(|| self.add_member(handshake.name.clone(), Standing::Guest));
        self.refused.remove(&handshake.name);
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.acked_end() > handshake.end {
            let acked = member.acked_end();
            warn!(peer = %handshake.name, %acked, end = %handshake.end,
                "a secondary came back without messages that it had acked");
        }
        info!(peer = %handshake.name, address, end = %handshake.end, log_end = %self.durable_end,
            "a secondary joins");
        let (end, instance) = (handshake.end, handshake.instance);
        member.connect(now, NewLink { session, instance, address, end }, &self.options);
        self.by_session.insert(session, id);
        self.note_acked();
    }

    fn member_named(&self, name: &NodeName) -> Option<MemberId> {
        self.members.iter().find(|(_, member)| member.name() == name).map(|(&id, _)| id)
    }

    /// Answers a request.
    pub(super) fn respond(
        &mut self,
        session: SessionId,
        request: RequestId,
        response: Response<IdRange>,
    ) {
        send(&mut self.effects, session, Frame::Response(request, response));
    }
}
