//! The numbers of a scrape, before they are text.

use acklog_log::LogMeasures;
use acklog_types::Faults;

use super::HttpNumbers;
use super::process::ProcessNumbers;
use crate::server::node::{MasterMeasures, SecondaryMeasures};

/// All numbers of a node, about of one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) node: NodeMeasures,
    pub(super) log: LogMeasures,
    /// Bytes that the file system of the log has left, where it tells.
    pub(super) free_bytes: Option<u64>,
    pub(super) http: HttpNumbers,
    pub(super) process: ProcessNumbers,
}

/// The facts that a core task knows.
#[derive(Clone, Debug)]
pub(in crate::server::http) enum NodeMeasures {
    Master(MasterMeasures),
    Secondary(SecondaryMeasures),
}

impl NodeMeasures {
    /// Returns the faults in force.
    pub(super) fn faults(&self) -> &Faults {
        match self {
            Self::Master(master) => &master.faults,
            Self::Secondary(secondary) => &secondary.faults,
        }
    }
}
