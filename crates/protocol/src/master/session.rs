//! Sessions: who is on one, what is answered on it, and how it ends.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd, RequestId, SessionId};
use tracing::{debug, info, warn};

use super::{Master, Member, MemberId, send};
use crate::frame::{ErrorCode, Frame, Response};
use crate::machine::Effect;
use crate::status::Status;
use crate::{CloseReason, ProtocolError, SessionEnd};

impl<L: LogView> Master<L> {
    /// Something of a frame arrived, whole or not.
    pub(super) fn hear(&mut self, now: Instant, session: SessionId) {
        let id = self.members.on_session(session);
        if let Some(member) = id.and_then(|id| self.members.get_mut(id)) {
            member.hear(now);
        }
    }

    /// A member told its position.
    pub(super) fn ack(&mut self, id: MemberId, end: LogEnd) -> Result<(), ProtocolError> {
        if end > self.durable_end {
            return Err(ProtocolError::AckBeyondEnd { told: end, log_end: self.durable_end });
        }
        if self.members.get_mut(id).is_some_and(|member| member.ack(end)) {
            self.note_acked();
        }
        Ok(())
    }

    /// A member answered a request with an error.
    pub(super) fn note_failed(
        &self,
        id: MemberId,
        request: RequestId,
        code: ErrorCode,
        detail: &str,
    ) {
        let peer = self.members.get(id).map(|member| member.name().as_str());
        debug!(peer, %request, ?code, detail, "the request failed at the secondary");
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

    /// Ends a session from this side. Nothing that still comes on it counts.
    pub(super) fn close(&mut self, session: SessionId, reason: CloseReason) {
        let pending = self.pending.remove(session);
        let (peer, was_live) = self.members.disconnect(session, &self.options).unzip();
        let was_live = was_live.unwrap_or(false);
        match (&reason, peer) {
            (
                CloseReason::Protocol(_)
                | CloseReason::HandshakeTimeout
                | CloseReason::TooManyHandshakes,
                None,
            ) => self.note_stranger(session, pending, &reason),
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
        let pending = self.pending.remove(session);
        if *reason == SessionEnd::Closed
            && let Some(id) = self.members.on_session(session)
            && let Some(member) = self.members.get_mut(id)
        {
            member.note_closed();
        }
        match self.members.disconnect(session, &self.options) {
            Some((peer, _)) => {
                warn!(peer, %reason, status = Status::Unhealthy.as_str(), "a secondary's connection is gone");
            }
            None if matches!(reason, SessionEnd::Garbage(_)) => {
                self.note_stranger(session, pending, reason);
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
}
