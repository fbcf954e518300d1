//! A master that finds out that it was put back from an older copy of its log.
//!
//! A secondary with more messages of the very same log can only mean that this master lost what it
//! had. Going on, it would give the lost messages' ids to others. So it takes nothing until its
//! operator decides, also behind a restart: the end that was seen is persisted. In memory that
//! cannot be: a restart begins another log.

use acklog_types::{Checksum, LogEnd, LogView, Losses, NodeName};

use super::Leader;
use crate::events::{Detail, Events, NodeEvent};
use crate::frame::RefusalCode;
use crate::outcome::Refusal;
use crate::status::RefusedHealth;

/// The way to begin anew, for the operator of a secondary.
pub(super) const BEGIN_ANEW: &str = "restart it where its log is in memory, or stop it and run \
    `acklog log reset DIR` on its data directory";

/// The first advice where a secondary may have the better copy of this log.
pub(super) const KEEP_IT: &str = "Keep this node as it is: GET /messages shows what it has, and \
    `acklog log dump DIR` prints it from its data directory";

impl<L: LogView> Leader<L> {
    /// Returns how far other nodes have this log, where that is beyond its end here and no operator
    /// has decided yet.
    pub(in crate::master) fn missing_end(&self) -> Option<LogEnd> {
        self.losses.missing(self.own.log_end())
    }

    /// Returns the ends that other nodes were seen with, beyond this log's end.
    pub(in crate::master) fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Checks whether the log may grow.
    ///
    /// # Errors
    /// When other nodes have more of it.
    pub(super) fn check_losses(&self) -> Result<(), Refusal> {
        match self.missing_end() {
            Some(seen) => Err(Refusal::Behind { end: self.own.log_end(), seen }),
            None => Ok(()),
        }
    }

    /// Notes that a secondary of this log has more than this node. Returns whether that is to be
    /// persisted.
    #[must_use]
    pub(in crate::master) fn note_longer(
        &mut self,
        name: &NodeName,
        end: LogEnd,
        told: Option<Checksum>,
        events: &mut Events,
    ) -> bool {
        if !self.own.is_on_disk() || !self.losses.note(end, told) {
            return false;
        }
        self.emit_behind(Some(name), end, events);
        self.own.fault().is_none()
    }

    /// Emits that this node takes nothing since another one has its log up to `end`.
    pub(super) fn emit_behind(&self, name: Option<&NodeName>, end: LogEnd, events: &mut Events) {
        let log_end = self.own.log_end();
        let event = || NodeEvent::Behind { peer: name.cloned(), end, log_end };
        events.emit(Detail::Changes, event);
    }

    /// Returns what is reported to a secondary that has more of this log than this node.
    pub(super) fn longer_detail(&self, end: LogEnd, told: Option<Checksum>) -> String {
        let durable_end = self.own.durable_end();
        let has = format!("this node has {end} messages, and the master {durable_end}");
        if !self.own.is_on_disk() {
            return format!("{has}; to join this master it must begin anew: {BEGIN_ANEW}");
        }
        if self.losses.is_given_up(end, told) {
            return format!(
                "{has}: its operator has given up what only other nodes have. {KEEP_IT}. It joins \
                 again when it begins anew: {BEGIN_ANEW}"
            );
        }
        format!(
            "{has}: this master is behind; was it put back from an older copy? {KEEP_IT}. The \
             master takes no messages until its operator decides"
        )
    }

    /// Adds to the refused secondaries a row that reports that this node is behind, if none does.
    pub(in crate::master) fn add_missing_row(&self, rows: &mut Vec<RefusedHealth>) {
        if let Some(seen) = self.missing_end()
            && !rows.iter().any(|row| row.code == RefusalCode::LongerLog)
        {
            let (name, log_end, last_seen) = (None, Some(seen), None);
            rows.push(RefusedHealth { name, code: RefusalCode::LongerLog, log_end, last_seen });
        }
    }
}
