//! The protocol (stub).
mod outcome;
mod status;
pub use outcome::{ForgetError, Outcome, Receipt, Refusal};
pub use status::{
    MasterHealth, MemberHealth, MemberPhase, SecondaryHealth, SecondaryPhase, Status,
};

use crate::types::{Checksum, IdRange, LogEnd};
/// What the deciding code may ask of the node's log: sizes and checksums, never bytes.
pub trait LogView {
    /// The longest run of records from `from` on that is durable, ends at `until` or before, and has at most
    /// `max_bytes` (or is a single record), and its size in bytes. Empty where nothing is there.
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> (IdRange, usize);

    /// The checksum of the last durable record before `end`; none at the log's beginning.
    fn checksum_before(&self, end: LogEnd) -> Option<Checksum>;
}
