//! The findings of an inspection of a directory.

use acklog_types::{IdRange, LogEnd, LogId, NodeName};

use super::super::format::Role;
use super::OpenError;

/// The contents of a directory, as far as it is whole.
#[derive(Debug)]
pub struct Findings {
    /// The role of the directory's node.
    pub role: Role,
    /// The log's identity; none while a secondary has none.
    pub log: Option<LogId>,
    /// The secondaries that registered (for a master's directory).
    pub members: Vec<NodeName>,
    /// Number of segment files that were read.
    pub segments: u64,
    /// Number of indexes of sealed segments that are missing, damaged, another file's, or without
    /// keys. A start writes those of whole segments again.
    pub bad_indexes: u64,
    /// The end of the last whole message.
    pub end: LogEnd,
    /// Number of whole messages in the segments that were read.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Number of those messages with an idempotency key.
    pub keyed: u64,
    /// Everything below was flushed.
    pub flushed_end: LogEnd,
    /// The part that a crash tore and a start would cut off or, on a running node, that is being
    /// written.
    pub torn: Option<Torn>,
    /// The first damage in the requested range.
    pub damage: Option<OpenError>,
    /// The error of a start that refuses the directory. Without one, a node starts and does not
    /// serve what is damaged.
    pub refusal: Option<OpenError>,
    /// All damaged places.
    pub places: Vec<DamageFinding>,
}

/// A damaged place, with its file's path.
#[derive(Clone, Debug)]
pub struct DamageFinding {
    /// The first id of the segment.
    pub segment: LogEnd,
    /// The file.
    pub file: String,
    /// The offset in the file, in bytes.
    pub offset: u64,
    /// The messages that cannot be read because of it. Empty if none is known.
    pub ids: IdRange,
    /// The fault that was found there.
    pub what: String,
}

/// The end of a log that is not whole, above the flushed end.
#[derive(Clone, Debug)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// The end of what is kept.
    pub offset: u64,
    /// Bytes from there on.
    pub bytes: u64,
    /// The messages in it, as far as they are known.
    pub ids: IdRange,
    /// The fault that was found there.
    pub what: String,
}

impl Findings {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            log: None,
            members: Vec::new(),
            segments: 0,
            bad_indexes: 0,
            end: LogEnd::ZERO,
            messages: 0,
            bytes: 0,
            keyed: 0,
            flushed_end: LogEnd::ZERO,
            torn: None,
            damage: None,
            refusal: None,
            places: Vec::new(),
        }
    }
}
