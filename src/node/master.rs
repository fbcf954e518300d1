//! The master's core task and its handle.

use std::time::{Instant, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::commands::{self, Command, Commands, Queued};
use super::faults::{FaultsCommand, Faulty};
use super::releases::{Appender, Mailboxes, Releases};
use super::sessions::Sessions;
use super::{Append, MAILBOX, Stopped, TURN_MAX, now, sleep_to};
use crate::log::{LogReader, LogWriter, in_memory};
use crate::net::{SessionEvent, accept_all};
use crate::protocol::{
    Effect, ForgetError, Input, Master, MasterHealth, MasterOptions, Outcome, Refusal,
};
use crate::types::{Faults, NodeName, SessionId, WaiterId};

/// Bytes of a message that a log line shows.
const PREVIEW_BYTES: usize = 64;

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

    /// Forgets a secondary, and tells the health of what is left.
    ///
    /// # Errors
    /// When the node has stopped; inside, when the secondary is unknown or live.
    pub async fn forget(
        &self,
        name: NodeName,
    ) -> Result<Result<MasterHealth, ForgetError>, Stopped> {
        self.ask(|answer| Command::Forget(name, answer)).await
    }

    /// Takes no more messages and answers every waiting sender; returns when that is done.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn shut_down(&self) -> Result<(), Stopped> {
        self.ask(Command::Shutdown).await
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

/// Starts a master with an empty log on the current runtime. It serves secondaries on `listener` until `stop`; its
/// tasks are counted by `tasks`.
pub fn start_master(
    options: MasterOptions,
    listener: TcpListener,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> MasterHandle {
    let (writer, reader) = in_memory();
    let (commands, command_queue) = commands::queue();
    let (events, event_queue) = mpsc::channel(MAILBOX);
    let (accepted, accepted_queue) = mpsc::channel(MAILBOX);
    let mailboxes = Mailboxes::default();
    let core = Core {
        machine: Master::new(now(), options, reader.clone()),
        writer,
        reader: reader.clone(),
        sessions: Sessions::new(events, reader.clone(), tasks.clone()),
        releases: Releases::new(mailboxes.clone()),
    };
    let inbox = Inbox { commands: command_queue, events: event_queue, accepted: accepted_queue };
    let stopped = stop.clone();
    tasks.spawn(async move {
        let take = async |stream: TcpStream, address: std::net::SocketAddr| {
            accepted.send((stream, address.to_string())).await.is_ok()
        };
        tokio::select! {
            () = accept_all(listener, take) => {}
            () = stopped.cancelled() => {}
        }
    });
    tasks.spawn(core.run(inbox, stop));
    MasterHandle { commands, mailboxes, reader }
}

/// Where things come to the core task.
struct Inbox {
    commands: mpsc::UnboundedReceiver<Queued>,
    events: mpsc::Receiver<(SessionId, SessionEvent)>,
    accepted: mpsc::Receiver<(TcpStream, String)>,
}

struct Core {
    machine: Master<LogReader>,
    writer: LogWriter,
    reader: LogReader,
    sessions: Sessions,
    releases: Releases,
}

impl Core {
    async fn run(mut self, mut inbox: Inbox, stop: CancellationToken) {
        let mut events = Vec::with_capacity(TURN_MAX);
        let mut commands = Vec::with_capacity(TURN_MAX);
        loop {
            let deadline = self.machine.next_deadline();
            // A node that is paused on demand leaves what its peers send where it is.
            let hears = !self.machine.is_paused();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_to(deadline) => {}
                Some((stream, address)) = inbox.accepted.recv(), if hears => {
                    self.meet(stream, address);
                }
                _ = inbox.events.recv_many(&mut events, TURN_MAX), if hears => {}
                _ = inbox.commands.recv_many(&mut commands, TURN_MAX) => {}
            }
            // Whatever woke the task: all that waits by now belongs to the same turn.
            while commands.len() < TURN_MAX
                && let Ok(command) = inbox.commands.try_recv()
            {
                commands.push(command);
            }
            self.turn(&mut events, &mut commands);
        }
        self.refuse_the_rest(inbox);
    }

    fn meet(&mut self, stream: TcpStream, address: String) {
        if let Some(session) = self.sessions.open(stream) {
            self.machine.step(now(), Input::SessionUp { session, address });
        }
    }

    fn turn(&mut self, events: &mut Vec<(SessionId, SessionEvent)>, commands: &mut Vec<Queued>) {
        let now = now();
        for (session, event) in events.drain(..) {
            match event {
                SessionEvent::Frame(frame) => {
                    self.machine.step(now, Input::Frame { session, frame });
                }
                // A secondary is judged by whole frames.
                SessionEvent::Heard => {}
                SessionEvent::Down(reason) => {
                    self.sessions.close(session);
                    self.machine.step(now, Input::SessionDown { session, reason });
                }
            }
        }
        let mut appended = false;
        let accepted_ms = wall_clock_ms();
        for (command, _room) in commands.drain(..) {
            match command {
                Command::Cancel(waiter) => self.machine.step(now, Input::Cancel(waiter)),
                Command::Append { waiter, append } => {
                    appended |= self.append(now, waiter, &append, accepted_ms);
                }
                Command::Health(answer) => {
                    let _ = answer.send(self.machine.health(now));
                }
                Command::Forget(name, answer) => {
                    let forgotten = self.machine.forget(&name);
                    let _ = answer.send(forgotten.map(|()| self.machine.health(now)));
                }
                Command::Faults(command) => self.obey(now, command),
                Command::Shutdown(answer) => {
                    self.machine.step(now, Input::Shutdown);
                    self.drain();
                    let _ = answer.send(());
                }
            }
        }
        if appended {
            self.writer.flush();
            self.machine.step(now, Input::Durable(self.reader.durable_end()));
        }
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.machine.handle_timeout(now);
        }
        self.drain();
    }

    fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: &Append,
        accepted_ms: u64,
    ) -> bool {
        let Append { text, write_concern, timeout } = append;
        match self.machine.append(now, waiter, *write_concern, *timeout) {
            Ok(id) => {
                assert_eq!(
                    self.writer.append(accepted_ms, None, text),
                    id,
                    "the log is the machine's"
                );
                debug!(%id, text = preview(text), "accepted a message");
                true
            }
            Err(refusal) => {
                debug!(%refusal, "refused a message");
                self.releases.push(waiter, Outcome::Refused(refusal));
                false
            }
        }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Send { session, frame } => self.sessions.send(session, frame),
                Effect::Release { waiter, outcome } => self.releases.push(waiter, outcome),
                Effect::Close { session, .. } => self.sessions.close(session),
            }
        }
        self.releases.flush();
    }

    /// The task ends: whoever wrote to it meanwhile is answered, and nobody can write any more.
    fn refuse_the_rest(mut self, mut inbox: Inbox) {
        inbox.commands.close();
        while let Ok(command) = inbox.commands.try_recv() {
            if let (Command::Append { waiter, .. }, _) = command {
                self.releases.push(waiter, Outcome::Refused(Refusal::ShuttingDown));
            }
        }
        self.releases.flush();
    }
}

impl Faulty for Core {
    fn faults(&self) -> Faults {
        self.machine.faults()
    }

    fn set_faults(&mut self, now: Instant, faults: Faults) {
        self.machine.set_faults(now, faults);
    }

    fn disconnect(&mut self, _: Instant) -> usize {
        self.machine.disconnect()
    }
}

/// Milliseconds since 1970; 0 for a clock before that.
fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// The beginning of a message, for a log line.
fn preview(text: &str) -> &str {
    let end = text.floor_char_boundary(PREVIEW_BYTES);
    text.get(..end).unwrap_or_default()
}
