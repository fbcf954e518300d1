//! Frames that arrive on a connection: each is passed to the part that it is for.

use std::time::Instant;

use acklog_types::{LogView, Records, RequestId, SessionId};

use super::Master;
use super::leader::PageRequest;
use super::peers::{MemberId, RunReply};
use crate::events::{Detail, FrameEvent, FrameStage, ids_in};
use crate::frame::{Frame, Request, Response};
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
        self.peers.hear(now, id, &mut self.out.events);
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
                self.leader.ack(self.outside(now), id, from, &mut self.out.events)?;
                self.want_page(now, id, PageRequest { request, from, again })?;
            }
            Request::SecondaryNodeReady { end } => {
                self.leader.ack(self.outside(now), id, end, &mut self.out.events)?;
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
        let heard = self.outside(now);
        let Some(peer) = self.peers.get_mut(id) else { return Ok(()) };
        let frame = (body.kind(), ids_in(&body));
        let reply = match body {
            Response::Added { contiguous_end } => {
                if !peer.is_ready() {
                    return Err(ProtocolError::UnexpectedResponse(request));
                }
                self.leader.ack(heard, id, contiguous_end, &mut self.out.events)?;
                RunReply::Done
            }
            Response::Alive => {
                peer.take_lost_runs(request).for_each(|run| self.leader.run_lost(id, run));
                RunReply::Done
            }
            Response::Failed { code, detail } => {
                self.out.events.emit(Detail::Frames, || {
                    let stage = FrameStage::Failed { code, detail };
                    let failed = (frame.0, peer.ids_of(request));
                    FrameEvent::new(Some(peer.name()), request, failed, stage)
                });
                RunReply::Failed
            }
            Response::Page { run, .. } if peer.pages_were_requested() => {
                if let Some(awaited) = peer.page_in_flight(request) {
                    let page = (&run, awaited);
                    let (rng, out) = (&mut self.rng, &mut self.out);
                    self.leader.take_page(now, id, request, page, rng, out);
                }
                RunReply::Done
            }
            Response::Welcome(_)
            | Response::Refused { .. }
            | Response::Page { .. }
            | Response::ReadyNoted => return Err(ProtocolError::UnexpectedResponse(request)),
        };
        if let Some(run) = peer.complete(now, (request, frame), reply, &mut self.out.events)? {
            self.leader.run_answered(now, id, run, reply, &mut self.rng);
        }
        Ok(())
    }
}
