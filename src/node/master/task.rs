//! The master's core task.

use std::time::{Instant, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::log::{LogReader, LogWriter, Opened};
use crate::net::SessionEvent;
use crate::node::commands::{Command, Forgotten, Queued};
use crate::node::faults::Faulty;
use crate::node::news::{LogNews, News};
use crate::node::releases::{Mailboxes, Releases};
use crate::node::sessions::Sessions;
use crate::node::{TURN_MAX, now, sleep_to};
use crate::protocol::{Effect, ForgetError, Input, Master, MasterOptions, RestoredMaster};
use crate::types::{DiskChange, Faults, SessionId};

/// Where things come to the core task.
pub(super) struct Inbox {
    pub(super) commands: mpsc::UnboundedReceiver<Queued>,
    pub(super) events: mpsc::Receiver<(SessionId, SessionEvent)>,
    pub(super) accepted: mpsc::Receiver<(TcpStream, String)>,
}

pub(super) struct Core {
    pub(super) machine: Master<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) releases: Releases,
    sessions: Sessions,
    news: LogNews,
    /// Who is answered when the list of names of that version is written down.
    forgetting: Vec<(u64, Forgotten)>,
    /// Who is answered when no sender waits any more.
    stopping: Vec<oneshot::Sender<()>>,
}

impl Core {
    pub(super) fn new(
        options: MasterOptions,
        log: Opened,
        events: mpsc::Sender<(SessionId, SessionEvent)>,
        mailboxes: Mailboxes,
        tasks: &TaskTracker,
    ) -> Self {
        let Opened { writer, reader, members, keys, .. } = log;
        let (end, on_disk) = (reader.durable_end(), reader.is_on_disk());
        let restored = RestoredMaster { end, members, keys, on_disk };
        Self {
            machine: Master::new(now(), options, restored, reader.clone()),
            writer,
            releases: Releases::new(mailboxes),
            sessions: Sessions::new(events, reader.clone(), tasks.clone()),
            news: LogNews::new(reader.clone()),
            reader,
            forgetting: Vec::new(),
            stopping: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut inbox: Inbox, stop: CancellationToken) {
        let mut events = Vec::with_capacity(TURN_MAX);
        let mut commands = Vec::with_capacity(TURN_MAX);
        loop {
            let deadline = self.machine.next_deadline();
            // A node that is paused on demand leaves what its peers send where it is.
            let hears = !self.machine.is_paused();
            let mut changed = false;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_to(deadline) => {}
                () = self.news.come() => changed = true,
                Some((stream, address)) = inbox.accepted.recv(), if hears => {
                    self.meet(stream, address);
                }
                _ = inbox.events.recv_many(&mut events, TURN_MAX), if hears => {}
                _ = inbox.commands.recv_many(&mut commands, TURN_MAX) => {}
            }
            // Whatever woke the task: all that waits by now belongs to the same turn. So a disk or a clock that
            // always has something to tell cannot keep the others from being heard.
            if hears {
                if let Ok((stream, address)) = inbox.accepted.try_recv() {
                    self.meet(stream, address);
                }
                while events.len() < TURN_MAX
                    && let Ok(event) = inbox.events.try_recv()
                {
                    events.push(event);
                }
            }
            while commands.len() < TURN_MAX
                && let Ok(command) = inbox.commands.try_recv()
            {
                commands.push(command);
            }
            self.turn(&mut events, &mut commands, changed);
        }
        self.end(inbox);
    }

    fn meet(&mut self, stream: TcpStream, address: String) {
        if let Some(session) = self.sessions.open(stream) {
            self.machine.step(now(), Input::SessionUp { session, address });
        }
    }

    fn turn(
        &mut self,
        events: &mut Vec<(SessionId, SessionEvent)>,
        commands: &mut Vec<Queued>,
        changed: bool,
    ) {
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
                Command::Append { waiter, append } => {
                    appended |= self.append(now, waiter, &append, accepted_ms);
                }
                other => self.follow(now, other),
            }
        }
        if appended {
            self.writer.flush();
        }
        if appended || changed {
            self.hear_log(now);
        }
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.machine.handle_timeout(now);
        }
        self.drain(now);
    }

    /// Does what is asked, but for appends.
    fn follow(&mut self, now: Instant, command: Command) {
        match command {
            Command::Append { .. } => unreachable!("taken before"),
            Command::Wait { waiter, id, wait } => self.join(now, waiter, id, wait, false),
            Command::Cancel(waiter) => self.machine.step(now, Input::Cancel(waiter)),
            Command::Health(answer) => {
                let _ = answer.send(self.machine.health(now));
            }
            Command::Forget(name, answer) => match self.machine.forget(&name) {
                Ok(version) => self.forgetting.push((version, answer)),
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
            Command::Faults(command) => self.obey(now, command),
            Command::Shutdown(answer) => {
                self.machine.step(now, Input::Shutdown);
                self.stopping.push(answer);
            }
            Command::GiveUp(answer) => {
                // Whatever is durable by now is told as such.
                self.hear_log(now);
                self.machine.step(now, Input::GiveUp);
                self.stopping.push(answer);
            }
        }
    }

    /// Tells the machine what the log has done by itself.
    fn hear_log(&mut self, now: Instant) {
        let News { durable, disk } = self.news.take();
        if let Some(end) = durable {
            self.machine.step(now, Input::Durable(end));
        }
        let remembered = self.reader.remembered();
        if remembered > self.machine.remembered_version() {
            self.machine.step(now, Input::Remembered(remembered));
        }
        match disk {
            Some(DiskChange::Fault(fault)) => self.machine.step(now, Input::DiskFault(fault)),
            Some(DiskChange::Well) => self.machine.step(now, Input::DiskWell),
            None => {}
        }
    }

    /// Carries out the effects. In memory names are written down at once, and what that lets the machine do is carried
    /// out too.
    fn drain(&mut self, now: Instant) {
        loop {
            let mut asked = false;
            while let Some(effect) = self.machine.poll_effect() {
                match effect {
                    Effect::Send { session, frame } => self.sessions.send(session, frame),
                    Effect::Release { waiter, outcome } => self.releases.push(waiter, outcome),
                    Effect::Close { session, .. } => self.sessions.close(session),
                    Effect::Remember { version, names } => {
                        self.writer.remember(version, names);
                        asked = true;
                    }
                }
            }
            if !asked {
                break;
            }
            self.hear_log(now);
        }
        self.releases.flush();
        if !self.forgetting.is_empty() {
            self.answer_forgetting(now);
        }
        if !self.stopping.is_empty() && !self.machine.has_waiters() {
            for answer in self.stopping.drain(..) {
                let _ = answer.send(());
            }
        }
    }

    /// Answers those whose secondary is forgotten for good, or never will be.
    fn answer_forgetting(&mut self, now: Instant) {
        let written = self.machine.remembered_version();
        for (version, answer) in std::mem::take(&mut self.forgetting) {
            if version <= written {
                let _ = answer.send(Ok(self.machine.health(now)));
            } else if let Some(fault) = self.news.fault().filter(|fault| !fault.is_passing()) {
                let _ = answer.send(Err(ForgetError::DiskFault(fault.clone())));
            } else {
                self.forgetting.push((version, answer));
            }
        }
    }

    /// The task ends: whoever still waits or wrote to it meanwhile is answered, and nobody can write any more.
    fn end(mut self, mut inbox: Inbox) {
        let now = now();
        self.hear_log(now);
        self.machine.step(now, Input::GiveUp);
        self.drain(now);
        inbox.commands.close();
        while let Ok((command, _)) = inbox.commands.try_recv() {
            match command {
                // Refused, unless it was sent before: then it may be in the log, and its sender is told so.
                Command::Append { waiter, append } => {
                    self.append(now, waiter, &append, wall_clock_ms());
                }
                Command::Wait { waiter, id, wait } => self.join(now, waiter, id, wait, false),
                _ => {}
            }
        }
        self.machine.step(now, Input::GiveUp);
        self.drain(now);
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
