//! The numbers of a scrape, before they are text.

use acklog_log::LogMeasures;
use acklog_types::Faults;

use super::HttpNumbers;
use super::process::ProcessNumbers;
use crate::server::http::config::ServedNode;
use crate::server::node::{MasterMeasures, NodeStopped, SecondaryMeasures};

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
pub(super) enum NodeMeasures {
    Master(MasterMeasures),
    Secondary(SecondaryMeasures),
}

impl NodeMeasures {
    /// Asks the core task of a node. Cancel safe.
    ///
    /// # Errors
    /// When the node has stopped.
    pub(super) async fn of(node: &ServedNode) -> Result<Self, NodeStopped> {
        Ok(match node {
            ServedNode::Master(master) => Self::Master(master.measures().await?),
            ServedNode::Secondary(secondary) => Self::Secondary(secondary.measures().await?),
        })
    }

    /// Returns the faults in force.
    pub(super) fn faults(&self) -> &Faults {
        match self {
            Self::Master(master) => &master.faults,
            Self::Secondary(secondary) => &secondary.faults,
        }
    }
}
