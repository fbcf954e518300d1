//! A log in memory for tests: it knows the checksums that a secondary needs.

use std::sync::{Arc, Mutex};

use acklog_types::{
    Checksum, IdRange, LogEnd, LogId, LogView, Records, RunningChecksum, Unreadable,
};

/// A log in memory. A clone is the same log.
#[derive(Clone, Debug, Default)]
pub(super) struct TestLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The running checksum at each appended position; that of the empty log is left out.
    running: Vec<RunningChecksum>,
    durable: u64,
}

impl State {
    /// Returns where the log ends.
    fn end(&self) -> u64 {
        self.running.len() as u64
    }

    /// Returns the checksum of all records below a position.
    fn below(&self, end: u64) -> RunningChecksum {
        let last = usize::try_from(end).unwrap().checked_sub(1);
        last.map_or(RunningChecksum::START, |last| self.running[last])
    }
}

impl TestLog {
    /// Appends a run, which must continue the log.
    pub(super) fn append_run(&self, _: LogId, run: &Records) {
        let mut state = self.0.lock().unwrap();
        assert_eq!(run.range().start().get(), state.end(), "a run must continue the log");
        for record in run.iter() {
            let next = state.below(state.end()).then(record.checksum.get());
            state.running.push(next);
        }
    }

    /// Makes all that was appended durable.
    pub(super) fn flush(&self) {
        let mut state = self.0.lock().unwrap();
        state.durable = state.end();
    }
}

impl LogView for TestLog {
    fn run_from(&self, _: LogEnd, _: LogEnd, _: usize) -> Option<(IdRange, usize)> {
        unreachable!("a secondary sends no runs")
    }

    fn checksum_below(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        let state = self.0.lock().unwrap();
        assert!(end.get() <= state.durable, "asks only of what is durable");
        Ok((end != LogEnd::ZERO).then(|| state.below(end.get()).short()))
    }

    fn is_same_below(&self, _: LogEnd, _: Checksum) -> Option<bool> {
        unreachable!("a secondary compares nothing")
    }
}
