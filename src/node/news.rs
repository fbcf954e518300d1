//! What a node's log does by itself, as news for the node's machine.

use crate::log::LogReader;
use crate::types::{DiskFault, LogEnd};

/// What of its log a machine was told.
#[derive(Debug)]
pub(super) struct LogNews {
    reader: LogReader,
    end: LogEnd,
    /// The fault that was told last: a failure may follow damage.
    fault: Option<DiskFault>,
}

/// What it is to be told, in this order.
#[derive(Debug)]
pub(super) struct News {
    /// The log is durable up to here.
    pub(super) durable: Option<LogEnd>,
    /// The disk has this fault.
    pub(super) fault: Option<DiskFault>,
}

impl LogNews {
    /// News of a log of which the machine knows what was found in it.
    pub(super) fn new(reader: LogReader) -> Self {
        Self { end: reader.durable_end(), reader, fault: None }
    }

    /// Returns when there may be news. Cancel safe.
    pub(super) async fn come(&self) {
        self.reader.changed().await;
    }

    /// What is new since the last time.
    pub(super) fn take(&mut self) -> News {
        // The fault is looked at first: what became durable before it is told before it.
        let fault = self.reader.disk_fault().filter(|fault| self.fault.as_ref() != Some(fault));
        let end = self.reader.durable_end();
        let durable = (end > self.end).then_some(end);
        self.end = end;
        self.fault = fault.clone().or(self.fault.take());
        News { durable, fault }
    }

    /// The disk's fault, as far as it was told.
    pub(super) fn fault(&self) -> Option<&DiskFault> {
        self.fault.as_ref()
    }
}
