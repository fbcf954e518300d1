//! The handle with which an HTTP thread appends messages and waits for acks.

use std::cell::RefCell;
use std::rc::Rc;

use acklog_protocol::{Outcome, Wait};
use acklog_types::{MessageId, WaiterId};

use super::commands::{Commands, LeaderCommand};
use super::completions::{Mailboxes, PendingClients};
use super::line_appender::{self, LineAppender, LineOutcomes};
use super::{ClientAppend, NodeStopped};

/// The reason why the outcome of an append is not known: the node has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOutcome {
    /// The core task never received it: it is not in the log.
    NotTaken,
    /// The core task may have received it: it may be in the log or not.
    Lost,
}

impl From<NoOutcome> for NodeStopped {
    fn from(_: NoOutcome) -> Self {
        Self
    }
}

/// Appends messages from one HTTP thread, on which it must stay. A clone is the same appender.
#[derive(Clone, Debug)]
pub struct Appender {
    commands: Commands,
    mailboxes: Mailboxes,
    clients: Rc<RefCell<PendingClients>>,
}

impl Appender {
    /// Returns an appender for the calling thread, with a local task that delivers its outcomes.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks.
    pub(super) fn new(mailboxes: &Mailboxes, commands: Commands) -> Self {
        Self { commands, mailboxes: mailboxes.clone(), clients: mailboxes.register() }
    }

    /// Appends a batch and waits for its outcome.
    ///
    /// Dropping the future cancels the wait; a batch that the core task has received stays.
    ///
    /// # Errors
    /// When the node has stopped, and whether it received the batch before.
    pub async fn append(&self, append: ClientAppend) -> Result<Outcome, NoOutcome> {
        self.ask(|waiter| LeaderCommand::Append { waiter, append }).await
    }

    /// Waits until a stored message fulfils a write concern. Dropping the future cancels the wait.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn wait(&self, id: MessageId, wait: Wait) -> Result<Outcome, NodeStopped> {
        Ok(self.ask(|waiter| LeaderCommand::Wait { waiter, id, wait }).await?)
    }

    /// Opens a stream of appends; none if there are too many.
    pub fn stream(&self) -> Option<(LineAppender, LineOutcomes)> {
        line_appender::open(&self.mailboxes, &self.commands)
    }

    async fn ask(
        &self,
        command: impl FnOnce(WaiterId) -> LeaderCommand,
    ) -> Result<Outcome, NoOutcome> {
        let (waiter, outcome) = self.clients.borrow_mut().add();
        let guard = CancelOnDrop { appender: self, waiter };
        self.commands.send(command(waiter)).await.map_err(|NodeStopped| NoOutcome::NotTaken)?;
        let outcome = outcome.await.map_err(|_| NoOutcome::Lost);
        drop(guard);
        outcome
    }
}

/// Cancels the wait of a client that hung up.
///
/// The outcome may be on its way at this moment: it then finds no client and is dropped. The core
/// task is told only while the client is in the table, that is, unanswered; it ignores the cancel
/// of a client that it has answered. The cancel goes through the same queue as the append and so
/// arrives behind it: if it came first it would be ignored, and the pending ack would stay.
struct CancelOnDrop<'a> {
    appender: &'a Appender,
    waiter: WaiterId,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.appender.clients.borrow_mut().remove(self.waiter) {
            self.appender.commands.send_now(LeaderCommand::Cancel(self.waiter));
        }
    }
}

#[cfg(test)]
mod tests {
    use acklog_protocol::Refusal;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::server::node::completions::{Completions, Released};

    #[test]
    fn who_comes_while_thousands_are_answered_is_answered_among_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (mailboxes, (commands, mut taken)) = (Mailboxes::default(), Commands::new());
            let appender = Appender::new(&mailboxes, commands);
            let mut completions = Completions::new(mailboxes);
            let answered = Rc::new(RefCell::new(0));
            let send = || {
                let (appender, answered) = (appender.clone(), answered.clone());
                spawn_local(async move {
                    let append = ClientAppend {
                        batch: "Msg".into(),
                        key: None,
                        expected_end: None,
                        wait: Wait::default(),
                        share: None,
                    };
                    appender.append(append).await.unwrap();
                    *answered.borrow_mut() += 1;
                })
            };
            let mut take = async || match taken.recv().await.unwrap().0 {
                LeaderCommand::Append { waiter, .. } => waiter,
                other => panic!("{other:?}"),
            };
            let refused = |waiter| {
                let outcome = Outcome::Refused(Refusal::DiskBehind { bytes: 1 });
                Released { waiter, count: 1, outcome }
            };
            let crowd: Vec<_> = (0..4000).map(|_| send()).collect();
            let mut waiters = Vec::new();
            for _ in 0..4000 {
                waiters.push(take().await);
            }
            for waiter in waiters.drain(..2000) {
                completions.push(refused(waiter));
            }
            completions.flush();
            while *answered.borrow() == 0 {
                yield_now().await;
            }
            let late = send();
            completions.push(refused(take().await));
            // Others that have waited for long are answered behind it.
            for waiter in waiters {
                completions.push(refused(waiter));
            }
            completions.flush();
            late.await.unwrap();
            let before = *answered.borrow();
            assert!(before < 1000, "{before} were answered before it");
            for sender in crowd {
                sender.await.unwrap();
            }
        });
    }
}
