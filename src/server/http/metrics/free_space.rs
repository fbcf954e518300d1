//! The free space of the log's file system, which is asked for on a thread of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acklog_log::LogReader;
use acklog_threads::{ThreadPool, WorkHandle, lock};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Time for the file system to tell its free space. Shorter: a busy one does not answer in time.
/// Longer: a scrape of a node whose disk hangs takes that long, which is when it is needed.
const FREE_SPACE_TIME: Duration = Duration::from_millis(100);

/// Asks the file system of a log for its free space. A clone asks with the same thread.
///
/// There is one question at a time, which all scrapes share that come while it is open. So a file
/// system that hangs costs one thread and one wait; nothing queues up behind it.
#[derive(Clone, Debug)]
pub(in crate::server::http) struct FreeSpace {
    log: LogReader,
    /// One thread, created for the first question. The log's own may all be reading.
    thread: ThreadPool,
    last: Arc<Mutex<Option<Question>>>,
}

/// The question that was asked last.
#[derive(Debug)]
struct Question {
    /// The answer. Its sender is dropped with it, or without one if there is no thread.
    answer: watch::Receiver<Option<u64>>,
    /// When scrapes stop waiting for it.
    deadline: Instant,
    /// Keeps the question on its way, also when no scrape waits for it any more.
    _work: WorkHandle<()>,
}

impl FreeSpace {
    /// Creates what asks for the free space of a log. Asks nothing, and creates no thread.
    pub(in crate::server::http) fn new(log: LogReader) -> Self {
        Self { log, thread: ThreadPool::new("free-space", 1), last: Arc::default() }
    }

    /// Returns the bytes that the file system has left for this process; none where it does not
    /// tell in time, and for a log in memory. Cancel safe.
    pub(super) async fn bytes(&self) -> Option<u64> {
        if !self.log.is_on_disk() {
            return None;
        }
        let (mut answer, deadline) = self.ask();
        timeout_at(deadline, answer.changed()).await.ok()?.ok()?;
        *answer.borrow()
    }

    /// Asks, unless a question is open. Returns where the answer comes, and until when to wait.
    fn ask(&self) -> (watch::Receiver<Option<u64>>, Instant) {
        let mut last = lock(&self.last);
        let question = match last.take() {
            // Neither answered nor dropped.
            Some(open) if matches!(open.answer.has_changed(), Ok(false)) => open,
            _ => self.new_question(),
        };
        let question = last.insert(question);
        (question.answer.clone(), question.deadline)
    }

    fn new_question(&self) -> Question {
        let (tell, answer) = watch::channel(None);
        let (log, deadline) = (self.log.clone(), Instant::now() + FREE_SPACE_TIME);
        let work = self.thread.run(move || {
            tell.send_replace(log.free_bytes());
        });
        Question { answer, deadline, _work: work }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::yield_now;

    use acklog_log::disk::DiskOptions;
    use acklog_log::{Background, FreezingDisk, Opened, in_memory, open_on};
    use tokio::time::timeout;

    use super::*;

    /// More than a log has threads that read it.
    const READS: usize = 64;

    fn log() -> (FreezingDisk, Opened, Background) {
        let disk = FreezingDisk::default();
        let (opened, background) = open_on(disk.clone(), DiskOptions::OF_TESTS).unwrap();
        (disk, opened, background)
    }

    /// Waits for the answer to a question, however long it takes.
    async fn answered(space: &FreeSpace) -> Option<u64> {
        let mut answer = space.ask().0;
        answer.changed().await.unwrap();
        *answer.borrow()
    }

    #[tokio::test]
    async fn the_free_space_is_told_while_all_threads_of_the_log_are_reading() {
        let (_disk, opened, background) = log();
        let (go_on, waits): (Vec<_>, Vec<_>) = (0..READS).map(|_| mpsc::channel::<()>()).unzip();
        let reads = waits.into_iter().map(|waits| opened.reader.aside(move |_| waits.recv()));
        let reads: Vec<_> = reads.collect();
        let space = FreeSpace::new(opened.reader.clone());
        let told = timeout(Duration::from_secs(60), answered(&space)).await;
        assert_eq!(told, Ok(Some(FreezingDisk::FREE_BYTES)));
        drop((go_on, reads));
        background.close();
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_system_that_hangs_costs_one_wait_and_is_asked_once() {
        let (disk, opened, background) = log();
        let space = FreeSpace::new(opened.reader.clone());
        let other = space.clone();
        disk.freeze_space(true);
        let begun = Instant::now();
        assert_eq!(tokio::join!(space.bytes(), other.bytes()), (None, None));
        assert_eq!(begun.elapsed().as_millis(), 100);
        for _ in 0..1000 {
            assert_eq!(space.bytes().await, None);
        }
        assert_eq!(begun.elapsed().as_millis(), 100, "later scrapes do not wait");
        while disk.space_asked() == 0 {
            yield_now();
        }
        assert_eq!(disk.space_asked(), 1);
        disk.freeze_space(false);
        assert_eq!(answered(&space).await, Some(FreezingDisk::FREE_BYTES));
        background.close();
    }

    #[tokio::test]
    async fn a_log_in_memory_has_no_free_space_and_no_thread_asks() {
        let space = FreeSpace::new(in_memory().1);
        assert_eq!(space.bytes().await, None);
        assert!(lock(&space.last).is_none());
    }
}
