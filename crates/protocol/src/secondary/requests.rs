//! Requests to the master, and what becomes of them.

use std::time::Instant;

use acklog_types::{Epoch, IdRange, LogView, Records, RequestId};

use super::follower::PageAnswer;
use super::{Connection, Secondary};
use crate::ProtocolError;
use crate::events::{Detail, FrameEvent, FrameStage, ids_in};
use crate::frame::{Frame, FrameKind, Request, Response};
use crate::in_flight::Completed;

impl<L: LogView> Secondary<L> {
    /// Makes the requests that are due.
    pub(super) fn make_requests(&mut self, now: Instant) {
        while let Some((request, attempt)) = self.next_request() {
            self.make_request(now, request, attempt);
        }
    }

    /// Returns the next request, if one is due, and how often it was made in a row by now.
    fn next_request(&mut self) -> Option<(Request<IdRange>, u32)> {
        let Connection::Up(link) = &self.connection else { return None };
        match link.has_joined() {
            true => self.follower.poll_request(link.next_request()),
            false => {
                let attempt = link.handshake_attempt();
                self.handshake().map(|handshake| (Request::from(handshake), attempt))
            }
        }
    }

    fn make_request(&mut self, now: Instant, request: Request<IdRange>, attempt: u32) {
        let Connection::Up(link) = &mut self.connection else { return };
        let (end, kind) = (self.follower.durable_end(), request.kind());
        let id = link.make_request(now, kind);
        self.events.emit(Detail::Frames, || {
            let stage = FrameStage::Sent { from: Some(end), attempt };
            FrameEvent::new(None, id, (kind, None), stage)
        });
        if !self.delays_requests {
            link.note_sent(now);
        }
        let session = link.session();
        self.send(session, Frame::Request(id, request));
    }

    /// Gives up the requests that timed out, and makes those that are due.
    pub(super) fn expire_requests(&mut self, now: Instant) {
        let Connection::Up(link) = &mut self.connection else { return };
        while let Some((request, kind)) = link.expire(now) {
            let pause = link
                .on_timeout(now, &mut self.rng)
                .or_else(|| self.follower.on_timeout(now, kind, &mut self.rng));
            self.events.emit(Detail::Frames, || {
                let stage = FrameStage::TimedOut { pause: Some(pause.unwrap_or_default()) };
                FrameEvent::new(None, request, (kind, None), stage)
            });
        }
        self.make_requests(now);
    }

    /// Takes in a response. It counts whether its request is still in flight or not: what it says
    /// is true.
    pub(super) fn take_response(
        &mut self,
        now: Instant,
        id: RequestId,
        response: Response<Records>,
    ) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        let failed = matches!(response, Response::Failed { .. });
        let (kind, answered) = match link.complete(now, id) {
            Completed::InTime { what, took } => (what, Some((what, took))),
            Completed::Late { what } => (what.unwrap_or(response.kind()), None),
            Completed::Unknown => return Err(ProtocolError::UnexpectedResponse(id)),
        };
        self.events.emit(Detail::Frames, || {
            let stage = match answered {
                Some((_, took)) => FrameStage::Completed { took, failed },
                None => FrameStage::Late,
            };
            FrameEvent::new(None, id, (kind, ids_in(&response)), stage)
        });
        if !failed {
            self.follower.on_answer(answered);
        } else if let Some((kind, _)) = answered {
            link.on_error(now, &mut self.rng);
            self.follower.on_error(now, kind, &mut self.rng);
        }
        match response {
            Response::Welcome(welcome) if welcome.epoch != Epoch::FIRST => {
                self.cannot_follow(now, welcome.epoch);
                return Ok(());
            }
            Response::Welcome(welcome) => self.welcomed(*welcome)?,
            Response::Refused { code, detail } => {
                self.refused(now, code, &detail);
                return Ok(());
            }
            Response::Page { run, log_end, positions } => {
                let page = PageAnswer { request: id, is_late: answered.is_none(), run, log_end };
                let (rng, events) = (&mut self.rng, &mut self.events);
                let taken = self.follower.take_page(now, page, rng, events);
                self.carry_out();
                taken?;
                self.follower.note_positions(positions);
                self.dial_state.on_page();
            }
            Response::ReadyNoted => self.follower.note_ready(id, &mut self.events)?,
            Response::Failed { code, detail } => {
                self.events.emit(Detail::Changes, || {
                    let stage = FrameStage::Failed { code, detail: detail.clone() };
                    FrameEvent::new(None, id, (FrameKind::Failed, None), stage)
                });
                self.failed_at_master(now, &detail);
            }
            Response::Added { .. } | Response::Alive => {
                return Err(ProtocolError::UnexpectedResponse(id));
            }
        }
        self.make_requests(now);
        Ok(())
    }
}
