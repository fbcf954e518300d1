//! Requests from HTTP to a core task, and the two lanes that carry them.
//!
//! Appends and all that must stay in order with them go through [`Commands`]. Everything else goes
//! through a [`ControlLane`], which the core task reads first: `/health` answers at once, however
//! many appends wait. So for a moment after the signal to stop, which goes in order with the
//! appends, a node may still say that it is ready.

use std::sync::Arc;

use acklog_protocol::{CopyStatus, ForgetError, MasterHealth, SecondaryHealth, Wait};
use acklog_types::{LogEnd, MessageId, NodeName, WaiterId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::line_batch::LineBatch;
use super::peer_place::PeerPlace;
use super::{ClientAppend, MAILBOX, NodeStopped};

/// Receives the health of the rest of the cluster once a secondary is forgotten.
pub(super) type Forgotten = oneshot::Sender<Result<MasterHealth, ForgetError>>;

/// A command to a master's core task, in order with the appends.
#[derive(Debug)]
pub(super) enum LeaderCommand {
    /// Appends a batch for this client.
    Append { waiter: WaiterId, append: ClientAppend },
    /// Appends lines of a stream, each for a client of its own.
    AppendLines(LineBatch),
    /// Drops what is left of a stream that ended: its clients, from this one on.
    CancelLines { first: WaiterId, count: u64 },
    /// Waits for a message that is stored already.
    Wait { waiter: WaiterId, id: MessageId, wait: Wait },
    /// Drops the pending ack of a client that hung up.
    Cancel(WaiterId),
    /// Refuses further messages, and answers once no ack is pending.
    Shutdown(oneshot::Sender<()>),
    /// Answers all pending acks now.
    GiveUp(oneshot::Sender<()>),
}

/// A control request to a master's core task.
#[derive(Debug)]
pub(super) enum LeaderControl {
    /// Reports what `/health` shows.
    Health(oneshot::Sender<MasterHealth>),
    /// Reports the copies of the message before this end.
    Copies(LogEnd, oneshot::Sender<Vec<CopyStatus>>),
    /// Reports where each secondary that counts serves HTTP.
    Peers(oneshot::Sender<Vec<PeerPlace>>),
    /// Forgets a secondary.
    Forget(NodeName, Forgotten),
}

/// A control request to a secondary's core task.
#[derive(Debug)]
pub(super) enum FollowerControl {
    /// Reports what `/health` shows.
    Health(oneshot::Sender<SecondaryHealth>),
}

/// The writing end of a lane for control requests: at most [`MAILBOX`] wait in it, and further
/// requests wait for room. A clone is the same lane.
#[derive(Debug)]
pub(super) struct ControlLane<C>(mpsc::Sender<C>);

impl<C> Clone for ControlLane<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> ControlLane<C> {
    /// Creates a lane, and the end that the core task reads.
    pub(super) fn new() -> (Self, mpsc::Receiver<C>) {
        let (lane, requests) = mpsc::channel(MAILBOX);
        (Self(lane), requests)
    }

    /// Sends a request once there is room, and returns its answer. Cancel safe: dropped before,
    /// nothing is sent.
    ///
    /// # Errors
    /// When the node has stopped.
    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> C,
    ) -> Result<T, NodeStopped> {
        let (answer, answered) = oneshot::channel();
        self.0.send(request(answer)).await.map_err(|_| NodeStopped)?;
        answered.await.map_err(|_| NodeStopped)
    }
}

/// A command with the permit for its place in the queue, dropped when the command is taken.
pub(super) type Queued<C> = (C, Option<OwnedSemaphorePermit>);

/// The writing end of a master's command queue. Commands arrive in the order in which they were
/// sent. A clone is the same queue.
///
/// At most [`MAILBOX`] commands wait in it, and further ones wait for room. A cancel cannot wait,
/// since a drop sends it: it needs no room. Cancels are bounded by the number of pending clients,
/// each of which sends one at most.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    queue: mpsc::UnboundedSender<Queued<LeaderCommand>>,
    room: Arc<Semaphore>,
}

impl Commands {
    /// Creates a queue, and the end that the core task reads.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Queued<LeaderCommand>>) {
        let (queue, taken) = mpsc::unbounded_channel();
        (Self { queue, room: Arc::new(Semaphore::new(MAILBOX)) }, taken)
    }

    /// Sends a command once there is room. Cancel safe: dropped before, nothing is sent.
    pub(super) async fn send(&self, command: LeaderCommand) -> Result<(), NodeStopped> {
        self.room().await?.send(command)
    }

    /// Waits for room for a command. Cancel safe.
    pub(super) async fn room(&self) -> Result<CommandRoom<'_>, NodeStopped> {
        let permit = tokio::select! {
            biased;
            permit = self.room.clone().acquire_owned() => permit.map_err(|_| NodeStopped)?,
            () = self.queue.closed() => return Err(NodeStopped),
        };
        Ok(CommandRoom { commands: self, permit })
    }

    /// Sends a command once there is room, and returns its answer.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> LeaderCommand,
    ) -> Result<T, NodeStopped> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer)).await?;
        answered.await.map_err(|_| NodeStopped)
    }

    /// Sends a command at once.
    pub(super) fn send_now(&self, command: LeaderCommand) {
        // Fails when the node has stopped, and then no client waits.
        let _ = self.queue.send((command, None));
    }
}

/// Room for one command in a queue.
pub(super) struct CommandRoom<'a> {
    commands: &'a Commands,
    permit: OwnedSemaphorePermit,
}

impl CommandRoom<'_> {
    /// Sends a command at once.
    pub(super) fn send(self, command: LeaderCommand) -> Result<(), NodeStopped> {
        self.commands.queue.send((command, Some(self.permit))).map_err(|_| NodeStopped)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Sends a command, if that need not wait.
    fn send_at_once(commands: &Commands) -> Poll<Result<(), NodeStopped>> {
        let command = LeaderCommand::GiveUp(oneshot::channel().0);
        pin!(commands.send(command)).poll(&mut Context::from_waker(Waker::noop()))
    }

    // Outside of a runtime, which would have a task that sends so much pause.
    #[test]
    fn some_hundred_commands_have_room_and_who_comes_then_waits() {
        let (commands, mut taken) = Commands::new();
        let sent = (0..10_000).take_while(|_| send_at_once(&commands).is_ready());
        assert_eq!(sent.count(), 256);
        commands.send_now(LeaderCommand::Cancel(WaiterId::new(1)));
        assert!(send_at_once(&commands).is_pending(), "a cancel makes no room");
        drop(taken.try_recv().unwrap());
        assert!(matches!(send_at_once(&commands), Poll::Ready(Ok(()))), "one was taken");
        drop(taken);
        assert!(matches!(send_at_once(&commands), Poll::Ready(Err(NodeStopped))));
    }
}
