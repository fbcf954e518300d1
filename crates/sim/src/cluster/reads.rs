//! Reads of a node's log under a read concern.

use std::time::Duration;

use acklog_judge::ShownEnds;
use acklog_log::LogReader;
use acklog_types::{LogEnd, LogId, NodeName, WriteConcern};

use super::Cluster;
use crate::node::{MasterNode, SecondaryNode};

/// The place of a follower in a log, outside of all nodes.
#[derive(Debug)]
pub(crate) struct FollowerPlace {
    log: LogId,
    /// Its number for the judge.
    number: usize,
    /// The id with which its next page begins: behind the last batch that it has as a whole.
    resume: LogEnd,
}

/// Size of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    /// Most bytes that are read for it.
    pub(crate) bytes: usize,
    /// Most messages of it that reach the follower.
    pub(crate) rows: usize,
}

impl Cluster {
    /// Returns the end of the messages that a node (`None`: the master) shows under a read concern;
    /// none where the node is down, or is a secondary that does not know what so many nodes hold.
    pub fn shown_end(&self, node: Option<&NodeName>, concern: WriteConcern) -> Option<LogEnd> {
        let end = match node {
            None => shown_by_master(self.master.as_ref()?, concern),
            Some(name) => shown_by_secondary(self.secondaries.get(name)?, concern)?,
        };
        Some(end)
    }

    /// Returns the interval at which the master sends heartbeats.
    pub(crate) fn heartbeat_interval(&self) -> Duration {
        self.options.heartbeat_interval
    }

    /// Begins a place at the start of the master's log, if it is of another one.
    pub(crate) fn find_log(&mut self, place: &mut Option<FollowerPlace>) {
        let Some(master) = &self.master else { return };
        let log = master.machine.get_ref().log_id();
        if place.as_ref().is_none_or(|place| place.log != log)
            && let Some((log, number)) = self.checker.add_follower()
        {
            *place = Some(FollowerPlace { log, number, resume: LogEnd::ZERO });
        }
    }

    /// Lets a follower receive a page of what a node (`None`: the master) shows under a read
    /// concern. Returns the number of messages; none where the node is down or hangs, has another
    /// log, or cannot read it.
    pub(crate) fn send_page(
        &mut self,
        place: &mut FollowerPlace,
        node: Option<&NodeName>,
        concern: WriteConcern,
        size: PageSize,
    ) -> Option<u64> {
        let name = node.unwrap_or(&self.master_name).clone();
        let log = match node {
            None => self.master.as_ref().map(|node| node.machine.get_ref().log_id()),
            Some(name) => self.secondaries.get(name)?.machine.get_ref().log_id(),
        };
        if log != Some(place.log) || self.stalled(node)?.is_hung {
            return None;
        }
        // The end of what cannot be read for the moment has not been compared.
        let compared = self.checker.compared_end(&name, place.log);
        let until = self.shown_end(node, concern)?.min(compared);
        let records = self.log(node)?.read(place.resume, until, size.bytes).ok()?;
        let count = records.iter().take(size.rows).count() as u64;
        let rows = records.iter().take(size.rows);
        let resume = self.checker.followed(&name, (place.log, place.number), rows);
        place.resume = resume.unwrap_or(place.resume);
        Some(count)
    }

    /// Judges that all followers received all of the master's log.
    pub(crate) fn finish_followers(&mut self) {
        self.checker.finish_followers();
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
        WriteConcern::Majority => machine.committed_end().unwrap_or_default(),
        WriteConcern::All => machine.all_end(),
    }
}

fn shown_by_secondary(node: &SecondaryNode, concern: WriteConcern) -> Option<LogEnd> {
    let machine = node.machine.get_ref();
    match concern {
        WriteConcern::Nodes(0 | 1) => Some(node.log.reader.durable_end()),
        WriteConcern::Nodes(nodes) => {
            WriteConcern::word_for(nodes, machine.cluster_size()?)?;
            Some(machine.held_end(nodes))
        }
        WriteConcern::Majority => Some(machine.committed_end().unwrap_or_default()),
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
