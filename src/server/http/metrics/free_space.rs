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

/// Age up to which an answer that came too late for its scrapes is told to the next ones. Shorter:
/// a slow file system that is rarely scraped never tells its free space. Longer: one that hangs
/// tells of a space that was filled or freed long since.
const LATE_ANSWER_AGE: Duration = Duration::from_secs(120);

/// Asks the file system of a log for its free space. A clone asks with the same thread.
///
/// There is one question at a time, which all scrapes share that come while it is open. So a file
/// system that hangs costs one thread and one wait; nothing queues up behind it. One that is slow
/// each time is one scrape behind: its late answer is told while it is asked again.
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
    /// Holds the answer once it came. Its sender is dropped right after that, or without an answer
    /// if there was no thread to ask with.
    answer: watch::Receiver<Option<Answer>>,
    /// When scrapes stop waiting for it.
    deadline: Instant,
    /// The answer to the question before, where no scrape got it in time.
    late: Option<Answer>,
    /// Keeps the question on its way, also when no scrape waits for it any more.
    _work: WorkHandle<()>,
}

/// An answer of the file system.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// None: it cannot tell.
    bytes: Option<u64>,
    came: Instant,
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
        let (mut answer, deadline, late) = self.ask();
        if let Some(late) = late.filter(|late| late.came.elapsed() <= LATE_ANSWER_AGE) {
            return late.bytes;
        }
        timeout_at(deadline, answer.changed()).await.ok()?.ok()?;
        answer.borrow().and_then(|answer| answer.bytes)
    }

    /// Asks, unless a question is open. Returns where the answer comes, until when to wait, and the
    /// answer before, if that was late.
    fn ask(&self) -> (watch::Receiver<Option<Answer>>, Instant, Option<Answer>) {
        let mut last = lock(&self.last);
        let question = match last.take() {
            // Neither answered nor dropped.
            Some(open) if matches!(open.answer.has_changed(), Ok(false)) => open,
            before => self.new_question(before.and_then(|before| before.late_answer())),
        };
        let question = last.insert(question);
        (question.answer.clone(), question.deadline, question.late)
    }

    fn new_question(&self, late: Option<Answer>) -> Question {
        let (tell, answer) = watch::channel(None);
        let (log, deadline) = (self.log.clone(), Instant::now() + FREE_SPACE_TIME);
        let work = self.thread.run(move || {
            let bytes = log.free_bytes();
            tell.send_replace(Some(Answer { bytes, came: Instant::now() }));
        });
        Question { answer, deadline, late, _work: work }
    }
}

impl Question {
    /// Returns the answer if it came when no scrape waited for it any more.
    fn late_answer(&self) -> Option<Answer> {
        self.answer.borrow().filter(|answer| answer.came > self.deadline)
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
        answer.borrow().unwrap().bytes
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
        // The clock of the runtime stands still.
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while disk.space_asked() == 0 {
            assert!(std::time::Instant::now() < deadline, "it is not asked");
            yield_now();
        }
        assert_eq!(disk.space_asked(), 1);
        disk.freeze_space(false);
        assert_eq!(answered(&space).await, Some(FreezingDisk::FREE_BYTES));
        background.close();
    }

    #[tokio::test]
    async fn an_answer_that_was_late_is_told_while_the_file_system_is_asked_again() {
        let (disk, opened, background) = log();
        let space = FreeSpace::new(opened.reader.clone());
        let begin = async || {
            disk.freeze_space(true);
            (space.bytes().await, lock(&space.last).as_ref().unwrap().answer.clone())
        };
        let (told, mut answer) = begin().await;
        assert_eq!(told, None);
        disk.freeze_space(false);
        answer.changed().await.unwrap();
        let (told, mut answer) = begin().await;
        assert_eq!(told, Some(FreezingDisk::FREE_BYTES));
        assert_eq!(space.bytes().await, told, "the question is open");
        tokio::time::pause();
        tokio::time::advance(LATE_ANSWER_AGE * 2).await;
        assert_eq!(space.bytes().await, None, "it is too old");
        disk.freeze_space(false);
        answer.changed().await.unwrap();
        background.close();
    }

    #[tokio::test]
    async fn a_log_in_memory_has_no_free_space_and_no_thread_asks() {
        let space = FreeSpace::new(in_memory().1);
        assert_eq!(space.bytes().await, None);
        assert!(lock(&space.last).is_none());
    }
}
