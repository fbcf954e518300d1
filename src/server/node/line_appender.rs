//! The handle with which an HTTP thread appends the lines of one append stream.
//!
//! Lines are handed to the core task in batches: one that is handed over holds up the next, which
//! grows meanwhile. So batches are as large as the core task is busy, one line goes through at
//! once, and a stream holds a bounded amount of memory. Outcomes come back in the same way, through
//! a mailbox of the stream's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use acklog_protocol::Outcome;
use acklog_types::{Share, WaiterId};
use tokio::sync::Semaphore;

use super::commands::{Commands, LeaderCommand};
use super::completions::{Mailboxes, OwnMailbox, Released};
use super::line_batch::{LineAppend, LineBatch};
use super::{ClientAppend, NodeStopped};

/// Bytes of text, and lines, from which on a batch takes no more. Smaller: more commands, and more
/// wake-ups of both threads. Larger: an iteration of the core task takes longer, and each stream
/// holds more memory.
const BATCH_TEXT_BYTES: usize = 64 * 1024;
const BATCH_LINES: usize = 1024;

/// The lines of one stream that are not answered.
#[derive(Debug)]
struct StreamClients {
    own: OwnMailbox,
    commands: Commands,
    /// The id that line 0 has as a client.
    first: WaiterId,
}

impl Drop for StreamClients {
    /// Cancels what waits: the client hung up, unless all is answered. Nothing else is handed over
    /// behind it.
    fn drop(&mut self) {
        let count = self.own.next().get() - self.first.get();
        self.commands.send_now(LeaderCommand::CancelLines { first: self.first, count });
    }
}

/// Appends the lines of one stream.
#[derive(Debug)]
pub struct LineAppender {
    clients: Rc<RefCell<StreamClients>>,
    /// The lines that are not handed over.
    lines: VecDeque<LineAppend>,
    text_bytes: usize,
    count: usize,
    /// The memory of these lines, of at least so many bytes.
    share: Option<Share>,
    held_bytes: usize,
    turn: Arc<Semaphore>,
}

/// The outcomes of the lines of one stream.
#[derive(Debug)]
pub struct LineOutcomes {
    clients: Rc<RefCell<StreamClients>>,
    taken: VecDeque<Released>,
}

/// The outcome of lines that follow each other, whose messages do too; most often of one.
#[derive(Debug)]
pub struct LineOutcome {
    /// The number of the first line.
    pub line: u64,
    /// The number of lines.
    pub count: u64,
    /// The outcome of the first one.
    pub outcome: Outcome,
}

/// Opens a stream; none if there are too many.
pub(super) fn open(
    mailboxes: &Mailboxes,
    commands: &Commands,
) -> Option<(LineAppender, LineOutcomes)> {
    let own = mailboxes.open()?;
    let (commands, first) = (commands.clone(), own.next());
    let clients = Rc::new(RefCell::new(StreamClients { own, commands, first }));
    let appender = LineAppender {
        clients: clients.clone(),
        lines: VecDeque::new(),
        text_bytes: 0,
        count: 0,
        share: None,
        held_bytes: 0,
        turn: Arc::new(Semaphore::new(1)),
    };
    Some((appender, LineOutcomes { clients, taken: VecDeque::new() }))
}

impl LineAppender {
    /// Adds the next line. A plain one, of a single message without a key and a condition, whose
    /// answer shows no copies, joins the plain ones before it.
    pub fn push(&mut self, append: ClientAppend) {
        let waiter = self.clients.borrow_mut().own.number();
        self.text_bytes += append.batch.text_bytes();
        self.count += 1;
        let is_single = append.batch.len() == 1 && append.key.is_none();
        let is_plain = is_single && append.expected_end.is_none() && !append.wait.shows_copies;
        let joins = self.lines.back_mut().filter(|last| {
            is_plain
                && last.is_series
                && last.append.wait == append.wait
                && last.waiter.get() + last.count() == waiter.get()
        });
        match joins {
            Some(last) => append.batch.iter().for_each(|text| last.append.batch.push(text)),
            None => self.lines.push_back(LineAppend { waiter, append, is_series: is_plain }),
        }
    }

    /// Takes memory for the text of the next line by `hold`, which makes a share one of so many
    /// bytes. Returns whether there is.
    pub fn hold(
        &mut self,
        text_bytes: usize,
        hold: impl FnOnce(&mut Option<Share>, usize) -> bool,
    ) -> bool {
        let bytes = self.text_bytes + text_bytes;
        if bytes > self.held_bytes {
            // All that a batch may need at once: each share is counted by all threads.
            let bytes = bytes.max(BATCH_TEXT_BYTES);
            if !hold(&mut self.share, bytes) {
                return false;
            }
            self.held_bytes = bytes;
        }
        true
    }

    /// Counts a line that is not appended.
    pub fn skip(&mut self) {
        self.clients.borrow_mut().own.number();
    }

    /// Returns whether the stream must end soon, since few of its lines can still be numbered.
    pub fn is_used_up(&self) -> bool {
        self.clients.borrow().own.is_used_up()
    }

    /// Returns whether no line waits to be handed over.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns whether no more lines should be added before these are handed over.
    pub fn is_full(&self) -> bool {
        self.text_bytes >= BATCH_TEXT_BYTES || self.count >= BATCH_LINES
    }

    /// Hands the lines over once the core task has taken those before. Cancel safe: dropped before,
    /// they are still here.
    ///
    /// # Errors
    /// When the node has stopped; it never received them.
    pub async fn hand_over(&mut self) -> Result<(), NodeStopped> {
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| NodeStopped)?;
        let commands = self.clients.borrow().commands.clone();
        let room = commands.room().await?;
        let lines = std::mem::take(&mut self.lines);
        let share = self.share.take();
        (self.text_bytes, self.count, self.held_bytes) = (0, 0, 0);
        room.send(LeaderCommand::AppendLines(LineBatch::new(lines, share, turn)))
    }
}

impl LineOutcomes {
    /// Returns the next outcome. Pending while there is none.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LineOutcome> {
        loop {
            if let Some(Released { waiter, count, outcome }) = self.taken.pop_front() {
                let first = self.clients.borrow().first;
                // One from below is of a stream that had the mailbox before.
                if let Some(line) = waiter.get().checked_sub(first.get()) {
                    return Poll::Ready(LineOutcome { line, count, outcome });
                }
                continue;
            }
            let mailbox = self.clients.borrow().own.mailbox.clone();
            ready!(mailbox.poll_take(cx, &mut self.taken));
        }
    }
}
