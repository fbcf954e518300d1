//! What arrives on a member's connection, and how connections end.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{LogEnd, Records, RequestId, SessionId};
use tracing::{debug, info, warn};

use super::member::Standing;
use super::pages::PageRequest;
use super::{Master, Member, MemberId};
use crate::frame::{Frame, Request, Response};
use crate::machine::Effect;
use crate::status::Status;
use crate::{CloseReason, ProtocolError, SessionEnd};

impl<L: LogView> Master<L> {
    /// A frame arrived. Frames of sessions that are closed already are dropped: nothing counts any more on them.
    pub(super) fn receive(&mut self, now: Instant, session: SessionId, frame: Frame<Records>) {
        let Some(&id) = self.by_session.get(&session) else {
            if self.strangers.contains_key(&session) {
                self.receive_from_stranger(now, session, frame);
            }
            return;
        };
        self.hear(now, session);
        let received = match frame {
            Frame::Request(request, body) => self.receive_request(now, session, id, request, body),
            Frame::Response(request, body) => self.receive_response(now, id, request, body),
        };
        match received {
            Ok(()) => self.let_act(id..=id, |member, context| member.pump(now, context)),
            Err(error) => self.close(session, CloseReason::Protocol(error)),
        }
    }

    /// Something of a frame arrived, whole or not.
    pub(super) fn hear(&mut self, now: Instant, session: SessionId) {
        let id = self.by_session.get(&session);
        if let Some(member) = id.and_then(|id| self.members.get_mut(id)) {
            member.hear(now);
        }
    }

    /// A part of a frame arrived.
    pub(super) fn hear_part(&mut self, now: Instant, session: SessionId) {
        self.hear(now, session);
        let id = self.by_session.get(&session);
        if let Some(member) = id.and_then(|id| self.members.get_mut(id)) {
            member.note_part(now);
        }
    }

    fn receive_request(
        &mut self,
        now: Instant,
        session: SessionId,
        id: MemberId,
        request: RequestId,
        body: Request<Records>,
    ) -> Result<(), ProtocolError> {
        match body {
            Request::Handshake(handshake) => {
                self.receive_repeated_handshake(session, request, &handshake);
            }
            Request::GetMessages { from, again } => {
                self.ack(id, from)?;
                self.want_page(now, id, PageRequest { request, from, again })?;
            }
            Request::SecondaryNodeReady { end } => {
                self.ack(id, end)?;
                self.receive_ready(id, request);
            }
            Request::HandshakeOfVersion(_)
            | Request::AddMessage { .. }
            | Request::Heartbeat { .. } => {
                return Err(ProtocolError::UnexpectedRequest(body.kind()));
            }
        }
        Ok(())
    }

    fn receive_response(
        &mut self,
        now: Instant,
        id: MemberId,
        request: RequestId,
        body: Response<Records>,
    ) -> Result<(), ProtocolError> {
        let failed = match body {
            Response::Added { contiguous_end } => {
                if !self.members.get(&id).is_some_and(Member::is_ready) {
                    return Err(ProtocolError::UnexpectedResponse(request));
                }
                self.ack(id, contiguous_end)?;
                false
            }
            Response::Alive => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.send_lost_again(request);
                }
                false
            }
            Response::Failed { code, detail } => {
                let peer = self.name_of(id);
                debug!(peer, %request, ?code, detail, "the request failed at the secondary");
                true
            }
            Response::Page { run, .. }
                if self.members.get(&id).is_some_and(Member::is_asked_for_pages) =>
            {
                self.take_page(now, id, request, &run);
                false
            }
            Response::Welcome(_)
            | Response::Refused { .. }
            | Response::Page { .. }
            | Response::ReadyNoted => return Err(ProtocolError::UnexpectedResponse(request)),
        };
        let member = self.members.get_mut(&id);
        match member.is_none_or(|member| member.complete(now, request, failed, &mut self.rng)) {
            true => Ok(()),
            false => Err(ProtocolError::UnexpectedResponse(request)),
        }
    }

    /// A member told its position.
    fn ack(&mut self, id: MemberId, end: LogEnd) -> Result<(), ProtocolError> {
        if end > self.durable_end {
            return Err(ProtocolError::AckBeyondEnd { told: end, log_end: self.durable_end });
        }
        if self.members.get_mut(&id).is_some_and(|member| member.ack(end)) {
            self.note_acked();
        }
        Ok(())
    }

    pub(super) fn name_of(&self, id: MemberId) -> &str {
        self.members.get(&id).map_or("", |member| member.name().as_str())
    }

    /// Ends a session from this side. Nothing that still comes on it counts.
    pub(super) fn close(&mut self, session: SessionId, reason: CloseReason) {
        let stranger = self.strangers.remove(&session);
        let (peer, was_live) = self.end_session(session).unzip();
        let was_live = was_live.unwrap_or(false);
        match (&reason, peer) {
            (
                CloseReason::Protocol(_)
                | CloseReason::HandshakeTimeout
                | CloseReason::TooManyHandshakes,
                None,
            ) => self.note_stranger(session, stranger, &reason),
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
        self.effects.push_back(Effect::Close { session, reason });
    }

    /// A session ended from outside.
    pub(super) fn lose(&mut self, session: SessionId, reason: &SessionEnd) {
        let stranger = self.strangers.remove(&session);
        if *reason == SessionEnd::Closed
            && let Some(id) = self.by_session.get(&session)
            && let Some(member) = self.members.get_mut(id)
        {
            member.note_closed();
        }
        match self.end_session(session) {
            Some((peer, _)) => {
                warn!(peer, %reason, status = Status::Unhealthy.as_str(), "a secondary's connection is gone");
            }
            None if matches!(reason, SessionEnd::Garbage(_)) => {
                self.note_stranger(session, stranger, reason);
            }
            None => debug!(%session, %reason, "a connection is gone"),
        }
    }

    /// Gives up the connections of secondaries that stay unhealthy, so that they dial again: what
    /// they sent may wait for the next attempt of their kernel for minutes.
    pub(super) fn give_up_unresponsive(&mut self, now: Instant) {
        let given_up = self.members.values().filter(|member| member.is_given_up(now));
        let sessions: Vec<SessionId> = given_up.filter_map(Member::session).collect();
        for session in sessions {
            self.close(session, CloseReason::Unresponsive);
        }
    }

    /// Ends a member's session. Returns its name, and whether it was live until now.
    fn end_session(&mut self, session: SessionId) -> Option<(String, bool)> {
        let id = self.by_session.remove(&session)?;
        let member = self.members.get_mut(&id)?;
        let ended = (member.name().to_string(), member.disconnect(&self.options));
        if member.standing() == Standing::Guest {
            self.members.remove(&id);
        }
        Some(ended)
    }
}
