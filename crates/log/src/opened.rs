//! A log that was opened, on disk or in memory.

use std::sync::Arc;

use acklog_types::{KeyHash, LogEnd, LogId, Losses, MessageId, NodeName, RunningChecksum};

use super::chunk::CHUNK_BYTES;
use super::disk::shared::{Before, SharedLog};
use super::{LogReader, LogWriter};

/// A log that was opened, and what was found in it.
#[derive(Debug)]
pub struct Opened {
    /// The writing end.
    pub writer: LogWriter,
    /// A reading end.
    pub reader: LogReader,
    /// The identity of the log; none while a secondary's log is empty.
    pub log: Option<LogId>,
    /// Whether the log existed before it was opened (for a master's log).
    pub is_old: bool,
    /// The secondaries that ever registered, in that order (for a master's log).
    pub members: Vec<NodeName>,
    /// Logs of other nodes that were seen to be longer than this one (for a master's log).
    pub losses: Losses,
    /// The last keyed messages, in id order, as many as were asked for (for a master's log).
    pub keys: Vec<(KeyHash, MessageId)>,
}

impl Opened {
    /// Returns a new, empty log in memory. Its master draws the identity.
    pub fn in_memory() -> Self {
        let (writer, reader) = in_memory();
        let (members, losses, keys) = (Vec::new(), Losses::default(), Vec::new());
        Self { writer, reader, log: None, is_old: false, members, losses, keys }
    }
}

/// Returns both ends of a new, empty log in memory.
pub fn in_memory() -> (LogWriter, LogReader) {
    let (end, running) = (LogEnd::ZERO, Some(RunningChecksum::START));
    let before = Before { end, running, last: None, accepted_ms: 0, cut_messages: 0 };
    let shared = Arc::new(SharedLog::new(before, CHUNK_BYTES, None));
    LogWriter::pair(shared, None)
}
