//! Answers on their way from the core task to the HTTP threads.
//!
//! Each HTTP thread has one mailbox. The core puts a whole turn's answers into it and wakes the thread once: with
//! single-threaded runtimes each wake is a system call, so one for each sender would cost more than all the rest.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use acklog_protocol::{Outcome, Wait};
use acklog_threads::lock;
use acklog_types::{MessageId, WaiterId};
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use super::commands::{Commands, LeaderCommand};
use super::{Append, Stopped};

/// Bits of a waiter's name that number it within its thread; those above name the thread.
const SEQUENCE_BITS: u32 = 48;

/// One HTTP thread's answers.
#[derive(Debug, Default)]
struct Mailbox {
    answers: Mutex<Vec<(WaiterId, Outcome)>>,
    filled: Notify,
}

/// The mailboxes of all HTTP threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailboxes {
    threads: Arc<Mutex<Vec<Arc<Mailbox>>>>,
}

impl Mailboxes {
    fn add(&self) -> (u64, Arc<Mailbox>) {
        let mut threads = lock(&self.threads);
        let mailbox = Arc::new(Mailbox::default());
        threads.push(mailbox.clone());
        (threads.len() as u64 - 1, mailbox)
    }
}

/// The answers of one turn, sorted by thread.
#[derive(Debug)]
pub(super) struct Releases {
    mailboxes: Mailboxes,
    by_thread: Vec<Vec<(WaiterId, Outcome)>>,
}

impl Releases {
    pub(super) fn new(mailboxes: Mailboxes) -> Self {
        Self { mailboxes, by_thread: Vec::new() }
    }

    pub(super) fn push(&mut self, waiter: WaiterId, outcome: Outcome) {
        let thread = (waiter.get() >> SEQUENCE_BITS) as usize;
        if self.by_thread.len() <= thread {
            self.by_thread.resize_with(thread + 1, Vec::new);
        }
        if let Some(answers) = self.by_thread.get_mut(thread) {
            answers.push((waiter, outcome));
        }
    }

    /// Hands each thread its answers and wakes it.
    pub(super) fn flush(&mut self) {
        for (thread, answers) in self.by_thread.iter_mut().enumerate() {
            if answers.is_empty() {
                continue;
            }
            let threads = lock(&self.mailboxes.threads);
            let Some(mailbox) = threads.get(thread) else { continue };
            lock(&mailbox.answers).append(answers);
            mailbox.filled.notify_one();
        }
    }
}

/// Why nothing is told of a sender's message: the node has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The core task never got it: it is not in the log.
    NotTaken,
    /// The core task may have got it: it may be in the log or not.
    Lost,
}

impl From<Unanswered> for Stopped {
    fn from(_: Unanswered) -> Self {
        Self
    }
}

/// One HTTP thread's way to append. It lives on that thread.
#[derive(Clone, Debug)]
pub struct Appender {
    commands: Commands,
    waiting: Rc<RefCell<Waiting>>,
}

/// The senders of one thread that wait.
#[derive(Debug)]
struct Waiting {
    next: u64,
    senders: HashMap<WaiterId, oneshot::Sender<Outcome>>,
}

impl Appender {
    /// An appender for the calling thread, with a local task that hands out its answers.
    pub(super) fn new(mailboxes: &Mailboxes, commands: Commands) -> Self {
        let (thread, mailbox) = mailboxes.add();
        let next = thread << SEQUENCE_BITS;
        let waiting = Rc::new(RefCell::new(Waiting { next, senders: HashMap::new() }));
        tokio::task::spawn_local(hand_out(mailbox, waiting.clone()));
        Self { commands, waiting }
    }

    /// Appends a message and waits for its outcome.
    ///
    /// Dropping the future forgets the waiting sender; a message that was handed over stays.
    ///
    /// # Errors
    /// When the node has stopped, and whether it got the message before.
    pub async fn append(&self, append: Append) -> Result<Outcome, Unanswered> {
        self.ask(|waiter| LeaderCommand::Append { waiter, append }).await
    }

    /// Waits for a message that is there already. Dropping the future forgets the waiting sender.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn wait(&self, id: MessageId, wait: Wait) -> Result<Outcome, Stopped> {
        Ok(self.ask(|waiter| LeaderCommand::Wait { waiter, id, wait }).await?)
    }

    async fn ask(
        &self,
        command: impl FnOnce(WaiterId) -> LeaderCommand,
    ) -> Result<Outcome, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let waiter = {
            let mut waiting = self.waiting.borrow_mut();
            let waiter = WaiterId::new(waiting.next);
            waiting.next += 1;
            waiting.senders.insert(waiter, answer);
            waiter
        };
        let guard = Forget { appender: self, waiter };
        self.commands.send(command(waiter)).await.map_err(|Stopped| Unanswered::NotTaken)?;
        let outcome = answered.await.map_err(|_| Unanswered::Lost);
        drop(guard);
        outcome
    }
}

/// Forgets a sender that hung up.
///
/// The answer may be on its way at this moment: it then finds nobody and is dropped. The core is told only while the
/// sender is still in the table, that is, unanswered; it takes no notice of a sender that it has answered. The news goes
/// the same way as the append and so arrives behind it: overtaking it, it would be forgotten, and the waiter would stay.
struct Forget<'a> {
    appender: &'a Appender,
    waiter: WaiterId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if self.appender.waiting.borrow_mut().senders.remove(&self.waiter).is_some() {
            self.appender.commands.send_now(LeaderCommand::Cancel(self.waiter));
        }
    }
}

/// Answers handed out before others have their turn. Each costs its connection's thread some
/// microseconds more, to write the response. Fewer: more turns. More: a request that comes meanwhile
/// waits for longer, three turns until it is answered.
const HAND_OUT_MAX: usize = 32;

/// Hands out a thread's answers: in turn to the sender that asked first and to the one that asked
/// last. Where thousands are answered at once, who sends something now is not answered behind all of
/// them.
async fn hand_out(mailbox: Arc<Mailbox>, waiting: Rc<RefCell<Waiting>>) {
    let mut answers = VecDeque::new();
    loop {
        match answers.is_empty() {
            true => mailbox.filled.notified().await,
            false => yield_now().await,
        }
        let before = answers.len();
        answers.extend(lock(&mailbox.answers).drain(..));
        if answers.len() > HAND_OUT_MAX.max(before) {
            // Senders are numbered as they come. Long runs of these are sorted already.
            answers.make_contiguous().sort_by_key(|(waiter, _)| *waiter);
        }
        for n in 0..HAND_OUT_MAX {
            let next = if n % 2 == 0 { answers.pop_front() } else { answers.pop_back() };
            let Some((waiter, outcome)) = next else { break };
            if let Some(sender) = waiting.borrow_mut().senders.remove(&waiter) {
                // Fails when the sender hangs up at this moment.
                let _ = sender.send(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acklog_protocol::Refusal;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[test]
    fn who_comes_while_thousands_are_answered_is_answered_among_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (mailboxes, (commands, mut taken)) = (Mailboxes::default(), Commands::new());
            let appender = Appender::new(&mailboxes, commands);
            let mut releases = Releases::new(mailboxes);
            let answered = Rc::new(RefCell::new(0));
            let send = || {
                let (appender, answered) = (appender.clone(), answered.clone());
                spawn_local(async move {
                    let (wait, share, key) = (Wait::default(), None, None);
                    let append = Append { batch: "Msg".into(), key, wait, share };
                    appender.append(append).await.unwrap();
                    *answered.borrow_mut() += 1;
                })
            };
            let mut take = async || match taken.recv().await.unwrap().0 {
                LeaderCommand::Append { waiter, .. } => waiter,
                other => panic!("{other:?}"),
            };
            let outcome = || Outcome::Refused(Refusal::DiskBehind { bytes: 1 });
            let crowd: Vec<_> = (0..4000).map(|_| send()).collect();
            let mut waiters = Vec::new();
            for _ in 0..4000 {
                waiters.push(take().await);
            }
            for waiter in waiters.drain(..2000) {
                releases.push(waiter, outcome());
            }
            releases.flush();
            while *answered.borrow() == 0 {
                yield_now().await;
            }
            let late = send();
            releases.push(take().await, outcome());
            // Others that have waited for long are answered behind it.
            for waiter in waiters {
                releases.push(waiter, outcome());
            }
            releases.flush();
            late.await.unwrap();
            let before = *answered.borrow();
            assert!(before < 1000, "{before} were answered before it");
            for sender in crowd {
                sender.await.unwrap();
            }
        });
    }
}
