//! Sessions: pending ones, how a session ends, and what is sent on one.

use std::fmt::Display;
use std::time::Instant;

use acklog_types::{IdRange, LogEnd, RequestId, SessionId};
use tracing::{debug, info, warn};

use super::event::MemberId;
use super::{Effects, Peers};
use crate::frame::{Frame, Handshake, Request, Response};
use crate::machine::Effect;
use crate::progress::RunPlan;
use crate::status::Status;
use crate::{CloseReason, SessionEnd};

impl Peers {
    /// Adds a session that was accepted now.
    pub(in crate::master) fn accept(
        &mut self,
        now: Instant,
        session: SessionId,
        address: String,
        effects: &mut Effects,
    ) {
        debug!(%session, address, "accepted a connection");
        if let Some(oldest) = self.pending.surplus() {
            self.close(now, oldest, CloseReason::TooManyHandshakes, effects);
        }
        self.pending.insert(now, session, address);
    }

    /// Closes the pending sessions whose time for a handshake is over.
    pub(in crate::master) fn close_expired(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(session) = self.pending.expired(now) {
            self.close(now, session, CloseReason::HandshakeTimeout, effects);
        }
    }

    /// Returns whether a session has not finished its handshake.
    pub(in crate::master) fn is_pending(&self, session: SessionId) -> bool {
        self.pending.contains(session)
    }

    /// Notes that a handshake was repeated while its log is compared. Returns false if nothing is
    /// compared.
    pub(in crate::master) fn repeat_handshake(
        &mut self,
        session: SessionId,
        request: RequestId,
    ) -> bool {
        self.pending.repeat_handshake(session, request)
    }

    /// Keeps a handshake while the secondary's log is compared with this one. Returns false if the
    /// session is not pending.
    pub(in crate::master) fn start_comparison(
        &mut self,
        session: SessionId,
        request: RequestId,
        handshake: Handshake,
    ) -> bool {
        self.pending.start_comparison(session, request, handshake)
    }

    /// Takes the handshake whose log was compared, if its session is still pending.
    pub(in crate::master) fn finish_comparison(
        &mut self,
        session: SessionId,
    ) -> Option<(RequestId, Handshake)> {
        self.pending.finish_comparison(session)
    }

    /// Closes a session. Nothing that still comes on it counts.
    pub(in crate::master) fn close(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: CloseReason,
        effects: &mut Effects,
    ) {
        let pending = self.pending.remove(session);
        let (peer, status) = self.members.disconnect(session).unzip();
        let peer = peer.as_ref().map(|name| name.as_str());
        let was_live = status.is_some_and(|status| status != Status::Unhealthy);
        match (&reason, peer) {
            (
                CloseReason::Protocol(_)
                | CloseReason::HandshakeTimeout
                | CloseReason::TooManyHandshakes,
                None,
            ) => self.log_no_handshake(now, session, pending, &reason),
            (CloseReason::Protocol(error), Some(peer)) => {
                warn!(peer, %session, %error, status = Status::Unhealthy.as_str(),
                    "closing a connection: the peer is broken");
            }
            (CloseReason::Unresponsive, Some(peer)) => {
                warn!(peer, %session, %reason, "closing a connection");
            }
            // Its place is taken at once.
            (CloseReason::Replaced, _) | (_, None) => {
                debug!(%session, %reason, "closing a connection");
            }
            (_, Some(peer)) if was_live => {
                info!(peer, %session, %reason, status = Status::Unhealthy.as_str(), "closing a connection");
            }
            (_, Some(peer)) => debug!(peer, %session, %reason, "closing a connection"),
        }
        effects.push_back(Effect::Close { session, reason });
    }

    /// Takes in that a session ended from outside.
    pub(in crate::master) fn lose(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: &SessionEnd,
    ) {
        let pending = self.pending.remove(session);
        if *reason == SessionEnd::Closed
            && let Some(member) = self.on_session(session)
            && let Some(peer) = self.members.get_mut(member)
        {
            peer.note_closed();
        }
        match self.members.disconnect(session) {
            Some((peer, _)) => {
                let peer = peer.as_str();
                warn!(peer, %reason, status = Status::Unhealthy.as_str(), "a secondary's connection is gone");
            }
            None if matches!(reason, SessionEnd::Garbage(_)) => {
                self.log_no_handshake(now, session, pending, reason);
            }
            None => debug!(%session, %reason, "a connection is gone"),
        }
    }

    /// Closes the connections of secondaries that stay unhealthy, so that they dial again: what
    /// they sent may wait for the next attempt of their kernel for minutes.
    pub(in crate::master) fn close_unresponsive(&mut self, now: Instant, effects: &mut Effects) {
        let unresponsive = self.members.iter().filter(|(_, peer)| peer.is_unresponsive(now));
        let sessions: Vec<SessionId> =
            unresponsive.filter_map(|(_, peer)| peer.session()).collect();
        for session in sessions {
            self.close(now, session, CloseReason::Unresponsive, effects);
        }
    }

    /// Drops all connections, as an operator requested. Returns how many there were.
    pub(in crate::master) fn drop_all(&mut self, now: Instant, effects: &mut Effects) -> usize {
        let sessions = self.members.sessions().chain(self.pending.iter());
        let sessions: Vec<SessionId> = sessions.collect();
        warn!(connections = sessions.len(), "dropping all connections, as asked for");
        for &session in &sessions {
            self.close(now, session, CloseReason::OnDemand, effects);
        }
        sessions.len()
    }

    /// Logs why a connection without a handshake ended.
    fn log_no_handshake(
        &mut self,
        now: Instant,
        session: SessionId,
        address: Option<String>,
        reason: &dyn Display,
    ) {
        if self.lines.admits(now) {
            warn!(%session, address, %reason, "a connection ended without a handshake");
        }
    }

    /// Logs how many such lines were left out, once a minute.
    pub(in crate::master) fn log_left_out_lines(&mut self, now: Instant) {
        let left_out = self.lines.end(now);
        if left_out > 0 {
            warn!(left_out, "further connections ended without a handshake in this minute");
        }
    }

    /// Answers a request.
    pub(in crate::master) fn respond(
        &self,
        session: SessionId,
        request: RequestId,
        response: Response<IdRange>,
        effects: &mut Effects,
    ) {
        let frame = Frame::Response(request, response);
        effects.push_back(Effect::Send { session, frame });
    }

    /// Sends a run to a member.
    pub(in crate::master) fn send_run(
        &mut self,
        now: Instant,
        member: MemberId,
        plan: RunPlan,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.members.get_mut(member) else { return };
        let Some((session, id)) = peer.make_run(now, plan) else { return };
        if !self.delays_requests {
            peer.note_sent(now);
        }
        let frame = Frame::Request(id, Request::AddMessage { run: plan.range });
        effects.push_back(Effect::Send { session, frame });
    }

    /// Requests the messages from `from` on from a member.
    pub(in crate::master) fn request_page(
        &mut self,
        now: Instant,
        member: MemberId,
        from: LogEnd,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.members.get_mut(member) else { return };
        let Some((session, id)) = peer.make_page_request(now, from) else { return };
        if !self.delays_requests {
            peer.note_sent(now);
        }
        let frame = Frame::Request(id, Request::GetMessages { from, again: true });
        effects.push_back(Effect::Send { session, frame });
    }

    /// Sends a heartbeat to a member, if one is due. Returns whether it does.
    pub(in crate::master) fn send_heartbeat(
        &mut self,
        now: Instant,
        member: MemberId,
        log_end: LogEnd,
        effects: &mut Effects,
    ) -> bool {
        let peer = self.members.get_mut(member);
        let Some((session, id)) = peer.and_then(|peer| peer.make_heartbeat(now)) else {
            return false;
        };
        let frame = Frame::Request(id, Request::Heartbeat { log_end });
        effects.push_back(Effect::Send { session, frame });
        true
    }
}
