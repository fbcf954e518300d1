//! Reads of a node's log under a read concern.

use acklog_judge::ShownEnds;
use acklog_log::LogReader;
use acklog_types::{LogEnd, NodeName, WriteConcern};

use super::Cluster;
use crate::node::{MasterNode, SecondaryNode};

impl Cluster {
    /// Returns the end of the messages that a node (`None`: the master) shows under a read concern;
    /// none where the node is down, or is a secondary that is asked for a number of nodes above 1.
    pub fn shown_end(&self, node: Option<&NodeName>, concern: WriteConcern) -> Option<LogEnd> {
        let end = match node {
            None => shown_by_master(self.master.as_ref()?, concern),
            Some(name) => shown_by_secondary(self.secondaries.get(name)?, concern)?,
        };
        Some(end)
    }

    /// Returns the log of a node that runs (`None`: the master).
    pub fn log(&self, node: Option<&NodeName>) -> Option<&LogReader> {
        Some(&self.node(node)?.log().reader)
    }
}

fn shown_by_master(node: &MasterNode, concern: WriteConcern) -> LogEnd {
    let machine = node.machine.get_ref();
    match concern {
        WriteConcern::Nodes(0 | 1) => node.log.reader.durable_end(),
        WriteConcern::Nodes(nodes) => machine.held_end(nodes),
        WriteConcern::Majority => machine.committed_end(),
        WriteConcern::All => machine.all_end(),
    }
}

fn shown_by_secondary(node: &SecondaryNode, concern: WriteConcern) -> Option<LogEnd> {
    let machine = node.machine.get_ref();
    match concern {
        WriteConcern::Nodes(0 | 1) => Some(node.log.reader.durable_end()),
        WriteConcern::Nodes(_) => None,
        WriteConcern::Majority => Some(machine.committed_end()),
        WriteConcern::All => Some(machine.all_end()),
    }
}

/// Returns the ends that the master shows.
pub(super) fn master_ends(node: &MasterNode) -> ShownEnds {
    let end = |concern| shown_by_master(node, concern).get();
    ShownEnds { majority: end(WriteConcern::Majority), all: end(WriteConcern::All) }
}

/// Returns the ends that a secondary shows.
pub(super) fn secondary_ends(node: &SecondaryNode) -> ShownEnds {
    let end = |concern| shown_by_secondary(node, concern).map_or(0, LogEnd::get);
    ShownEnds { majority: end(WriteConcern::Majority), all: end(WriteConcern::All) }
}
