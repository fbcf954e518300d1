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
use super::line_batch::{LineAppend, LineBatch, StreamTurn};
use super::{ClientAppend, NodeStopped};

/// Bytes, and lines, from which on a batch takes no more. Smaller: more commands, and more wake-ups
/// of both threads. Larger: an iteration of the core task takes longer, and each stream holds more
/// memory.
const BATCH_BYTES: usize = 64 * 1024;
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
    /// The size of these lines in memory, about.
    bytes: usize,
    count: usize,
    /// The memory that they are charged for, of so many bytes.
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
        bytes: 0,
        count: 0,
        share: None,
        held_bytes: 0,
        turn: Arc::new(Semaphore::new(1)),
    };
    Some((appender, LineOutcomes { clients, taken: VecDeque::new() }))
}

impl LineAppender {
    /// Adds the next line, if there is memory for it, which `hold` takes: it makes a share one of
    /// so many bytes, and returns whether there are. A plain line, of a single message without a
    /// key and a condition, whose answer shows no copies, joins the plain ones before it. Returns
    /// whether the line was added.
    pub fn push(
        &mut self,
        append: ClientAppend,
        hold: impl Fn(&mut Option<Share>, usize) -> bool,
    ) -> bool {
        let next = self.clients.borrow().own.next();
        let is_single = append.batch.len() == 1 && append.key.is_none();
        let is_plain = is_single && append.expected_end.is_none() && !append.wait.shows_copies;
        let joins = self.lines.back().is_some_and(|last| {
            is_plain
                && last.is_series
                && last.append.wait == append.wait
                && last.waiter.get() + last.count() == next.get()
        });
        let bytes = if joins { append.record_bytes() } else { LineAppend::bytes_of(&append) };
        if !self.hold(self.bytes + bytes, hold) {
            return false;
        }
        let waiter = self.clients.borrow_mut().own.number();
        self.bytes += bytes;
        self.count += 1;
        match self.lines.back_mut().filter(|_| joins) {
            Some(last) => append.batch.iter().for_each(|text| last.append.batch.push(text)),
            None => {
                let (is_series, is_replay) = (is_plain, false);
                self.lines.push_back(LineAppend { waiter, append, is_series, is_replay });
            }
        }
        true
    }

    /// Raises the share to at least so many bytes. Returns whether there is memory.
    fn hold(&mut self, bytes: usize, hold: impl Fn(&mut Option<Share>, usize) -> bool) -> bool {
        if bytes <= self.held_bytes {
            return true;
        }
        // By powers of two, as long as there is that much: all threads count on one number.
        let ample = if bytes < BATCH_BYTES { bytes.next_power_of_two() } else { bytes };
        let held = [ample, bytes].into_iter().find(|&bytes| hold(&mut self.share, bytes));
        self.held_bytes = held.unwrap_or(self.held_bytes);
        held.is_some()
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
        self.bytes >= BATCH_BYTES || self.count >= BATCH_LINES
    }

    /// Hands the lines over once the core task has taken those before. Cancel safe: dropped before,
    /// they are still here.
    ///
    /// # Errors
    /// When the node has stopped; it never received them.
    pub async fn hand_over(&mut self) -> Result<(), NodeStopped> {
        let permit = self.turn.clone().acquire_owned().await.map_err(|_| NodeStopped)?;
        let commands = self.clients.borrow().commands.clone();
        let room = commands.room().await?;
        let lines = std::mem::take(&mut self.lines);
        let turn = StreamTurn::new(self.share.take(), permit);
        (self.bytes, self.count, self.held_bytes) = (0, 0, 0);
        room.send(LeaderCommand::AppendLines(LineBatch::new(lines, turn)))
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

#[cfg(test)]
mod tests {
    use acklog_protocol::Wait;
    use acklog_types::{Batch, Budget};

    use super::*;

    /// Returns a line with so many messages of this text.
    fn line(messages: usize, text: &str) -> ClientAppend {
        let mut batch = Batch::from(text);
        (1..messages).for_each(|_| batch.push(text));
        let (wait, share) = (Wait::default(), None);
        ClientAppend { batch, key: None, expected_end: None, wait, share }
    }

    /// Tests the appender of a stream whose lines have so many bytes of memory.
    fn with_memory(bytes: usize, test: impl FnOnce(LineAppender, &Budget)) {
        let (mailboxes, (commands, _taken)) = (Mailboxes::default(), Commands::new());
        let (appender, _outcomes) = open(&mailboxes, &commands).unwrap();
        test(appender, &Budget::new(bytes));
    }

    #[test]
    fn messages_without_a_text_count_as_what_they_take_in_the_log() {
        with_memory(1 << 20, |mut appender, budget| {
            assert!(appender.push(line(2000, ""), |share, bytes| budget.hold(share, bytes)));
            assert!(!appender.is_full() && budget.used() >= 2000 * 25, "{}", budget.used());
            assert!(appender.push(line(1000, ""), |share, bytes| budget.hold(share, bytes)));
            assert!(appender.is_full() && budget.used() >= 3000 * 25, "{}", budget.used());
        });
    }

    #[test]
    fn a_line_is_charged_for_its_size_and_refused_only_where_less_than_that_is_left() {
        let of_one = size_of::<LineAppend>() + 25 + 1;
        with_memory(1 << 20, |mut appender, budget| {
            assert!(appender.push(line(1, "x"), |share, bytes| budget.hold(share, bytes)));
            assert!((of_one..2 * of_one).contains(&budget.used()), "{}", budget.used());
        });
        with_memory(of_one + 25, |mut appender, budget| {
            let mut push =
                |text| appender.push(line(1, text), |share, bytes| budget.hold(share, bytes));
            assert!(push("x") && !push("y"), "{} bytes are held", budget.used());
            assert!(push(""), "there is room for it");
        });
    }
}
