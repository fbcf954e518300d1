//! Opens a log in a directory and starts its background threads.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::Opened;
use super::disk::directory::{DirectoryLock, lock_directory, open_directory};
use super::disk::shared::SharedLog;
use super::disk::{DiskOptions, OpenError, Recovered, is_of_log, recover};
use super::storage::Storage;
use super::watched::Watched;

/// The background threads of a log on disk, and the lock of its directory. Empty for a log in
/// memory.
#[derive(Debug, Default)]
pub struct Background(Option<BackgroundThreads>);

#[derive(Debug)]
struct BackgroundThreads {
    shared: Arc<SharedLog>,
    committer: JoinHandle<()>,
    scrubber: JoinHandle<()>,
    /// Completed when the log is flushed for good, or never will be.
    written: oneshot::Receiver<()>,
    _lock: Option<DirectoryLock>,
}

impl Background {
    /// Flushes all that was appended, and ends cleanly. Returns when that is done. Blocks: call it
    /// after the last append, where blocking is allowed.
    pub fn close(self) {
        let Some(running) = self.0 else { return };
        running.stop();
        for thread in [running.committer, running.scrubber] {
            // A panic in the thread would have ended the process.
            let _ = thread.join();
        }
    }

    /// Flushes all that was appended. Returns when that is done, without waiting for what else the
    /// threads do: the process ends before them. A half-written index is made again by the next
    /// start, and the lock goes with the process.
    pub async fn end(self) {
        let Some(running) = self.0 else { return };
        running.stop();
        // An error means that it is done, too: the thread has ended.
        let _ = running.written.await;
    }
}

impl BackgroundThreads {
    fn stop(&self) {
        self.shared.disk.as_ref().expect("a log on disk").close();
    }
}

/// Opens the log in a directory, which is created if it is missing, and starts the background
/// threads. What a crash left unfinished at the log's end is cut off.
///
/// # Errors
/// When the directory cannot be used, or its log is damaged. No message was changed then.
pub fn open(path: &Path, options: DiskOptions) -> Result<(Opened, Background), OpenError> {
    if !options.require_log {
        make_directory(path)?;
    }
    let directory = open_directory(path)?;
    let names = directory.list().map_err(|error| OpenError::unusable(path, "list", &error))?;
    if options.require_log && !names.iter().any(|name| is_of_log(name)) {
        return Err(OpenError::NoLog { path: path.display().to_string() });
    }
    let lock = lock_directory(&directory, path)?;
    directory.reserve_descriptors();
    start(recover(Arc::new(Watched::new(directory)), options)?, Some(lock))
        .map_err(|error| OpenError::unusable(path, "start a thread for", &error))
}

/// Opens the log of any storage, as [`open`] does.
///
/// # Errors
/// As [`open`], except for the lock.
#[cfg(any(test, feature = "sim-disk"))]
pub fn open_on(
    storage: impl Storage + 'static,
    options: DiskOptions,
) -> Result<(Opened, Background), OpenError> {
    start(recover(Arc::new(Watched::new(storage)), options)?, None).map_err(|error| {
        OpenError::unusable(Path::new("simulated disk"), "start a thread for", &error)
    })
}

/// Starts the background threads of a log.
fn start(recovered: Recovered, lock: Option<DirectoryLock>) -> io::Result<(Opened, Background)> {
    let Recovered { shared, mut committer, mut scrubber, opened } = recovered;
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    shared.disk.as_ref().expect("a log on disk").readers.make_first();
    let (done, written) = oneshot::channel();
    let committer = named("log-writer").spawn(move || {
        committer.run();
        let _ = done.send(());
    })?;
    let scrubber = named("log-scrubber").spawn(move || scrubber.run())?;
    let background =
        Background(Some(BackgroundThreads { shared, committer, scrubber, written, _lock: lock }));
    Ok((opened, background))
}

/// Creates a directory if it is missing, so that it survives a crash.
///
/// # Errors
/// When the system refuses.
fn make_directory(path: &Path) -> Result<(), OpenError> {
    let is_new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let made: Vec<&Path> = path.ancestors().take_while(is_new).collect();
    fs::create_dir_all(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if !path.exists() => OpenError::Unusable {
            detail: format!(
                "the data directory {} is a link to {}, which is not there",
                path.display(),
                target.display()
            ),
        },
        _ => OpenError::unusable(path, "make", &error),
    })?;
    // The names of the new directories must survive a crash, too.
    for parent in made.iter().filter_map(|made| made.parent()) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(|error| OpenError::unusable(parent, "sync", &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_types::LogEnd;

    use super::*;
    use crate::FreezingDisk;
    use crate::disk::Sizes;
    use crate::disk::directory::LOCK;

    #[tokio::test]
    async fn an_end_waits_for_what_is_written_and_for_no_read_of_an_old_segment() {
        let disk = FreezingDisk::default();
        let sizes = Sizes::of_segments(500);
        let options = DiskOptions { sizes, ..DiskOptions::OF_TESTS };
        let (mut opened, background) = open_on(disk.clone(), options).unwrap();
        disk.freeze_reads(true);
        // A segment is sealed, and read for its index.
        for n in 0..5 {
            opened.writer.append(1, None, &"x".repeat(200).as_str().into());
            opened.writer.flush();
            while opened.reader.durable_end() == LogEnd::new(n) {
                opened.reader.changed().await;
            }
        }
        while opened.reader.oldest_disk_call().is_none() {
            thread::yield_now();
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), background.end()).await;
        disk.freeze_reads(false);
        ended.expect("the end waits for a read");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("gone", &link).unwrap();
        let refused = open(&link, DiskOptions::OF_TESTS).unwrap_err().to_string();
        assert!(refused.contains("is a link to gone, which is not there"), "{refused}");
    }

    #[test]
    fn a_directory_in_use_is_refused_also_without_its_lock_file() {
        let directory = tempfile::tempdir().unwrap();
        let open = || open(directory.path(), DiskOptions::OF_TESTS);
        let (opened, background) = open().unwrap();
        assert!(matches!(open().unwrap_err(), OpenError::InUse { .. }));
        fs::remove_file(directory.path().join(LOCK)).unwrap();
        assert!(matches!(open().unwrap_err(), OpenError::InUse { .. }));
        drop(opened);
        background.close();
        open().unwrap().1.close();
    }
}
