//! The bytes that were appended to a log and are not durable yet.

use std::collections::VecDeque;

use acklog_types::LogEnd;

/// Counts the bytes that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Unflushed {
    /// The end of each run or batch, and its size in bytes.
    runs: VecDeque<(LogEnd, usize)>,
    bytes: usize,
}

impl Unflushed {
    /// Notes a run that is on its way to the disk.
    pub(super) fn appended(&mut self, end: LogEnd, bytes: usize) {
        self.runs.push_back((end, bytes));
        self.bytes += bytes;
    }

    /// Notes that everything before `end` is durable.
    pub(super) fn durable(&mut self, end: LogEnd) {
        while let Some(&(run_end, bytes)) = self.runs.front()
            && run_end <= end
        {
            self.bytes -= bytes;
            self.runs.pop_front();
        }
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
