//! What HTTP asks of a core task, and the queue in which it does.

use std::sync::Arc;

use acklog_protocol::{ForgetError, MasterHealth, SecondaryHealth, Wait};
use acklog_types::{MessageId, NodeName, WaiterId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Append, MAILBOX, Stopped};

/// Where the health of what is left goes once a secondary is forgotten.
pub(super) type Forgotten = oneshot::Sender<Result<MasterHealth, ForgetError>>;

/// What HTTP asks of a master's core task.
#[derive(Debug)]
pub(super) enum Command {
    /// Append a message for this sender.
    Append { waiter: WaiterId, append: Append },
    /// Let this sender wait for a message that is there already.
    Wait { waiter: WaiterId, id: MessageId, wait: Wait },
    /// This sender no longer waits.
    Cancel(WaiterId),
    /// What `/health` shows.
    Health(oneshot::Sender<MasterHealth>),
    /// Forget a secondary.
    Forget(NodeName, Forgotten),
    /// Take no more messages, and tell when everybody is answered.
    Shutdown(oneshot::Sender<()>),
    /// Answer everybody who still waits, now.
    GiveUp(oneshot::Sender<()>),
}

/// What HTTP asks of a secondary's core task.
#[derive(Debug)]
pub(super) enum SecondaryCommand {
    /// What `/health` shows.
    Health(oneshot::Sender<SecondaryHealth>),
}

/// A command with its place in the queue, which it gives up when it is taken.
pub(super) type Queued<C> = (C, Option<OwnedSemaphorePermit>);

/// The writing end of the queue. Commands arrive in the order in which they were sent.
///
/// There is room for [`MAILBOX`] commands, and whoever finds none waits. Cancels cannot wait, since they are sent by a
/// drop: they need no room, and are bounded by the senders that wait, of whom each sends one at most.
#[derive(Debug)]
pub(super) struct Commands<C> {
    queue: mpsc::UnboundedSender<Queued<C>>,
    room: Arc<Semaphore>,
}

impl<C> Clone for Commands<C> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), room: self.room.clone() }
    }
}

/// A new queue.
pub(super) fn queue<C>() -> (Commands<C>, mpsc::UnboundedReceiver<Queued<C>>) {
    let (queue, taken) = mpsc::unbounded_channel();
    (Commands { queue, room: Arc::new(Semaphore::new(MAILBOX)) }, taken)
}

impl<C> Commands<C> {
    /// Sends a command once there is room. Cancel safe: dropped before, nothing is sent.
    pub(super) async fn send(&self, command: C) -> Result<(), Stopped> {
        let permit = tokio::select! {
            biased;
            permit = self.room.clone().acquire_owned() => permit.map_err(|_| Stopped)?,
            () = self.queue.closed() => return Err(Stopped),
        };
        self.queue.send((command, Some(permit))).map_err(|_| Stopped)
    }

    /// Sends a command once there is room, and returns its answer.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> C,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Sends a command at once.
    pub(super) fn send_now(&self, command: C) {
        // Fails when the node has stopped, and then nobody waits any more.
        let _ = self.queue.send((command, None));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Sends a command, if that need not wait.
    fn send_at_once(commands: &Commands<Command>) -> Poll<Result<(), Stopped>> {
        let health = Command::Health(oneshot::channel().0);
        pin!(commands.send(health)).poll(&mut Context::from_waker(Waker::noop()))
    }

    // Outside of a runtime, which would have a task that sends so much pause.
    #[test]
    fn some_hundred_commands_have_room_and_who_comes_then_waits() {
        let (commands, mut taken) = queue();
        let sent = (0..10_000).take_while(|_| send_at_once(&commands).is_ready());
        assert_eq!(sent.count(), 256);
        commands.send_now(Command::Cancel(WaiterId::new(1)));
        assert!(send_at_once(&commands).is_pending(), "a cancel makes no room");
        drop(taken.try_recv().unwrap());
        assert!(matches!(send_at_once(&commands), Poll::Ready(Ok(()))), "one was taken");
        drop(taken);
        assert!(matches!(send_at_once(&commands), Poll::Ready(Err(Stopped))));
    }
}
