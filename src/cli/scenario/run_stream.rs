//! The stream of a run: what its nodes tell and the steps of its scenario, in the order in which
//! they come.

use std::sync::{Arc, Mutex};

use acklog_api::RecordedItem;
use acklog_threads::lock;

use super::recording_file::RecordingFile;

/// The stream of a run, and those who take it. Clones are the same stream.
#[derive(Clone, Debug)]
pub(super) struct RunStream(Arc<Mutex<Takers>>);

#[derive(Debug)]
struct Takers {
    file: RecordingFile,
}

impl RunStream {
    /// Creates a stream that is recorded.
    pub(super) fn new(file: RecordingFile) -> Self {
        Self(Arc::new(Mutex::new(Takers { file })))
    }

    /// Adds items.
    pub(super) fn add(&self, items: &[RecordedItem]) {
        let mut takers = lock(&self.0);
        takers.file.add(items);
    }

    /// Returns the reason why the recording is not complete; none where it is.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.0).file.failure()
    }
}
