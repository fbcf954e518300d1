//! Frames that arrive on a connection: each is passed to the part that it is for.

use std::time::Instant;

use acklog_types::{LogView, Records, RequestId, SessionId};
use tracing::debug;

use super::Master;
use super::leader::PageRequest;
use super::peers::{MemberId, Peer, RunReply};
use crate::frame::{ErrorCode, Frame, Request, Response};
use crate::{CloseReason, ProtocolError};

impl<L: LogView> Master<L> {
    /// Takes in a frame. Frames of sessions that are closed already are dropped: nothing counts any
    /// more on them.
    pub(super) fn receive(&mut self, now: Instant, session: SessionId, frame: Frame<Records>) {
        let Some(id) = self.peers.on_session(session) else {
            if self.peers.is_pending(session) {
                self.receive_pending(now, session, frame);
            }
            return;
        };
        self.peers.hear(now, id);
        // A peer that is healthy again emits an event, which ends the backoff of its runs. That
        // comes before what the frame reports about them.
        self.relay();
        let received = match frame {
            Frame::Request(request, body) => self.receive_request(now, session, id, request, body),
            Frame::Response(request, body) => self.receive_response(now, id, request, body),
        };
        match received {
            Ok(()) => self.pump(now, id),
            Err(error) => self.close(session, CloseReason::Protocol(error)),
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
                self.leader.ack(id, from)?;
                self.want_page(now, id, PageRequest { request, from, again })?;
            }
            Request::SecondaryNodeReady { end } => {
                self.leader.ack(id, end)?;
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
        let Some(peer) = self.peers.get_mut(id) else { return Ok(()) };
        let reply = match body {
            Response::Added { contiguous_end } => {
                if !peer.is_ready() {
                    return Err(ProtocolError::UnexpectedResponse(request));
                }
                self.leader.ack(id, contiguous_end)?;
                RunReply::Done
            }
            Response::Alive => {
                peer.take_lost_runs(request).for_each(|run| self.leader.run_lost(id, run));
                RunReply::Done
            }
            Response::Failed { code, detail } => {
                note_failed(peer, request, code, &detail);
                RunReply::Failed
            }
            Response::Page { run, .. } if peer.pages_were_requested() => {
                if let Some(awaited) = peer.page_in_flight(request) {
                    let page = (&run, awaited);
                    let mend = self.leader.take_page(now, id, request, page, &mut self.rng);
                    self.effects.extend(mend);
                }
                RunReply::Done
            }
            Response::Welcome(_)
            | Response::Refused { .. }
            | Response::Page { .. }
            | Response::ReadyNoted => return Err(ProtocolError::UnexpectedResponse(request)),
        };
        if let Some(run) = peer.complete(now, request, reply)? {
            self.leader.run_answered(now, id, run, reply, &mut self.rng);
        }
        Ok(())
    }
}

/// Logs that a member answered a request with an error.
fn note_failed(peer: &Peer, request: RequestId, code: ErrorCode, detail: &str) {
    let peer = peer.name().as_str();
    debug!(peer, %request, ?code, detail, "the request failed at the secondary");
}
