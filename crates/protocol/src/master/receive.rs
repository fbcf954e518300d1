//! What arrives on a connection: each frame is handed to the part that it is for.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{Records, RequestId, SessionId};

use super::pages::PageRequest;
use super::{Master, Member, MemberId};
use crate::frame::{Frame, Request, Response};
use crate::{CloseReason, ProtocolError};

impl<L: LogView> Master<L> {
    /// A frame arrived. Frames of sessions that are closed already are dropped: nothing counts any more on them.
    pub(super) fn receive(&mut self, now: Instant, session: SessionId, frame: Frame<Records>) {
        let Some(id) = self.members.on_session(session) else {
            if self.pending.contains(session) {
                self.receive_pending(now, session, frame);
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

    /// A part of a frame arrived.
    pub(super) fn hear_part(&mut self, now: Instant, session: SessionId) {
        self.hear(now, session);
        let id = self.members.on_session(session);
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
                if !self.members.get(id).is_some_and(Member::is_ready) {
                    return Err(ProtocolError::UnexpectedResponse(request));
                }
                self.ack(id, contiguous_end)?;
                false
            }
            Response::Alive => {
                if let Some(member) = self.members.get_mut(id) {
                    member.send_lost_again(request);
                }
                false
            }
            Response::Failed { code, detail } => {
                self.note_failed(id, request, code, &detail);
                true
            }
            Response::Page { run, .. }
                if self.members.get(id).is_some_and(Member::is_asked_for_pages) =>
            {
                self.take_page(now, id, request, &run);
                false
            }
            Response::Welcome(_)
            | Response::Refused { .. }
            | Response::Page { .. }
            | Response::ReadyNoted => return Err(ProtocolError::UnexpectedResponse(request)),
        };
        let member = self.members.get_mut(id);
        match member.is_none_or(|member| member.complete(now, request, failed, &mut self.rng)) {
            true => Ok(()),
            false => Err(ProtocolError::UnexpectedResponse(request)),
        }
    }
}
