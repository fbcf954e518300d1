//! The messages that simulated nodes show.

use acklog_log::LogReader;
use acklog_types::{LogEnd, NodeName, WriteConcern};

use super::Simulated;
use crate::scenario::backend::Shown;
use crate::scenario::is_master;

impl Simulated {
    /// Returns the log of a node that runs.
    pub(super) fn log(&self, node: &NodeName) -> Option<&LogReader> {
        self.cluster.log(secondary(node))
    }

    /// Returns a node's log, and the end of the messages that the node shows under a read concern.
    ///
    /// # Errors
    /// When the node is down, or does not know what so many nodes hold.
    pub(super) fn shown_log(
        &self,
        node: &NodeName,
        concern: WriteConcern,
    ) -> Result<(&LogReader, LogEnd), String> {
        let log = self.log(node).ok_or_else(|| format!("{node} is down"))?;
        let end = self.cluster.shown_end(secondary(node), concern);
        Ok((log, end.ok_or_else(|| format!("ask the master for what {concern} nodes hold"))?))
    }

    /// Returns the messages that a node shows under a read concern.
    pub(super) fn shown(&self, node: &NodeName, concern: WriteConcern) -> Result<Shown, String> {
        let (log, end) = self.shown_log(node, concern)?;
        let (mut shown, mut from) = (Shown::new(), LogEnd::ZERO);
        while from < end {
            let records = log.read(from, end, usize::MAX);
            let records = records.map_err(|error| format!("{node}: {error}"))?;
            for record in records.iter() {
                shown.push((shown.len() as u64, record.text.to_owned()));
            }
            from = LogEnd::new(shown.len() as u64);
        }
        Ok(shown)
    }
}

/// Returns a node as the cluster names it: `None` for the master.
pub(super) fn secondary(node: &NodeName) -> Option<&NodeName> {
    (!is_master(node)).then_some(node)
}
