//! How a connection to the master begins: the handshake's answer, and the end of catching up.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{HEARTBEAT_INTERVAL_MAX, LogEnd, RequestId, SessionId};
use tracing::{info, warn};

use super::link::Link;
use super::{Connection, Secondary, SecondaryPhase};
use crate::frame::{RefusalCode, Welcome};
use crate::machine::Effect;
use crate::{CloseReason, ProtocolError};

impl<L: LogView> Secondary<L> {
    /// Returns how far the node is.
    pub fn phase(&self) -> SecondaryPhase {
        match self.link().and_then(Link::phase) {
            _ if self.has_failed() => SecondaryPhase::Failed,
            Some(phase) => phase,
            None => self.refusal.unwrap_or(SecondaryPhase::Connecting),
        }
    }

    pub(super) fn connected(&mut self, now: Instant, session: SessionId) {
        let faulty = self.disk_fault.is_some();
        if faulty || matches!(self.connection, Connection::Stopped) {
            let reason = if faulty { CloseReason::DiskFault } else { CloseReason::Stopping };
            self.effects.push_back(Effect::Close { session, reason });
            self.dial_later(now);
            return;
        }
        let link = Link::new(now, session, self.options.request_timeout);
        self.connection = Connection::Up(Box::new(link));
        info!(repeats = true, end = %self.contiguous_end, "connected; introducing this node");
    }

    pub(super) fn welcomed(&mut self, welcome: Welcome) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        if link.catch_up().is_some() {
            let same = self.log_id == Some(welcome.log);
            return if same { Ok(()) } else { Err(ProtocolError::ChangedIdentity) };
        }
        if self.contiguous_end != LogEnd::ZERO && self.log_id != Some(welcome.log) {
            return Err(ProtocolError::ChangedIdentity);
        }
        let interval = welcome.heartbeat_interval;
        if interval.is_zero() || interval > HEARTBEAT_INTERVAL_MAX {
            return Err(ProtocolError::BadInterval(interval));
        }
        info!(peer = %welcome.master, end = %self.contiguous_end, log_end = %welcome.log_end,
            "joined; catching up");
        link.join(interval, self.options.request_timeout);
        self.log_id = Some(welcome.log);
        self.master = Some(welcome.master);
        self.master_log_end = Some(welcome.log_end);
        self.refusal = None;
        self.last_error = None;
        self.dial_backoff.reset();
        Ok(())
    }

    pub(super) fn refused(&mut self, now: Instant, code: RefusalCode, detail: &str) {
        let diverged = code.is_divergence();
        let phase = if diverged { SecondaryPhase::Diverged } else { SecondaryPhase::Refused };
        self.refusal = Some(phase);
        self.last_error = Some(format!("the master refuses this node: {detail}"));
        warn!(
            repeats = true,
            code = code.as_str(),
            detail,
            phase = phase.as_str(),
            "the master refuses this node"
        );
        self.close(now, CloseReason::Refused);
    }

    /// A request failed at the master. Where this node is not let in yet, that is for a reason that
    /// lies in the master.
    pub(super) fn failed_at_master(&mut self, now: Instant, detail: &str) {
        if self.link().is_some_and(|link| link.catch_up().is_none()) {
            self.last_error = Some(format!("the master cannot let this node in: {detail}"));
            self.close(now, CloseReason::Refused);
        }
    }

    /// Runs may come from here on.
    pub(super) fn become_ready(&mut self, request: RequestId) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        let catch_up = link.catch_up_mut().filter(|catch_up| catch_up.may_be_ready());
        let Some(catch_up) = catch_up else {
            return Err(ProtocolError::UnexpectedResponse(request));
        };
        if catch_up.on_ready() {
            info!(end = %self.contiguous_end, "ready");
        }
        Ok(())
    }
}
