//! The limit on a server's connections, and which of them makes room for a new one.
//!
//! Each connection has a descriptor. Without a limit below that of the process, clients that only
//! connect would leave none for the log and for the other nodes. At the limit the connections that
//! have been idle longest are closed; where none is idle, the new one is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use acklog_threads::lock;
use tokio::task::AbortHandle;
use tracing::{info, warn};

/// The part of the connections that makes room at once: finding the one that has been idle longest
/// takes a look at all.
const EVICTED_PART: usize = 64;

/// A request is being answered.
const BUSY: u64 = 0;

/// The connection is closed to make room.
const EVICTED: u64 = u64::MAX;

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    began: Instant,
    table: Mutex<ConnectionTable>,
    /// Whether the last new connection was refused.
    full: AtomicBool,
    /// The number of connections in the table, for those that only want to know it.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct ConnectionTable {
    next: u64,
    open: HashMap<u64, OpenConnection>,
}

/// A connection that is being served.
#[derive(Debug)]
struct OpenConnection {
    activity: Arc<Activity>,
    /// The task that serves it, once it has started.
    task: Option<AbortHandle>,
}

/// Whether a connection is idle, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Nanoseconds since then, [`BUSY`] or [`EVICTED`].
    idle_since: AtomicU64,
}

/// Keeps a connection busy while it exists.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

/// The slot of one connection. Dropping it makes room for another one.
#[derive(Debug)]
pub(super) struct Slot {
    all: Arc<Connections>,
    number: u64,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    /// Returns a table of at most `max` connections.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            began: Instant::now(),
            table: Mutex::default(),
            full: AtomicBool::new(false),
            count: AtomicUsize::new(0),
        })
    }

    /// Returns a slot for a new connection, after closing idle ones where there are too many; none
    /// where no connection is idle.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Slot> {
        let max = self.max;
        if self.table().open.len() >= max && !self.make_room() {
            if !self.full.swap(true, Ordering::Relaxed) {
                let why = "the limit of open descriptors allows no more, and none is idle";
                warn!(max, why, "refusing HTTP connections");
            }
            return None;
        }
        if self.full.swap(false, Ordering::Relaxed) {
            info!(max, "HTTP connections are taken again");
        }
        let activity = Arc::new(Activity { began: self.began, idle_since: AtomicU64::new(BUSY) });
        activity.rest();
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.open.insert(number, OpenConnection { activity: activity.clone(), task: None });
        self.count.store(table.open.len(), Ordering::Relaxed);
        Some(Slot { all: self.clone(), number, activity })
    }

    /// Sets the task that serves a connection, so that it can be closed; that happens at once where
    /// the connection had to make room meanwhile.
    pub(super) fn served_by(&self, number: u64, task: AbortHandle) {
        match self.table().open.get_mut(&number) {
            Some(open) => open.task = Some(task),
            // It made room, or ended already.
            None => task.abort(),
        }
    }

    /// Closes the connections that have been idle longest. Returns whether there was one.
    pub(super) fn make_room(&self) -> bool {
        let mut table = self.table();
        let since = |open: &OpenConnection| open.activity.idle_since.load(Ordering::Relaxed);
        let all = table.open.iter().map(|(&number, open)| (since(open), number));
        let mut idle: Vec<(u64, u64)> = all.filter(|(since, _)| *since != BUSY).collect();
        let wanted = (self.max / EVICTED_PART).max(1).min(idle.len());
        if wanted == 0 {
            return false;
        }
        idle.select_nth_unstable(wanted - 1);
        let longest = idle.iter().take(wanted);
        let evicted = longest.filter(|(since, number)| table.evict(*number, *since)).count();
        let max = self.max;
        info!(repeats = true, max, "closed idle HTTP connections to make room");
        self.count.store(table.open.len(), Ordering::Relaxed);
        evicted > 0
    }

    /// Returns the number of connections that are open, without a lock.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn table(&self) -> MutexGuard<'_, ConnectionTable> {
        lock(&self.table)
    }
}

impl ConnectionTable {
    /// Closes a connection if it has been idle since then. Returns whether it was. Its slot is free
    /// at once: if it were only free once its task has ended, each of a burst of new connections
    /// would close further ones.
    fn evict(&mut self, number: u64, since: u64) -> bool {
        let Some(open) = self.open.get(&number) else { return false };
        let state = &open.activity.idle_since;
        let evicted = state.compare_exchange(since, EVICTED, Ordering::Relaxed, Ordering::Relaxed);
        if evicted.is_err() {
            return false;
        }
        open.task.iter().for_each(AbortHandle::abort);
        self.open.remove(&number);
        true
    }
}

impl Slot {
    /// Returns the connection's number, for [`Connections::served_by`].
    pub(super) const fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.all.table();
        table.open.remove(&self.number);
        self.all.count.store(table.open.len(), Ordering::Relaxed);
    }
}

impl Activity {
    /// Notes that a request is being answered; none where the connection was just closed, so that
    /// nothing of the request is done.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Busy> {
        if self.idle_since.swap(BUSY, Ordering::Relaxed) == EVICTED {
            self.idle_since.store(EVICTED, Ordering::Relaxed);
            return None;
        }
        Some(Busy(self.clone()))
    }

    fn rest(&self) {
        let now = self.began.elapsed().as_nanos() as u64;
        self.idle_since.store(now + 1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_new_connections_closes_no_more_idle_ones_than_make_room() {
        let all = Connections::new(4 * EVICTED_PART);
        let idle: Vec<Slot> = (0..4 * EVICTED_PART).map(|_| all.enter().unwrap()).collect();
        // None of those that are closed has ended before the last new one connects.
        let _new: Vec<Slot> = (0..8).map(|_| all.enter().unwrap()).collect();
        let closed = idle.iter().filter(|slot| slot.activity.begin().is_none());
        assert_eq!(closed.count(), 8);
    }
}
