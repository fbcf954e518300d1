//! A running master: how it is started, and its handle.

mod comparing;
mod large;
mod senders;
mod task;

use std::time::Duration;

use acklog_log::{LogReader, Opened};
use acklog_protocol::{ForgetError, MasterHealth, MasterOptions};
use acklog_types::NodeName;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::task::{Core, Inbox};
use super::commands::{self, Command, Commands};
use super::faults::FaultsCommand;
use super::releases::{Appender, Mailboxes};
use super::{MAILBOX, Stopped};
use crate::server::accepting::Accepting;

/// A running master, as HTTP sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MasterHandle {
    commands: Commands,
    mailboxes: Mailboxes,
    reader: LogReader,
}

impl MasterHandle {
    /// The log.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// An appender for the calling thread.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks.
    pub fn appender(&self) -> Appender {
        Appender::new(&self.mailboxes, self.commands.clone())
    }

    /// What `/health` shows.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn health(&self) -> Result<MasterHealth, Stopped> {
        self.ask(Command::Health).await
    }

    /// Forgets a secondary, and tells the health of what is left once that is written down.
    ///
    /// # Errors
    /// When the node has stopped; inside, when the secondary is unknown or live.
    pub async fn forget(
        &self,
        name: NodeName,
    ) -> Result<Result<MasterHealth, ForgetError>, Stopped> {
        self.ask(|answer| Command::Forget(name, answer)).await
    }

    /// Takes no more messages and answers every waiting sender; returns when that is done. Those whose messages are on
    /// their way to the disk are answered when they are there, or after `patience`.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn shut_down(&self, patience: Duration) -> Result<(), Stopped> {
        match timeout(patience, self.ask(Command::Shutdown)).await {
            Ok(answered) => answered,
            Err(_) => self.ask(Command::GiveUp).await,
        }
    }

    /// Hands a command about faults to the core task.
    pub(super) async fn fault(&self, command: FaultsCommand) -> Result<(), Stopped> {
        self.commands.send(Command::Faults(command)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }
}

/// Starts a master on the current runtime. It goes on where its log ends and serves secondaries on `listener` until
/// `stop`; its tasks are counted by `tasks`.
///
/// # Panics
/// When the options name another log than the one that was opened.
pub fn start_master(
    options: MasterOptions,
    log: Opened,
    listener: TcpListener,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> MasterHandle {
    assert!(log.log.is_none_or(|log| log == options.log), "the options name another log");
    let reader = log.reader.clone();
    let (commands, command_queue) = commands::queue();
    let (events, event_queue) = mpsc::channel(MAILBOX);
    let (accepted, accepted_queue) = mpsc::channel(MAILBOX);
    let mailboxes = Mailboxes::default();
    let (core, results) = Core::new(options, log, events, mailboxes.clone(), tasks);
    let (compared, reads) = results;
    let (commands_in, events_in, accepted_in) = (command_queue, event_queue, accepted_queue);
    let inbox =
        Inbox { commands: commands_in, events: events_in, reads, accepted: accepted_in, compared };
    let stopped = stop.clone();
    tasks.spawn(async move {
        let mut accepting = Accepting::new(listener, "secondaries");
        let accept_all = async {
            loop {
                let (stream, address) = accepting.next(|| false).await;
                if accepted.send((stream, address.to_string())).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = accept_all => {}
            () = stopped.cancelled() => {}
        }
    });
    tasks.spawn(core.run(inbox, stop));
    MasterHandle { commands, mailboxes, reader }
}

#[cfg(test)]
mod disk_tests;

#[cfg(test)]
mod forget_tests;
#[cfg(test)]
mod handshake_tests;

#[cfg(test)]
mod tests;
