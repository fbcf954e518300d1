//! What is found in a directory.

use acklog_types::{IdRange, LogEnd, LogId, NodeName};

use super::super::format::Role;
use super::OpenError;

/// What is in a directory, as far as it is whole.
#[derive(Debug)]
pub struct Findings {
    /// Whose directory it is.
    pub role: Role,
    /// The log's identity; none while a secondary has none.
    pub log: Option<LogId>,
    /// The secondaries that registered (a master's).
    pub members: Vec<NodeName>,
    /// Segment files that were read.
    pub segments: u64,
    /// Indexes of sealed segments that are missing, damaged, another file's, or without keys. A start makes those of
    /// whole segments again.
    pub bad_indexes: u64,
    /// The end of the messages: behind the last one that is whole.
    pub end: LogEnd,
    /// Whole messages in the segments that were read.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// How many of them have an idempotency key.
    pub keyed: u64,
    /// All below was synced.
    pub flushed_end: LogEnd,
    /// What a crash tore, and a start would cut off; of a node that runs, what it is writing.
    pub torn: Option<Torn>,
    /// The first damage of what was asked for.
    pub damage: Option<OpenError>,
    /// What a start says, where it refuses the directory. Otherwise a node starts with what is damaged, and does not
    /// serve that.
    pub refusal: Option<OpenError>,
    /// Every damaged place.
    pub places: Vec<DamageFinding>,
}

/// A damaged place, for people.
#[derive(Clone, Debug)]
pub struct DamageFinding {
    /// The first id of the segment.
    pub segment: LogEnd,
    /// The file.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The messages that cannot be read because of it. Empty where none is known of.
    pub ids: IdRange,
    /// What is wrong there.
    pub what: String,
}

/// The end of a log that is not whole, above all that was synced.
#[derive(Clone, Debug)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// Where what is kept ends.
    pub offset: u64,
    /// Bytes from there on.
    pub bytes: u64,
    /// The messages that it had, as far as that can be told.
    pub ids: IdRange,
    /// What is wrong there.
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
