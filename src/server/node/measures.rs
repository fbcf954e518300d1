//! The facts that the core task knows and `/metrics` shows: those of `/health`, and some more.

use std::time::Duration;

use acklog_protocol::{MasterHealth, SecondaryHealth};
use acklog_types::Faults;

/// The facts of a master, all of one moment.
#[derive(Clone, Debug)]
pub struct MasterMeasures {
    /// The facts that `/health` shows.
    pub health: MasterHealth,
    /// The faults in force.
    pub faults: Faults,
    /// Time for which the client that has waited longest for secondaries has waited; zero if none
    /// waits.
    pub oldest_wait: Duration,
    /// For each secondary of `health`, in the same order, the bytes of the records that it has not
    /// acked; none where that is not known.
    pub lag_bytes: Vec<Option<u64>>,
}

/// The facts of a secondary, all of one moment.
#[derive(Clone, Debug)]
pub struct SecondaryMeasures {
    /// The facts that `/health` shows.
    pub health: SecondaryHealth,
    /// The faults in force.
    pub faults: Faults,
}
