//! How a connection becomes a member: who is let in, who is refused, and who has to leave for it.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::member::NewLink;
use super::{Master, Member, MemberId, Standing, send};
use crate::protocol::frame::{
    Frame, Handshake, PROTOCOL_VERSION, RefusalCode, Request, Response, Welcome,
};
use crate::protocol::status::Status;
use crate::protocol::{CloseReason, LogView, ProtocolError};
use crate::types::{IdRange, NodeName, Records, RequestId, SECONDARIES_MAX, SessionId};

/// Time for a connection to finish its handshake: the longest artificial delay of one, twice.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections that have not finished their handshake; the oldest makes room. Lower: strangers could keep
/// secondaries out more easily. Higher: they would hold more of our memory.
pub const STRANGERS_MAX: usize = 1024;

/// A connection that has not finished its handshake.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) address: String,
    pub(super) deadline: Instant,
}

/// A refusal: its code and what to tell the person at the other end.
type Refused = (RefusalCode, String);

/// Why a secondary is not let in.
enum Denied {
    /// For a reason of its own: it is told.
    Refused(Refused),
    /// For one that lies in this node: it may try again.
    Closed(CloseReason),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<L: LogView> Master<L> {
    /// A connection was accepted.
    pub(super) fn meet(&mut self, now: Instant, session: SessionId, address: String) {
        debug!(%session, address, "accepted a connection");
        if self.strangers.len() >= STRANGERS_MAX
            && let Some(oldest) = self.next_stranger().map(|(_, oldest)| oldest)
        {
            self.close(oldest, CloseReason::TooManyHandshakes);
        }
        let deadline = now + HANDSHAKE_TIMEOUT;
        self.strangers.insert(session, Stranger { address, deadline });
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
                return self.refuse(session, request, "unknown", refused);
            }
            _ => {
                let reason = CloseReason::Protocol(ProtocolError::HandshakeExpected);
                return self.close(session, reason);
            }
        };
        debug!(%session, peer = %handshake.name, %request, end = %handshake.end, "handshake");
        match self.admit(&handshake) {
            Ok(()) => {
                self.let_in(now, session, &handshake);
                self.respond(session, request, self.welcome());
            }
            Err(Denied::Refused(refused)) => {
                self.refuse(session, request, handshake.name.as_str(), refused);
            }
            Err(Denied::Closed(reason)) => {
                warn!(peer = %handshake.name, %session, %request, %reason,
                    "cannot let a secondary in");
                self.close(session, reason);
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
    fn admit(&self, handshake: &Handshake) -> Result<(), Denied> {
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
                 forget one that is gone with DELETE /secondaries/<name>"
            );
            return Err((RefusalCode::ClusterFull, detail).into());
        }
        self.compare_logs(handshake)?;
        if known.is_none() && self.disk_fault.is_some() {
            return Err(Denied::Closed(CloseReason::DiskFault));
        }
        Ok(())
    }

    /// Whether what the secondary has is a prefix of this log. Never by ids alone: another log has the same ids.
    fn compare_logs(&self, handshake: &Handshake) -> Result<(), Denied> {
        let Handshake { end, log, last_checksum, .. } = handshake;
        if end.get() == 0 {
            return Ok(());
        }
        let what_to_do = "it keeps its messages; to join this master it must begin anew: restart it \
            where its log is in memory, or stop it and run `acklog log reset DIR` on its data directory";
        if *log != Some(self.options.log) {
            let detail = format!("this node has {end} messages of another log; {what_to_do}");
            return Err((RefusalCode::OtherLog, detail).into());
        }
        if *end > self.durable_end {
            let detail = format!(
                "this node has {end} messages, more than the master's {}; {what_to_do}",
                self.durable_end
            );
            return Err((RefusalCode::LongerLog, detail).into());
        }
        let Ok(checksum) = self.log.checksum_before(*end) else {
            return Err(Denied::Closed(CloseReason::DiskFault));
        };
        if checksum != *last_checksum {
            let detail =
                format!("this node's last message before {end} is not the master's; {what_to_do}");
            return Err((RefusalCode::OtherRecord, detail).into());
        }
        Ok(())
    }

    fn refuse(&mut self, session: SessionId, request: RequestId, name: &str, refused: Refused) {
        let (code, detail) = refused;
        warn!(repeats = true, peer = %name, %session, ?code, detail, "refused a secondary");
        self.respond(session, request, Response::Refused { code, detail });
        self.close(session, CloseReason::Refused);
    }

    fn let_in(&mut self, now: Instant, session: SessionId, handshake: &Handshake) {
        let address =
            self.strangers.remove(&session).map(|stranger| stranger.address).unwrap_or_default();
        let replaced = self.member_named(&handshake.name).and_then(|id| self.members.get(&id));
        if let Some(replaced) = replaced.and_then(Member::session) {
            self.close(replaced, CloseReason::Replaced);
        }
        // A guest went with its connection.
        let id = self
            .member_named(&handshake.name)
            .unwrap_or_else(|| self.add_member(handshake.name.clone(), Standing::Guest));
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

    /// Answers a request at once: responses are never delayed.
    pub(super) fn respond(
        &mut self,
        session: SessionId,
        request: RequestId,
        response: Response<IdRange>,
    ) {
        let member = self.by_session.get(&session).and_then(|id| self.members.get(id));
        let frame = Frame::Response(request, response);
        let outgoing = self.injector.outgoing(member.map(Member::name), frame);
        send(&mut self.effects, session, outgoing);
    }
}
