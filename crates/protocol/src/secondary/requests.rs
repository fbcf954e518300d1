//! Requests to the master, and what becomes of them.

use std::time::Instant;

use acklog_types::{IdRange, LogView, Records, RequestId};
use tracing::{debug, warn};

use super::targets::LINK;
use super::{Connection, Secondary};
use crate::ProtocolError;
use crate::frame::{Frame, Request, Response};

impl<L: LogView> Secondary<L> {
    /// Makes the requests that are due.
    pub(super) fn make_requests(&mut self, now: Instant) {
        while let Some(request) = self.next_request() {
            self.make_request(now, request);
        }
    }

    fn next_request(&mut self) -> Option<Request<IdRange>> {
        let Connection::Up(link) = &self.connection else { return None };
        match link.has_joined() {
            true => self.follower.poll_request(link.next_request()),
            false => self.handshake().map(Request::Handshake),
        }
    }

    fn make_request(&mut self, now: Instant, request: Request<IdRange>) {
        let Connection::Up(link) = &mut self.connection else { return };
        let (end, kind) = (self.follower.durable_end(), request.kind());
        let id = link.make_request(now, kind);
        debug!(target: LINK, request = %id, %end, "sending {kind:?}");
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
            let pause = pause.unwrap_or_default();
            debug!(target: LINK, %request, ?kind, ?pause,
                "request to the master timed out; making it again");
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
        let answered = link.complete(now, id)?;
        if !matches!(response, Response::Failed { .. }) {
            self.follower.on_answer(answered);
        } else if let Some((kind, _)) = answered {
            link.on_error(now, &mut self.rng);
            self.follower.on_error(now, kind, &mut self.rng);
        }
        match response {
            Response::Welcome(welcome) => self.welcomed(welcome)?,
            Response::Refused { code, detail } => {
                self.refused(now, code, &detail);
                return Ok(());
            }
            Response::Page { run, log_end } => {
                let late = answered.is_none().then_some(id);
                let taken = self.follower.take_page(now, late, run, log_end, &mut self.rng);
                self.carry_out();
                taken?;
                self.dial_state.on_page();
            }
            Response::ReadyNoted => self.follower.note_ready(id)?,
            Response::Failed { code, detail } => {
                warn!(target: LINK, repeats = true, request = %id, ?code, detail,
                    "the request failed at the master");
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
