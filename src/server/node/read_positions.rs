//! The positions up to which reads may show the log, and the wake-ups of readers that wait.
//!
//! The core task publishes the ends once for each event-loop iteration, before any client is
//! answered: so what a 201 says is stored on so many nodes is shown to a read under that read
//! concern. HTTP threads read the ends at any time. A thread with readers that wait *arms* the ends
//! that they wait for, and is woken once when one of them grows; it arms them anew when all of its
//! readers have had their turn. So readers cost the core task one wake for each thread and round of
//! its readers, and nothing while none waits for an end that grows.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use acklog_log::LogReader;
use acklog_threads::{lock, read_lock, write_lock};
use acklog_types::{LogEnd, LogId, NODES_MAX};
use tokio::sync::Notify;

/// The nodes that must hold what a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadLevel {
    /// This node alone.
    Own,
    /// A majority of the cluster, whatever its size is at the time.
    Majority,
    /// All nodes of the cluster.
    All,
    /// So many nodes, this one included. A secondary knows only some numbers. At most
    /// [`NODES_MAX`].
    Nodes(u16),
}

/// The end of one level.
#[derive(Debug, Default)]
struct Published {
    end: AtomicU64,
    /// Threads that are to be woken when it grows.
    armed: AtomicU32,
}

#[derive(Debug)]
struct Shared {
    own: Published,
    majority: Published,
    all: Published,
    /// Those of 1, 2, … nodes; the first is unused.
    nodes: Box<[Published]>,
    /// The number of nodes; 0 where it is not known.
    cluster_size: AtomicU32,
    /// The end of the log, wherever it is held.
    log_end: AtomicU64,
    log: RwLock<Option<LogId>>,
    has_log: AtomicBool,
    threads: Mutex<Vec<Arc<ThreadWake>>>,
}

/// The wake-up of one thread.
#[derive(Debug, Default)]
struct ThreadWake {
    is_armed: AtomicBool,
    woken: Notify,
}

/// The positions up to which reads may show a node's log. A clone is the same ones; usable from any
/// thread.
#[derive(Clone, Debug)]
pub struct ReadPositions {
    reader: LogReader,
    shared: Arc<Shared>,
}

/// The ends of a node's log as the core task knows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEnds {
    /// The identity of the log; none where the node does not know it yet.
    pub(super) log: Option<LogId>,
    /// The end that a majority holds.
    pub(super) majority: LogEnd,
    /// The end that all nodes hold.
    pub(super) all: LogEnd,
    /// The end of the log on whichever node has most of it.
    pub(super) log_end: LogEnd,
    /// The number of nodes; none where it is not known.
    pub(super) cluster_size: Option<u16>,
}

impl ReadPositions {
    /// Creates the positions of a log; nothing is published yet beyond its own durable end.
    pub(super) fn new(reader: LogReader) -> Self {
        let nodes = (0..usize::from(NODES_MAX)).map(|_| Published::default()).collect();
        let shared = Arc::new(Shared {
            own: Published::default(),
            majority: Published::default(),
            all: Published::default(),
            nodes,
            cluster_size: AtomicU32::new(0),
            log_end: AtomicU64::new(0),
            log: RwLock::new(None),
            has_log: AtomicBool::new(false),
            threads: Mutex::default(),
        });
        Self { reader, shared }
    }

    /// Creates the positions of a log that this node has alone.
    #[cfg(test)]
    pub(crate) fn of_one_node(reader: LogReader) -> Self {
        let positions = Self::new(reader);
        positions.publish_of_one_node();
        positions
    }

    /// Publishes the end of a log that this node has alone.
    #[cfg(test)]
    pub(crate) fn publish_of_one_node(&self) {
        self.publish_as(LogId::new(7 << 96), LogEnd::ZERO);
    }

    /// Publishes the end of this log, of which the others have as much; `log_end` is what this node
    /// knows of its end.
    #[cfg(test)]
    pub(crate) fn publish_as(&self, log: LogId, log_end: LogEnd) {
        let end = self.reader.durable_end();
        let (majority, all, log) = (end, end, Some(log));
        self.publish(KnownEnds { log, majority, all, log_end, cluster_size: Some(1) }, |_| end);
    }

    /// Returns the end of what a read of this level shows. That of [`ReadLevel::Own`] never
    /// decreases.
    pub fn end(&self, level: ReadLevel) -> LogEnd {
        let end = LogEnd::new(self.shared.published(level).end.load(Ordering::SeqCst));
        match level {
            // Messages come with their log.
            _ if !self.shared.has_log.load(Ordering::Acquire) => LogEnd::ZERO,
            // It may have grown since the core task looked.
            ReadLevel::Own => end.max(self.reader.durable_end()),
            _ => end,
        }
    }

    /// Returns the end of the log, as far as this node knows of it; a read may show less.
    pub fn log_end(&self) -> LogEnd {
        let known = LogEnd::new(self.shared.log_end.load(Ordering::Acquire));
        known.max(self.reader.durable_end())
    }

    /// Returns the first position of the log.
    pub fn log_start(&self) -> LogEnd {
        LogEnd::ZERO
    }

    /// Returns the number of the master's term.
    pub fn epoch(&self) -> u64 {
        1
    }

    /// Returns the log's identity; none while this node has never had a log. It is published before
    /// a message of the log is shown: look at an end first, then at the log that it belongs to.
    pub fn log(&self) -> Option<LogId> {
        *read_lock(&self.shared.log)
    }

    /// Returns the number of nodes; none where this node does not know it.
    pub fn cluster_size(&self) -> Option<u16> {
        let size = self.shared.cluster_size.load(Ordering::Acquire);
        u16::try_from(size).ok().filter(|&size| size > 0)
    }

    /// Registers the calling thread, for readers that wait on it.
    pub fn register(&self) -> ReaderThread {
        let wake = Arc::new(ThreadWake::default());
        lock(&self.shared.threads).push(wake.clone());
        ReaderThread { shared: self.shared.clone(), wake, armed: Vec::new() }
    }

    /// Publishes the ends, and those of 2 to `cluster_size` nodes as `held` returns them, and wakes
    /// the threads that wait for one that grew.
    pub(super) fn publish(&self, known: KnownEnds, mut held: impl FnMut(u16) -> LogEnd) {
        let KnownEnds { log, majority, all, log_end, cluster_size } = known;
        let cluster_size = cluster_size.unwrap_or_default();
        let shared = &*self.shared;
        shared.log_end.store(log_end.get(), Ordering::Release);
        shared.cluster_size.store(cluster_size.into(), Ordering::Release);
        let before = self.log();
        if before != log {
            *write_lock(&shared.log) = log;
            shared.has_log.store(log.is_some(), Ordering::Release);
        }
        // Readers of another log hear of it at once.
        let mut wake = before.is_some_and(|before| Some(before) != log);
        wake |= shared.own.set(self.reader.durable_end());
        wake |= shared.majority.set(majority);
        wake |= shared.all.set(all);
        for nodes in 2..=cluster_size {
            wake |= shared.published(ReadLevel::Nodes(nodes)).set(held(nodes));
        }
        if wake {
            shared.wake();
        }
    }
}

impl Published {
    /// Publishes an end. Returns whether a thread waits for its change.
    fn set(&self, end: LogEnd) -> bool {
        // Only the core task stores.
        if self.end.load(Ordering::Relaxed) == end.get() {
            return false;
        }
        // A thread arms, then looks at the end: in the one order of these four, either it sees this
        // end, or it is seen here.
        self.end.store(end.get(), Ordering::SeqCst);
        self.armed.load(Ordering::SeqCst) > 0
    }
}

impl Shared {
    fn published(&self, level: ReadLevel) -> &Published {
        match level {
            ReadLevel::Own => &self.own,
            ReadLevel::Majority => &self.majority,
            ReadLevel::All => &self.all,
            ReadLevel::Nodes(nodes) => self.nodes.get(usize::from(nodes) - 1).unwrap_or(&self.own),
        }
    }

    fn wake(&self) {
        for thread in lock(&self.threads).iter() {
            if thread.is_armed.swap(false, Ordering::AcqRel) {
                thread.woken.notify_one();
            }
        }
    }
}

/// A thread with readers that wait.
#[derive(Debug)]
pub struct ReaderThread {
    shared: Arc<Shared>,
    wake: Arc<ThreadWake>,
    /// The levels that are armed.
    armed: Vec<ReadLevel>,
}

/// Waits for the wake-up of one thread.
#[derive(Clone, Debug)]
pub struct WakeUp(Arc<ThreadWake>);

impl WakeUp {
    /// Waits until an end that is armed has grown, or [`ReaderThread::wake`] was called, since the
    /// last call. For one task only. Cancel safe.
    pub async fn woken(&self) {
        self.0.woken.notified().await;
    }
}

impl ReaderThread {
    /// Returns what the thread's task waits with.
    pub fn wake_up(&self) -> WakeUp {
        WakeUp(self.wake.clone())
    }

    /// Asks for a wake-up when the end of this level grows. To be called before a last look at the
    /// end: what was published before is not told.
    pub fn arm(&mut self, level: ReadLevel) {
        if self.armed.contains(&level) {
            return;
        }
        self.armed.push(level);
        self.wake.is_armed.store(true, Ordering::Release);
        self.shared.published(level).armed.fetch_add(1, Ordering::SeqCst);
    }

    /// Asks for no more wake-ups.
    pub fn disarm(&mut self) {
        self.wake.is_armed.store(false, Ordering::Release);
        for level in self.armed.drain(..) {
            self.shared.published(level).armed.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Wakes the thread's task.
    pub fn wake(&self) {
        self.wake.woken.notify_one();
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use acklog_log::{LogWriter, in_memory};

    use super::*;

    fn known(majority: u64) -> KnownEnds {
        KnownEnds {
            log: Some(LogId::new(7)),
            majority: LogEnd::new(majority),
            all: LogEnd::ZERO,
            log_end: LogEnd::new(9),
            cluster_size: Some(3),
        }
    }

    fn append(writer: &mut LogWriter) {
        writer.append(0, None, &"Msg".into());
        writer.flush();
    }

    fn is_woken(wake_up: &WakeUp) -> bool {
        let woken = pin!(wake_up.woken());
        woken.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn each_level_has_its_end() {
        let (mut writer, reader) = in_memory();
        let positions = ReadPositions::new(reader);
        assert_eq!((positions.log(), positions.cluster_size()), (None, None));
        positions.publish(known(2), |nodes| LogEnd::new(10 - u64::from(nodes)));
        append(&mut writer);
        let levels = [ReadLevel::Own, ReadLevel::Majority, ReadLevel::All];
        assert_eq!(levels.map(|level| positions.end(level).get()), [1, 2, 0]);
        assert_eq!([2, 3, 4].map(|n| positions.end(ReadLevel::Nodes(n)).get()), [8, 7, 0]);
        assert_eq!((positions.log_end().get(), positions.cluster_size()), (9, Some(3)));
        assert_eq!(positions.log(), Some(LogId::new(7)));
    }

    #[test]
    fn a_thread_is_woken_once_by_the_growth_of_an_end_that_it_armed() {
        let (mut writer, reader) = in_memory();
        let positions = ReadPositions::new(reader);
        let mut thread = positions.register();
        let wake_up = thread.wake_up();
        let publish = |majority| positions.publish(known(majority), |_| LogEnd::ZERO);
        publish(1);
        assert!(!is_woken(&wake_up), "nothing is armed");
        thread.arm(ReadLevel::Majority);
        append(&mut writer);
        publish(1);
        assert!(!is_woken(&wake_up), "another end grew");
        publish(2);
        publish(3);
        assert!(is_woken(&wake_up));
        assert!(!is_woken(&wake_up), "once until it is armed again");
        thread.disarm();
        publish(4);
        assert!(!is_woken(&wake_up));
        thread.arm(ReadLevel::Own);
        append(&mut writer);
        publish(4);
        assert!(is_woken(&wake_up));
    }
}
