//! Reads of a node's log under a read concern.

use std::time::Duration;

use acklog_judge::{FollowedRow, ShownEnds};
use acklog_log::LogReader;
use acklog_types::{LogEnd, LogId, MessageId, NodeName, OpenBatch, WriteConcern};

use super::Cluster;
use crate::node::{MasterNode, SecondaryNode};

/// The place of a follower in a log, outside of all nodes.
#[derive(Debug)]
pub(crate) struct FollowerPlace {
    log: LogId,
    /// Its number for the judge.
    number: usize,
    /// The id with which its next page begins: behind the last resume point that it was given.
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
        let log = self.log_of(None);
        if log.is_some() && place.as_ref().map(|place| place.log) != log {
            *place = self.begin_following(None, LogEnd::ZERO);
        }
    }

    /// Returns a place in the log of a node (`None`: the master), which begins with the message
    /// `from`; none where the node is down or has no log.
    pub(crate) fn begin_following(
        &mut self,
        node: Option<&NodeName>,
        from: LogEnd,
    ) -> Option<FollowerPlace> {
        let log = self.log_of(node)?;
        let number = self.checker.add_follower(log, from)?;
        Some(FollowerPlace { log, number, resume: from })
    }

    /// Returns the log that a node (`None`: the master) has; none where it is down or has none.
    fn log_of(&self, node: Option<&NodeName>) -> Option<LogId> {
        match node {
            None => Some(self.master.as_ref()?.machine.get_ref().log_id()),
            Some(name) => self.secondaries.get(name)?.machine.get_ref().log_id(),
        }
    }

    /// Lets a follower receive a page of what a node (`None`: the master) shows under a read
    /// concern, which may end in the middle of a batch. Returns the number of messages; none where
    /// the node is down or hangs, has another log, or cannot read it.
    pub(crate) fn send_page(
        &mut self,
        place: &mut FollowerPlace,
        node: Option<&NodeName>,
        concern: WriteConcern,
        size: PageSize,
        mut on_row: impl FnMut(FollowedRow<'_>),
    ) -> Option<u64> {
        let name = node.unwrap_or(&self.master_name).clone();
        if self.log_of(node) != Some(place.log) || self.stalled(node)?.is_hung {
            return None;
        }
        // The end of what cannot be read for the moment has not been compared.
        let compared = self.checker.compared_end(&name, place.log);
        let until = self.shown_end(node, concern)?.min(compared);
        let records = self.log(node)?.read(place.resume, until, size.bytes).ok()?;
        let (mut batch, mut count) = (OpenBatch::default(), 0);
        let FollowerPlace { log, number, resume } = place;
        let rows = records.iter().take(size.rows).map(|record| {
            let first = batch.next(record.id, record.in_batch());
            let is_resume_point = batch.is_resume_point();
            if is_resume_point {
                *resume = LogEnd::new(record.id.get() + 1);
            }
            let (id, text, batch) = (record.id.get(), record.text, first.map(MessageId::get));
            let row = FollowedRow { id, text, batch, is_resume_point };
            on_row(row);
            count += 1;
            row
        });
        self.checker.followed(&name, (*log, *number), rows);
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
