//! The comparison of logs: a secondary joins only with a prefix of this one.

use acklog_types::{Checksum, LogEnd, LogView, Unreadable};

use super::Leader;
use super::losses::{BEGIN_ANEW, KEEP_IT};
use crate::frame::{Handshake, RefusalCode};
use crate::master::peers::{HandshakeRefusal, NameStatus, OfferedLog};

/// The reason why a handshake is not accepted.
#[derive(Debug)]
pub(in crate::master) enum Denied {
    /// For a reason that lies in the secondary: it is reported to it.
    Refused(HandshakeRefusal),
    /// For one that lies in this node's disk, in words: the secondary may try again.
    Disk(String),
    /// It depends on a file that has to be read first.
    Uncompared { end: LogEnd, told: Checksum },
}

impl From<HandshakeRefusal> for Denied {
    fn from(refused: HandshakeRefusal) -> Self {
        Self::Refused(refused)
    }
}

impl<L: LogView> Leader<L> {
    /// Checks whether the secondary has a prefix of this log. Never by ids alone: another log has
    /// the same ids. `is_same` is the result of a comparison that was requested.
    ///
    /// # Errors
    /// When it has not, or that is not known.
    pub(in crate::master) fn check_prefix(
        &self,
        handshake: &Handshake,
        is_same: Option<Result<bool, Unreadable>>,
    ) -> Result<(), Denied> {
        let &Handshake { end, log, checksum, .. } = handshake;
        let refuse = |code, detail| Err(HandshakeRefusal::new(code, detail).into());
        if end.get() == 0 {
            return Ok(());
        }
        if log != Some(self.options.log) {
            let detail = format!(
                "this node has {end} messages of another log, and keeps them. Where they are of \
                 worth, let the master have its own log back: GET /messages shows what this node has. \
                 To join this master as it is, it must begin anew, which gives them up: {BEGIN_ANEW}"
            );
            return refuse(RefusalCode::OtherLog, detail);
        }
        if end > self.own.durable_end() {
            return refuse(RefusalCode::LongerLog, self.longer_detail(end, checksum));
        }
        let found = |told| match is_same {
            Some(found) => found.map_err(|Unreadable(detail)| {
                let what =
                    "the master cannot read what is to be compared with this node's messages";
                Denied::Disk(format!("{what}: {detail}"))
            }),
            None => self.view.is_same_below(end, told).ok_or(Denied::Uncompared { end, told }),
        };
        if !checksum.map_or(Ok(false), found)? {
            let detail = format!(
                "this node and the master have different messages below {end} of one log: one of the \
                 two was put back from an older copy, or lost its end. {KEEP_IT}. Once it is \
                 known that the master is right, let it begin anew: {BEGIN_ANEW}"
            );
            return refuse(RefusalCode::OtherRecord, detail);
        }
        Ok(())
    }

    /// Checks whether a name can be persisted, if it is a new one.
    ///
    /// # Errors
    /// When the disk takes nothing.
    pub(in crate::master) fn check_disk_for(&self, name: NameStatus) -> Result<(), Denied> {
        match self.own.fault().filter(|_| name == NameStatus::New) {
            Some(fault) => Err(Denied::Disk(format!(
                "the master's disk takes no new name at the moment: {fault}"
            ))),
            None => Ok(()),
        }
    }

    /// Returns whose messages a secondary has whose handshake is refused with this code.
    pub(in crate::master) fn offered_log(
        &self,
        handshake: &Handshake,
        code: RefusalCode,
    ) -> OfferedLog {
        let is_other = handshake.log != Some(self.options.log) || code.is_divergence();
        if handshake.end > LogEnd::ZERO && is_other {
            OfferedLog::Other
        } else {
            OfferedLog::OfMaster
        }
    }
}
