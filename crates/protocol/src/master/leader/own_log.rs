//! The master's own log as the leader counts it: which ids are given, what is durable, and whether
//! the disk takes more.

use std::time::Instant;

use acklog_types::{DiskFault, LogEnd, MessageId};

use super::end_times::EndTimes;
use crate::outcome::AppendOrigin;
use crate::unflushed::Unflushed;

/// Most bytes of messages that wait for the disk. Less would refuse bursts that a disk takes within
/// a second; more would hold memory, and clients in doubt, for a disk that hangs.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The same for lines of append streams. Less: a disk that writes in large pieces has nothing to do
/// at times. More: single appends are refused while a stream is faster than the disk.
const LINES_BACKLOG_BYTES_MAX: usize = BACKLOG_BYTES_MAX / 2;

/// The ends of the master's own log, and the state of its disk.
///
/// Invariant: `durable_end <= log_end`.
#[derive(Debug)]
pub(super) struct OwnLog {
    /// The end with which the node started.
    start_end: LogEnd,
    log_end: LogEnd,
    durable_end: LogEnd,
    /// The log is on a disk, and not in memory.
    on_disk: bool,
    unflushed: Unflushed,
    accepted: EndTimes,
    durable: EndTimes,
    /// The reason why the disk takes nothing.
    fault: Option<DiskFault>,
}

impl OwnLog {
    /// Creates a log that ends at `end`, all of it durable.
    pub(super) fn new(end: LogEnd, on_disk: bool) -> Self {
        Self {
            start_end: end,
            log_end: end,
            durable_end: end,
            on_disk,
            unflushed: Unflushed::default(),
            accepted: EndTimes::new(end),
            durable: EndTimes::new(end),
            fault: None,
        }
    }

    /// Returns the end with which the node started: what lies above was accepted since.
    pub(super) fn start_end(&self) -> LogEnd {
        self.start_end
    }

    /// Returns the end of the ids given so far.
    pub(super) fn log_end(&self) -> LogEnd {
        self.log_end
    }

    /// Returns the end of what is durable: what is replicated and shown.
    pub(super) fn durable_end(&self) -> LogEnd {
        self.durable_end
    }

    /// Returns whether the log is on a disk, and not in memory.
    pub(super) fn is_on_disk(&self) -> bool {
        self.on_disk
    }

    /// Gives ids to messages that are appended now. Returns the first one.
    pub(super) fn append(&mut self, now: Instant, messages: u64, bytes: usize) -> MessageId {
        let id = self.log_end.next_id();
        self.log_end = self.log_end.plus(messages);
        self.accepted.grew(self.log_end, now);
        if self.on_disk {
            self.unflushed.appended(self.log_end, bytes);
        }
        id
    }

    /// Takes in that the log is durable up to `end`.
    ///
    /// # Panics
    /// When that is less than before, or more than was appended.
    pub(super) fn durable(&mut self, now: Instant, end: LogEnd) {
        assert!(self.durable_end <= end && end <= self.log_end, "durable up to {end}");
        self.durable_end = end;
        self.durable.grew(end, now);
        self.unflushed.durable(end);
    }

    /// Returns when the message before `end` was accepted; none where that is older than what is
    /// remembered.
    pub(super) fn accepted_at(&self, end: LogEnd) -> Option<Instant> {
        self.accepted.reached(end)
    }

    /// Returns when the message before `end` was durable; none where it is not, or where that is
    /// older than what is remembered.
    pub(super) fn durable_at(&self, end: LogEnd) -> Option<Instant> {
        self.durable.reached(end)
    }

    /// Returns how many bytes wait for the disk, if they are too many to take more of this origin.
    pub(super) fn backlog(&self, origin: AppendOrigin) -> Option<usize> {
        let max = match origin {
            AppendOrigin::Single => BACKLOG_BYTES_MAX,
            AppendOrigin::Stream => LINES_BACKLOG_BYTES_MAX,
        };
        Some(self.unflushed.bytes()).filter(|&bytes| bytes > max)
    }

    /// Returns why the disk takes nothing.
    pub(super) fn fault(&self) -> Option<&DiskFault> {
        self.fault.as_ref()
    }

    /// Takes in that the disk takes nothing.
    pub(super) fn set_fault(&mut self, fault: DiskFault) {
        self.fault = Some(fault);
    }

    /// Takes in that the disk can be used again. Returns whether it had a fault that passes.
    pub(super) fn end_passing_fault(&mut self) -> bool {
        self.fault.take_if(|fault| fault.is_passing()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_each_other_and_the_disk_takes_no_more_while_too_much_waits() {
        let (mut log, now) = (OwnLog::new(LogEnd::new(5), true), Instant::now());
        let (single, line) = (AppendOrigin::Single, AppendOrigin::Stream);
        assert_eq!(log.append(now, 2, BACKLOG_BYTES_MAX), MessageId::new(5));
        assert_eq!((log.log_end(), log.durable_end()), (LogEnd::new(7), LogEnd::new(5)));
        assert_eq!((log.backlog(single), log.backlog(line)), (None, Some(BACKLOG_BYTES_MAX)));
        assert_eq!(log.append(now, 1, 1), MessageId::new(7));
        assert_eq!(log.backlog(single), Some(BACKLOG_BYTES_MAX + 1));
        log.durable(now, LogEnd::new(7));
        assert_eq!((log.durable_end(), log.backlog(line)), (LogEnd::new(7), None));
        log.append(now, 1, LINES_BACKLOG_BYTES_MAX - 1);
        assert_eq!(log.backlog(line), None);
        let mut in_memory = OwnLog::new(LogEnd::ZERO, false);
        in_memory.append(now, 1, 2 * BACKLOG_BYTES_MAX);
        assert_eq!(in_memory.backlog(line), None, "nothing waits for a disk");
    }

    #[test]
    fn a_fault_that_passes_ends_and_another_one_stays() {
        let mut log = OwnLog::new(LogEnd::ZERO, true);
        assert!(!log.end_passing_fault());
        log.set_fault(DiskFault::Full { detail: String::new() });
        assert!(log.end_passing_fault() && log.fault().is_none());
        log.set_fault(DiskFault::Failed { detail: String::new() });
        assert!(!log.end_passing_fault() && log.fault().is_some());
    }
}
