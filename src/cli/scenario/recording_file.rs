//! The file of a recording. It is complete up to the last line at any time, so that a run that is
//! killed leaves a recording.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use acklog_api::{RecordedItem, RecordingHead};
use acklog_types::escaped;
use anyhow::{Context, ensure};

/// A file that is written.
#[derive(Debug)]
pub(super) struct RecordingFile {
    shown: String,
    file: File,
    /// The reason why nothing more is written.
    failed: Option<io::Error>,
}

impl RecordingFile {
    /// Begins a recording.
    ///
    /// # Errors
    /// When the file cannot be written, or holds something already.
    pub(super) fn begin(path: &Path, head: &RecordingHead) -> anyhow::Result<Self> {
        let shown = escaped(&path.display().to_string()).into_owned();
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let mut file = opened.with_context(|| format!("cannot write {shown}"))?;
        let holds = file.metadata().with_context(|| format!("cannot look at {shown}"))?.len();
        ensure!(holds == 0, "{shown} exists; name another file for the recording, or remove it");
        let line = line(head)?;
        file.write_all(&line).with_context(|| format!("cannot write {shown}"))?;
        Ok(Self { shown, file, failed: None })
    }

    /// Adds items, unless an earlier one could not be written.
    pub(super) fn add<'a>(&mut self, items: impl IntoIterator<Item = &'a RecordedItem>) {
        if self.failed.is_some() {
            return;
        }
        let lines = items.into_iter().map(line).collect::<io::Result<Vec<_>>>();
        self.failed = lines.and_then(|lines| self.file.write_all(&lines.concat())).err();
    }

    /// Returns the reason why the recording is not complete; none where it is.
    pub(super) fn failure(&self) -> Option<String> {
        let Self { shown, failed, .. } = self;
        failed.as_ref().map(|error| format!("the recording ends early: {shown}: {error}"))
    }
}

fn line(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
