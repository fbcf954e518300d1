//! The file of a recording. It is complete up to the last line at any time, so that a run that is
//! killed leaves a recording. Until the run begins it is empty, so that one that never does keeps
//! no other one out.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use acklog_api::{RecordedItem, RecordingHead};
use acklog_types::escaped;
use anyhow::{Context, ensure};

/// A file that is written.
#[derive(Debug)]
pub(super) struct RecordingFile {
    path: PathBuf,
    shown: String,
    file: File,
    /// Whether it was not there before.
    is_new: bool,
    /// The reason why nothing more is written.
    failed: Option<io::Error>,
}

impl RecordingFile {
    /// Opens a file for a recording.
    ///
    /// # Errors
    /// When the file cannot be opened, or holds something already.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = escaped(&path.display().to_string()).into_owned();
        let created = OpenOptions::new().create_new(true).append(true).open(path);
        let is_new = created.is_ok();
        let opened = created.or_else(|_| OpenOptions::new().create(true).append(true).open(path));
        let file = opened.with_context(|| format!("cannot write {shown}"))?;
        let this = Self { path: path.to_owned(), shown, file, is_new, failed: None };
        this.check_empty()?;
        Ok(this)
    }

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() == 0)
    }

    fn check_empty(&self) -> anyhow::Result<()> {
        let shown = &self.shown;
        let is_empty = self.is_empty().with_context(|| format!("cannot look at {shown}"))?;
        ensure!(is_empty, "{shown} exists; name another file for the recording, or remove it");
        Ok(())
    }

    /// Begins the recording.
    ///
    /// # Errors
    /// When the file cannot be written, or another run has begun to.
    pub(super) fn begin(&mut self, head: &RecordingHead) -> anyhow::Result<()> {
        self.check_empty()?;
        let written = line(head).and_then(|line| self.file.write_all(&line));
        written.with_context(|| format!("cannot write {}", self.shown))
    }

    /// Takes away a file that was opened for a run that did not begin.
    pub(super) fn discard(&self) {
        if self.is_new && self.is_empty().is_ok_and(|is_empty| is_empty) {
            // One that stays is in nobody's way: it holds nothing.
            let _ = remove_file(&self.path);
        }
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
