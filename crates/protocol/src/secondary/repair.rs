//! Damaged messages: this node's own are fetched from the master, and the master's are given to it.

use std::time::Instant;

use acklog_types::{Damage, DiskFault, IdRange, LogEnd, Records, RequestId, SessionId};
use acklog_types::{LogView, Unreadable};
use tracing::{debug, error, info, warn};

use super::catch_up::CatchUp;
use super::{Connection, Secondary};
use crate::frame::{ErrorCode, Frame, FrameKind, RUN_BYTES_MAX, Response};
use crate::machine::Effect;
use crate::repair::Repair;
use crate::{ProtocolError, ReadOrder};

impl<L: LogView> Secondary<L> {
    /// The log told what of it is damaged. The node goes on storing what comes, and asks its master for the rest.
    pub(super) fn damaged(&mut self, now: Instant, damage: Option<Damage>) {
        match (damage, &mut self.repair) {
            (Some(damage), Some(repair)) => repair.tell(now, damage, &mut self.rng),
            (Some(damage), None) => {
                let detail = &damage.detail;
                error!(detail, "a part of the log is damaged; the master is asked for it");
                self.repair = Some(Repair::new(damage));
            }
            (None, repair) => {
                if repair.take().is_some() {
                    info!("the log is whole again");
                }
            }
        }
        self.act_on_durable(now);
    }

    /// What `/health` tells of the disk.
    pub(super) fn fault_shown(&self) -> Option<DiskFault> {
        self.disk_fault.clone().or_else(|| self.repair.as_ref().map(Repair::fault))
    }

    /// A page came: what is damaged here is taken from it.
    pub(super) fn mend(&mut self, now: Instant, page: &Records) {
        let Some(peer) = self.master.clone().filter(|_| self.is_ready()) else { return };
        let Some(repair) = &mut self.repair else { return };
        match repair.take(page) {
            Some(run) => self.effects.push_back(Effect::Mend { peer, run }),
            None => repair.failed(now, &mut self.rng),
        }
    }

    /// The master asks for messages that are damaged there. While the last page is under way, that one is the answer.
    pub(super) fn give_page(
        &mut self,
        session: SessionId,
        request: RequestId,
        from: LogEnd,
    ) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        if !link.catch_up().is_some_and(CatchUp::may_be_ready) {
            return Err(ProtocolError::UnexpectedRequest(FrameKind::GetMessages));
        }
        if link.is_giving_page() {
            debug!(%request, %from, "asked again while a page is still under way");
            return Ok(());
        }
        let (until, max_bytes) = (self.contiguous_end, RUN_BYTES_MAX);
        if from >= until {
            let detail = format!("this node has {until} messages");
            self.cannot_give(session, request, detail);
            return Ok(());
        }
        link.start_read(request);
        let order = ReadOrder { from, until, max_bytes };
        self.effects.push_back(Effect::Read { session, order });
        Ok(())
    }

    /// What the master asked for was read, or could not be.
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
        let Some(request) = link.finish_read() else { return };
        match found {
            Ok((run, _)) => {
                link.note_sent(now);
                debug!(%request, id = %run, "the master asks for messages; sending a page");
                let page = Response::Page { run, log_end: self.contiguous_end };
                self.send(session, Frame::Response(request, page));
            }
            Err(Unreadable(detail)) => self.cannot_give(session, request, detail),
        }
    }

    fn cannot_give(&mut self, session: SessionId, request: RequestId, detail: String) {
        warn!(%request, detail, "the master asks for messages that this node cannot give");
        let code = ErrorCode::Internal;
        self.send(session, Frame::Response(request, Response::Failed { code, detail }));
    }
}
