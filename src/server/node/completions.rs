//! Outcomes on their way from the core task to the HTTP threads.
//!
//! Each HTTP thread has one mailbox, and each append stream has one. The core task puts all
//! outcomes of one event-loop iteration into it and wakes its reader once: with single-threaded
//! runtimes each wake-up is a system call, so one for each client would cost more than everything
//! else.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use acklog_protocol::Outcome;
use acklog_threads::lock;
use acklog_types::WaiterId;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// Bits of a [`WaiterId`] that number a client within its mailbox; those above name the mailbox.
/// Fewer: a stream of a million lines a second gets to the end of them within months. More: there
/// are fewer mailboxes than a process may have connections.
const SEQUENCE_BITS: u32 = 44;

/// Numbers of clients in a mailbox.
const NUMBERS: u64 = 1 << SEQUENCE_BITS;

/// Numbers that are left where a stream ends for want of them. Fewer: the bytes of its request that
/// are read already may have more lines. More: nothing is gained.
const NUMBERS_SPARE: u64 = 1 << 20;

/// Most mailboxes: as many as have a name.
const MAILBOXES_MAX: usize = 1 << (u64::BITS - SEQUENCE_BITS);

/// Outcomes delivered before other tasks of the thread run. Each costs its connection some
/// microseconds more, to write the response. Fewer: more switches between tasks. More: a request
/// that comes meanwhile waits for longer, three rounds until it is answered.
const DELIVERED_MAX: usize = 32;

/// The outcome of clients with consecutive ids and messages; most often of one.
#[derive(Debug)]
pub(super) struct Released {
    pub(super) waiter: WaiterId,
    /// Number of clients.
    pub(super) count: u64,
    /// The outcome of the first one.
    pub(super) outcome: Outcome,
}

/// The outcomes for one reader.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<MailboxState>);

#[derive(Debug, Default)]
struct MailboxState {
    outcomes: Vec<Released>,
    /// The reader, while it waits.
    reader: Option<Waker>,
}

impl Mailbox {
    /// Moves all outcomes to the end of `taken`. Pending while there are none.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut VecDeque<Released>,
    ) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.outcomes.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        taken.extend(state.outcomes.drain(..));
        Poll::Ready(())
    }

    /// Adds outcomes, and wakes the reader.
    fn put(&self, outcomes: &mut Vec<Released>) {
        let mut state = lock(&self.0);
        state.outcomes.append(outcomes);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// All mailboxes. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailboxes(Arc<Mutex<MailboxTable>>);

#[derive(Debug, Default)]
struct MailboxTable {
    mailboxes: Vec<Arc<Mailbox>>,
    /// Those whose reader is gone, each with the first id that no client had, in the first half of
    /// its numbers.
    free: Vec<(usize, WaiterId)>,
}

/// The mailbox of one reader, whose name is another's once this is dropped, unless half of its
/// numbers are used by then. An outcome that is still on its way then reaches a reader that does
/// not know its client.
#[derive(Debug)]
pub(super) struct OwnMailbox {
    all: Mailboxes,
    name: usize,
    pub(super) mailbox: Arc<Mailbox>,
    next: WaiterId,
}

impl OwnMailbox {
    /// Returns the id that the next client gets.
    pub(super) fn next(&self) -> WaiterId {
        self.next
    }

    /// Numbers the next client. Behind the last number comes the first one again: those who had it
    /// were answered years ago. For a stream it would count as a line that was, so a stream ends
    /// [before](Self::is_used_up).
    pub(super) fn number(&mut self) -> WaiterId {
        let (waiter, number) = (self.next, number_of(self.next) + 1);
        self.next = id_of(self.name, number % NUMBERS);
        waiter
    }

    /// Returns whether few numbers are left.
    pub(super) fn is_used_up(&self) -> bool {
        number_of(self.next) >= NUMBERS - NUMBERS_SPARE
    }
}

impl Drop for OwnMailbox {
    fn drop(&mut self) {
        if number_of(self.next) < NUMBERS / 2 {
            lock(&self.all.0).free.push((self.name, self.next));
        }
    }
}

/// Returns the number of a client within its mailbox.
const fn number_of(waiter: WaiterId) -> u64 {
    waiter.get() % NUMBERS
}

/// Returns the id of a client.
const fn id_of(mailbox: usize, number: u64) -> WaiterId {
    WaiterId::new(mailbox as u64 * NUMBERS + number)
}

impl Mailboxes {
    /// Opens a mailbox; none if there are too many.
    pub(super) fn open(&self) -> Option<OwnMailbox> {
        let (mut table, mailbox) = (lock(&self.0), Arc::<Mailbox>::default());
        let (name, next) = match table.free.pop() {
            Some((name, next)) => {
                if let Some(place) = table.mailboxes.get_mut(name) {
                    *place = mailbox.clone();
                }
                (name, next)
            }
            None if table.mailboxes.len() < MAILBOXES_MAX => {
                let name = table.mailboxes.len();
                table.mailboxes.push(mailbox.clone());
                (name, id_of(name, 0))
            }
            None => return None,
        };
        drop(table);
        Some(OwnMailbox { all: self.clone(), name, mailbox, next })
    }

    /// Opens a mailbox for the calling thread, and starts a local task that delivers its outcomes.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks, and when there are too many mailboxes: a node has few
    /// threads.
    pub(super) fn register(&self) -> Rc<RefCell<PendingClients>> {
        let own = self.open().expect("a mailbox for each thread");
        let mailbox = own.mailbox.clone();
        let clients = Rc::new(RefCell::new(PendingClients { own, outcomes: HashMap::new() }));
        tokio::task::spawn_local(deliver(mailbox, clients.clone()));
        clients
    }
}

/// The clients of one thread whose outcome is pending.
#[derive(Debug)]
pub(super) struct PendingClients {
    own: OwnMailbox,
    outcomes: HashMap<WaiterId, oneshot::Sender<Outcome>>,
}

impl PendingClients {
    /// Adds a client. Returns its id, and where its outcome comes out.
    pub(super) fn add(&mut self) -> (WaiterId, oneshot::Receiver<Outcome>) {
        let (outcome, received) = oneshot::channel();
        let waiter = self.own.number();
        self.outcomes.insert(waiter, outcome);
        (waiter, received)
    }

    /// Removes a client that hung up. Returns whether its outcome was still pending.
    pub(super) fn remove(&mut self, waiter: WaiterId) -> bool {
        self.outcomes.remove(&waiter).is_some()
    }
}

/// The outcomes of one event-loop iteration, sorted by mailbox.
#[derive(Debug)]
pub(super) struct Completions {
    mailboxes: Mailboxes,
    by_mailbox: Vec<Vec<Released>>,
    /// The mailboxes that have outcomes.
    filled: Vec<usize>,
}

impl Completions {
    /// Returns an empty set of outcomes for these mailboxes.
    pub(super) fn new(mailboxes: Mailboxes) -> Self {
        Self { mailboxes, by_mailbox: Vec::new(), filled: Vec::new() }
    }

    /// Adds the outcome of one client, or of several with consecutive ids and messages.
    pub(super) fn push(&mut self, released: Released) {
        let name = (released.waiter.get() / NUMBERS) as usize;
        if self.by_mailbox.len() <= name {
            self.by_mailbox.resize_with(name + 1, Vec::new);
        }
        if let Some(outcomes) = self.by_mailbox.get_mut(name) {
            if outcomes.is_empty() {
                self.filled.push(name);
            }
            outcomes.push(released);
        }
    }

    /// Puts the outcomes into their mailboxes, and wakes the readers.
    pub(super) fn flush(&mut self) {
        for name in self.filled.drain(..) {
            let mailbox = lock(&self.mailboxes.0).mailboxes.get(name).cloned();
            let outcomes = self.by_mailbox.get_mut(name);
            if let (Some(mailbox), Some(outcomes)) = (mailbox, outcomes) {
                mailbox.put(outcomes);
            }
        }
    }
}

/// Delivers a thread's outcomes, alternating between the client that asked first and the one that
/// asked last. Where thousands are answered at once, a client that sends something now is not
/// answered behind all of them.
async fn deliver(mailbox: Arc<Mailbox>, clients: Rc<RefCell<PendingClients>>) {
    let mut outcomes = VecDeque::new();
    loop {
        let before = outcomes.len();
        match outcomes.is_empty() {
            true => poll_fn(|cx| mailbox.poll_take(cx, &mut outcomes)).await,
            false => {
                yield_now().await;
                let _ = mailbox.poll_take(&mut Context::from_waker(Waker::noop()), &mut outcomes);
            }
        }
        if outcomes.len() > DELIVERED_MAX.max(before) {
            // Clients are numbered in order of arrival, so long runs are sorted already.
            outcomes.make_contiguous().sort_by_key(|released| released.waiter);
        }
        for n in 0..DELIVERED_MAX {
            let next = if n % 2 == 0 { outcomes.pop_front() } else { outcomes.pop_back() };
            let Some(Released { waiter, outcome, .. }) = next else { break };
            if let Some(client) = clients.borrow_mut().outcomes.remove(&waiter) {
                // Fails when the client hangs up at this moment.
                let _ = client.send(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_within_their_mailbox_and_a_name_whose_numbers_are_half_used_is_retired() {
        let mailboxes = Mailboxes::default();
        let open = || mailboxes.open().unwrap();
        let (mut own, neighbour) = (open(), open());
        assert_eq!((own.number(), neighbour.next()), (id_of(0, 0), WaiterId::new(1 << 44)));
        drop(own);
        let mut own = open();
        assert_eq!((own.name, own.next(), own.is_used_up()), (0, id_of(0, 1), false));
        own.next = WaiterId::new((1 << 44) - 2);
        assert!(own.is_used_up());
        let ids = [(); 3].map(|()| own.number());
        assert_eq!(ids, [id_of(0, NUMBERS - 2), id_of(0, NUMBERS - 1), id_of(0, 0)]);
        own.next = id_of(0, NUMBERS / 2 - 1);
        drop(own);
        let mut own = open();
        assert_eq!(own.number(), id_of(0, NUMBERS / 2 - 1));
        drop(own);
        assert_eq!(open().name, 2);
    }
}
