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
    /// The time of the last item.
    last: u64,
}

impl RunStream {
    /// Creates a stream that is recorded.
    pub(super) fn new(file: RecordingFile) -> Self {
        Self(Arc::new(Mutex::new(Takers { file, last: 0 })))
    }

    /// Adds items. One that was made before another one that was added first takes its time, so
    /// that the stream is in the order of time.
    pub(super) fn add(&self, mut items: Vec<RecordedItem>) {
        let mut takers = lock(&self.0);
        for item in &mut items {
            item.at = item.at.max(takers.last);
            takers.last = item.at;
        }
        takers.file.add(&items);
    }

    /// Returns the reason why the recording is not complete; none where it is.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.0).file.failure()
    }
}
