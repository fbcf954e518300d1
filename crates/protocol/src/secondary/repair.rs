//! Pages that this node gives to its master, for messages that are damaged there.

use std::time::Instant;

use acklog_types::{IdRange, LogEnd, LogView, RequestId, SessionId, Unreadable};

use super::{Connection, Secondary};
use crate::events::{Detail, FrameEvent, FrameStage, NodeEvent};
use crate::frame::{ErrorCode, Frame, FrameKind, Positions, RUN_BYTES_MAX, Response};
use crate::machine::Effect;
use crate::{ProtocolError, ReadOrder};

impl<L: LogView> Secondary<L> {
    /// Begins to read a page for the master. While one is under way it is the answer, and a further
    /// request is ignored.
    pub(super) fn give_page(
        &mut self,
        session: SessionId,
        request: RequestId,
        from: LogEnd,
    ) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        if !self.follower.may_be_ready() {
            return Err(ProtocolError::UnexpectedRequest(FrameKind::GetMessages));
        }
        if link.is_giving_page() {
            self.events.emit(Detail::Frames, || {
                let (frame, stage) = (FrameKind::GetMessages, FrameStage::StillUnderWay { from });
                FrameEvent::new(None, request, (frame, None), stage)
            });
            return Ok(());
        }
        let (until, max_bytes) = (self.follower.durable_end(), RUN_BYTES_MAX);
        if from >= until {
            let detail = format!("this node has {until} messages");
            self.cannot_give(session, request, detail);
            return Ok(());
        }
        link.start_read(request, from);
        let order = ReadOrder { from, until, max_bytes };
        self.effects.push_back(Effect::Read { session, order });
        Ok(())
    }

    /// Sends the page that was read for the master, or an error.
    pub(super) fn take_read(
        &mut self,
        now: Instant,
        session: SessionId,
        found: Result<(IdRange, usize), Unreadable>,
    ) {
        let Connection::Up(link) = &mut self.connection else { return };
        if link.session() != session {
            return;
        }
        let Some((request, from)) = link.finish_read() else { return };
        match found {
            Ok((run, _)) => {
                link.note_sent(now);
                let attempt = link.count_given(from);
                self.events.emit(Detail::Frames, || {
                    let stage = FrameStage::Sent { from: Some(from), attempt };
                    FrameEvent::new(None, request, (FrameKind::Page, Some(run)), stage)
                });
                let (log_end, positions) = (self.follower.durable_end(), Positions::default());
                let page = Response::Page { run, log_end, positions };
                self.send(session, Frame::Response(request, page));
            }
            Err(Unreadable(detail)) => self.cannot_give(session, request, detail),
        }
    }

    fn cannot_give(&mut self, session: SessionId, request: RequestId, detail: String) {
        self.events.emit(Detail::Changes, || NodeEvent::CannotGive {
            peer: None,
            request: Some(request),
            from: None,
            again: None,
            detail: detail.clone(),
        });
        let code = ErrorCode::Internal;
        self.send(session, Frame::Response(request, Response::Failed { code, detail }));
    }
}
