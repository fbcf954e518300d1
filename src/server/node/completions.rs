//! Outcomes on their way from the core task to the HTTP threads.
//!
//! Each HTTP thread has one mailbox. The core task puts all outcomes of one event-loop iteration
//! into it and wakes the thread once: with single-threaded runtimes each wake-up is a system call,
//! so one for each client would cost more than everything else.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use acklog_protocol::Outcome;
use acklog_threads::lock;
use acklog_types::WaiterId;
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

/// Bits of a [`WaiterId`] that number a client within its thread; those above name the thread.
const SEQUENCE_BITS: u32 = 48;

/// Outcomes delivered before other tasks of the thread run. Each costs its connection some
/// microseconds more, to write the response. Fewer: more switches between tasks. More: a request
/// that comes meanwhile waits for longer, three rounds until it is answered.
const DELIVERED_MAX: usize = 32;

/// The outcomes for one HTTP thread.
#[derive(Debug, Default)]
struct Mailbox {
    outcomes: Mutex<Vec<(WaiterId, Outcome)>>,
    filled: Notify,
}

/// The mailboxes of all HTTP threads. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailboxes {
    threads: Arc<Mutex<Vec<Arc<Mailbox>>>>,
}

impl Mailboxes {
    /// Registers the calling thread, and starts a local task that delivers its outcomes.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks.
    pub(super) fn register(&self) -> Rc<RefCell<PendingClients>> {
        let mailbox = Arc::new(Mailbox::default());
        let mut threads = lock(&self.threads);
        let next = (threads.len() as u64) << SEQUENCE_BITS;
        threads.push(mailbox.clone());
        drop(threads);
        let clients = Rc::new(RefCell::new(PendingClients { next, outcomes: HashMap::new() }));
        tokio::task::spawn_local(deliver(mailbox, clients.clone()));
        clients
    }
}

/// The clients of one thread whose outcome is pending.
#[derive(Debug)]
pub(super) struct PendingClients {
    next: u64,
    outcomes: HashMap<WaiterId, oneshot::Sender<Outcome>>,
}

impl PendingClients {
    /// Adds a client. Returns its id, and where its outcome comes out.
    pub(super) fn add(&mut self) -> (WaiterId, oneshot::Receiver<Outcome>) {
        let (outcome, received) = oneshot::channel();
        let waiter = WaiterId::new(self.next);
        self.next += 1;
        self.outcomes.insert(waiter, outcome);
        (waiter, received)
    }

    /// Removes a client that hung up. Returns whether its outcome was still pending.
    pub(super) fn remove(&mut self, waiter: WaiterId) -> bool {
        self.outcomes.remove(&waiter).is_some()
    }
}

/// The outcomes of one event-loop iteration, sorted by thread.
#[derive(Debug)]
pub(super) struct Completions {
    mailboxes: Mailboxes,
    by_thread: Vec<Vec<(WaiterId, Outcome)>>,
}

impl Completions {
    /// Returns an empty set of outcomes for these mailboxes.
    pub(super) fn new(mailboxes: Mailboxes) -> Self {
        Self { mailboxes, by_thread: Vec::new() }
    }

    /// Adds the outcome of one client.
    pub(super) fn push(&mut self, waiter: WaiterId, outcome: Outcome) {
        let thread = (waiter.get() >> SEQUENCE_BITS) as usize;
        if self.by_thread.len() <= thread {
            self.by_thread.resize_with(thread + 1, Vec::new);
        }
        if let Some(outcomes) = self.by_thread.get_mut(thread) {
            outcomes.push((waiter, outcome));
        }
    }

    /// Puts each thread's outcomes into its mailbox and wakes the thread.
    pub(super) fn flush(&mut self) {
        for (thread, outcomes) in self.by_thread.iter_mut().enumerate() {
            if outcomes.is_empty() {
                continue;
            }
            let threads = lock(&self.mailboxes.threads);
            let Some(mailbox) = threads.get(thread) else { continue };
            lock(&mailbox.outcomes).append(outcomes);
            mailbox.filled.notify_one();
        }
    }
}

/// Delivers a thread's outcomes, alternating between the client that asked first and the one that
/// asked last. Where thousands are answered at once, a client that sends something now is not
/// answered behind all of them.
async fn deliver(mailbox: Arc<Mailbox>, clients: Rc<RefCell<PendingClients>>) {
    let mut outcomes = VecDeque::new();
    loop {
        match outcomes.is_empty() {
            true => mailbox.filled.notified().await,
            false => yield_now().await,
        }
        let before = outcomes.len();
        outcomes.extend(lock(&mailbox.outcomes).drain(..));
        if outcomes.len() > DELIVERED_MAX.max(before) {
            // Clients are numbered in order of arrival, so long runs are sorted already.
            outcomes.make_contiguous().sort_by_key(|(waiter, _)| *waiter);
        }
        for n in 0..DELIVERED_MAX {
            let next = if n % 2 == 0 { outcomes.pop_front() } else { outcomes.pop_back() };
            let Some((waiter, outcome)) = next else { break };
            if let Some(client) = clients.borrow_mut().outcomes.remove(&waiter) {
                // Fails when the client hangs up at this moment.
                let _ = client.send(outcome);
            }
        }
    }
}
