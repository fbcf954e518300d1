//! The stream of a run: what its nodes tell and the steps of its scenario, in the order in which
//! they come.

use std::sync::{Arc, Mutex};

use acklog_api::{RecordedItem, RecordingHead};
use acklog_threads::lock;

use super::page_feed::{Entered, PageFeed};
use super::recording_file::RecordingFile;

/// The stream of a run, and those who take it. Clones are the same stream.
#[derive(Clone, Debug)]
pub(super) struct RunStream(Arc<Mutex<Takers>>);

#[derive(Debug)]
struct Takers {
    file: Option<RecordingFile>,
    pages: Option<PageFeed>,
    /// The time of the last item.
    last: u64,
}

impl RunStream {
    /// Creates a stream that a file and pages take.
    pub(super) fn new(file: Option<RecordingFile>, pages: Option<PageFeed>) -> Self {
        Self(Arc::new(Mutex::new(Takers { file, pages, last: 0 })))
    }

    /// Begins the recording, before the first item.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub(super) fn begin(&self, head: &RecordingHead) -> anyhow::Result<()> {
        lock(&self.0).file.as_mut().map_or(Ok(()), |file| file.begin(head))
    }

    /// Takes away the file of a run that did not begin.
    pub(super) fn discard(&self) {
        lock(&self.0).file.iter().for_each(RecordingFile::discard);
    }

    /// Adds items. One that was made before another one that was added first takes its time, so
    /// that the stream is in the order of time.
    pub(super) fn add(&self, mut items: Vec<RecordedItem>) {
        let mut takers = lock(&self.0);
        for item in &mut items {
            item.at = item.at.max(takers.last);
            takers.last = item.at;
        }
        if let Some(file) = &mut takers.file {
            file.add(&items);
        }
        if let Some(pages) = &mut takers.pages {
            items.iter().for_each(|item| pages.add(item));
        }
    }

    /// Shows times to pages so much later than they are in the items, in microseconds.
    pub(super) fn shift(&self, by: u64) {
        lock(&self.0).pages.iter_mut().for_each(|pages| pages.shift(by));
    }

    /// Lets a page in that has heard everything up to a place; none where the stream has ended.
    pub(super) fn enter(&self, heard: Option<u64>) -> Option<Entered> {
        lock(&self.0).pages.as_mut().map(|pages| pages.enter(heard))
    }

    /// Ends the stream for pages.
    pub(super) fn end_pages(&self) {
        lock(&self.0).pages = None;
    }

    /// Returns the reason why the recording is not complete; none where it is.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.0).file.as_ref().and_then(RecordingFile::failure)
    }
}
