//! The master's core task.

mod ending;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, LogWriter, Opened};
use acklog_protocol::{Effect, ForgetError, Input, Master, MasterOptions, RestoredMaster};
use acklog_types::{DiskChange, Faults};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::comparing::{Compared, Comparing};
use super::large::{Large, TURN_WORK, work_of};
use crate::server::net::{SessionEvent, Told};
use crate::server::node::alarm::Alarm;
use crate::server::node::commands::{Command, Forgotten, Queued};
use crate::server::node::faults::Faulty;
use crate::server::node::news::{LogNews, News};
use crate::server::node::releases::{Mailboxes, Releases};
use crate::server::node::sessions::{Read, Sessions};
use crate::server::node::{now, waiting, wall_clock_ms};

/// Senders answered in one turn at most. Fewer: more turns where thousands are answered. More:
/// others wait for longer behind them.
const RELEASES_MAX: usize = 512;

/// A turn that took this long lets the sessions, which share the thread, have theirs.
const LONG_TURN: Duration = Duration::from_micros(200);

/// Where what was asked of other threads comes out.
pub(super) type Results = (mpsc::UnboundedReceiver<Compared>, mpsc::UnboundedReceiver<Read>);

/// Where things come to the core task.
pub(super) struct Inbox {
    pub(super) commands: mpsc::UnboundedReceiver<Queued>,
    pub(super) events: mpsc::Receiver<Told>,
    pub(super) reads: mpsc::UnboundedReceiver<Read>,
    pub(super) accepted: mpsc::Receiver<(TcpStream, String)>,
    pub(super) compared: mpsc::UnboundedReceiver<Compared>,
}

/// What came and is not dealt with yet.
#[derive(Default)]
struct Came {
    events: Vec<Told>,
    reads: Vec<Read>,
    commands: VecDeque<Queued>,
    compared: Vec<Compared>,
}

pub(super) struct Core {
    pub(super) machine: Master<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) releases: Releases,
    pub(super) comparing: Comparing,
    large: Large,
    pub(super) sessions: Sessions,
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
        events: mpsc::Sender<Told>,
        mailboxes: Mailboxes,
        tasks: &TaskTracker,
    ) -> (Self, Results) {
        let Opened { writer, reader, is_old, members, losses, keys, .. } = log;
        let (end, on_disk) = (reader.durable_end(), reader.is_on_disk());
        let restored = RestoredMaster { end, members, keys, on_disk, is_old, losses };
        let (comparing, compared) = Comparing::new(tasks.clone());
        let (sessions, reads) = Sessions::new(events, reader.clone(), tasks.clone());
        let core = Self {
            machine: Master::new(now(), options, restored, reader.clone()),
            writer,
            releases: Releases::new(mailboxes),
            sessions,
            news: LogNews::new(reader.clone()),
            reader,
            forgetting: Vec::new(),
            stopping: Vec::new(),
            comparing,
            large: Large::new(now()),
        };
        (core, (compared, reads))
    }

    pub(super) async fn run(mut self, mut inbox: Inbox, stop: CancellationToken) {
        let mut came = Came::default();
        let mut goes_on = false;
        let mut alarm = Alarm::new(now());
        loop {
            let deadline = self.next_deadline();
            // A node that is paused on demand leaves what its peers send where it is.
            let hears = !self.machine.is_paused();
            if goes_on {
                yield_now().await;
                if stop.is_cancelled() {
                    break;
                }
            } else {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = alarm.sleep_to(deadline) => {}
                    () = self.news.come() => {}
                    Some((stream, address)) = inbox.accepted.recv(), if hears => {
                        self.meet(stream, address);
                    }
                    Some(told) = inbox.events.recv(), if hears => came.events.push(told),
                    Some(read) = inbox.reads.recv(), if hears => came.reads.push(read),
                    Some(compared) = inbox.compared.recv() => came.compared.push(compared),
                    Some(command) = inbox.commands.recv() => came.commands.push_back(command),
                }
            }
            self.collect(&mut inbox, &mut came, hears);
            let now = now();
            self.turn(now, deadline, &mut came);
            goes_on = self.drain(now) || !came.commands.is_empty();
            let end = crate::server::node::now();
            self.large.note_durable(end, self.reader.durable_end());
            if end.saturating_duration_since(now) >= LONG_TURN {
                yield_now().await;
            }
        }
        self.end(inbox, came.commands);
    }

    /// Whatever woke the task: all that waits by now belongs to the same turn. So a disk or a clock that
    /// always has something to tell cannot keep the others from being heard.
    fn collect(&mut self, inbox: &mut Inbox, came: &mut Came, hears: bool) {
        if hears {
            if let Ok((stream, address)) = inbox.accepted.try_recv() {
                self.meet(stream, address);
            }
            came.events.extend(waiting(came.events.len(), || inbox.events.try_recv()));
            came.reads.extend(waiting(came.reads.len(), || inbox.reads.try_recv()));
        }
        came.compared.extend(waiting(came.compared.len(), || inbox.compared.try_recv()));
        came.commands.extend(waiting(came.commands.len(), || inbox.commands.try_recv()));
    }

    fn next_deadline(&self) -> Option<Instant> {
        let own = [self.comparing.next_deadline(), self.large.next_deadline()];
        own.into_iter().flatten().chain(self.machine.next_deadline()).min()
    }

    fn meet(&mut self, stream: TcpStream, address: String) {
        if let Some(session) = self.sessions.open(stream) {
            self.machine.step(now(), Input::SessionUp { session, address });
        }
    }

    /// Deals with what came.
    fn turn(&mut self, now: Instant, deadline: Option<Instant>, came: &mut Came) {
        for told in came.events.drain(..) {
            let session = told.session;
            match told.event {
                SessionEvent::Frame(frame) => {
                    self.machine.step(now, Input::Frame { session, frame });
                }
                SessionEvent::Heard => self.machine.step(now, Input::Heard(session)),
                SessionEvent::Down(reason) => {
                    self.hang_up(session);
                    self.machine.step(now, Input::SessionDown { session, reason });
                }
            }
        }
        for read in came.reads.drain(..) {
            self.take_read(now, read);
        }
        let accepted_ms = wall_clock_ms();
        let mut appended = false;
        for compared in came.compared.drain(..) {
            appended |= self.compared(now, compared, accepted_ms);
        }
        appended |= self.take_commands(now, &mut came.commands, accepted_ms);
        if let Some((waiter, append)) = self.large.pop_due(now) {
            appended |= self.append(now, waiter, append, accepted_ms);
            self.large.note_taken(now, self.writer.end());
        }
        if appended {
            self.writer.flush();
            self.sessions.note_append();
        }
        // Before any time limit is judged: a message that is stored by now is told as such.
        self.hear_log(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.machine.look(now, |session| self.sessions.look(session));
            self.machine.handle_timeout(now);
            self.expire_comparing(now);
        }
    }

    /// Records were read for a peer, or cannot be.
    fn take_read(&mut self, now: Instant, read: Read) {
        let (session, found) = (read.session, read.found());
        self.sessions.take_read(read);
        self.machine.step(now, Input::Read { session, found });
    }

    /// Takes commands in the order in which they came, until the appends among them are work enough
    /// for a turn. Returns whether something was appended.
    fn take_commands(
        &mut self,
        now: Instant,
        commands: &mut VecDeque<Queued>,
        accepted_ms: u64,
    ) -> bool {
        let (mut appended, mut work) = (false, 0);
        while work < TURN_WORK
            && let Some((command, _room)) = commands.pop_front()
        {
            match command {
                Command::Append { waiter, append } => {
                    let more = work_of(&append);
                    if more > TURN_WORK {
                        self.large.push(waiter, append);
                        continue;
                    }
                    work += more;
                    self.large.note_small(now);
                    appended |= self.append(now, waiter, append, accepted_ms);
                }
                other => self.follow(now, other),
            }
        }
        appended
    }

    /// Does what is asked, but for appends.
    fn follow(&mut self, now: Instant, command: Command) {
        match command {
            Command::Append { .. } => unreachable!("taken before"),
            Command::Wait { waiter, id, wait } => self.join(now, waiter, id, wait, false),
            Command::Cancel(waiter) => {
                if !self.comparing.cancel(waiter) && !self.large.cancel(waiter) {
                    self.machine.step(now, Input::Cancel(waiter));
                }
            }
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
                self.refuse_large(now);
                self.stopping.push(answer);
            }
            Command::GiveUp(answer) => {
                // Whatever is durable by now is told as such.
                self.hear_log(now);
                self.give_up(now);
                self.stopping.push(answer);
            }
        }
    }

    /// Tells the machine what the log has done by itself.
    fn hear_log(&mut self, now: Instant) {
        let News { durable, disk, damage } = self.news.take();
        if let Some(end) = durable {
            self.machine.step(now, Input::Durable(end));
        }
        let remembered = self.reader.members_version();
        if remembered > self.machine.remembered_version() {
            self.machine.step(now, Input::Remembered(remembered));
        }
        match disk {
            Some(DiskChange::Fault(fault)) => self.machine.step(now, Input::DiskFault(fault)),
            Some(DiskChange::Well) => self.machine.step(now, Input::DiskWell),
            None => {}
        }
        if let Some(damage) = damage {
            if damage.is_none() {
                self.sessions.expect_no_messages();
            }
            self.machine.step(now, Input::Damage(damage));
        }
    }

    /// Carries out the effects. In memory names are written down at once, and what that lets the machine do is carried
    /// out too. Returns whether more are left: no turn answers more than some hundred senders.
    fn drain(&mut self, now: Instant) -> bool {
        let mut released = 0;
        loop {
            let mut asked = false;
            while released < RELEASES_MAX
                && let Some(effect) = self.machine.poll_effect()
            {
                match effect {
                    Effect::Send { session, frame } => self.sessions.send(session, frame),
                    Effect::Read { session, order } => self.sessions.read(session, order),
                    Effect::Release { waiter, outcome } => {
                        self.releases.push(waiter, outcome);
                        released += 1;
                    }
                    Effect::Close { session, .. } => self.hang_up(session),
                    Effect::Mend { peer, run } => self.reader.mend(&peer, &run),
                    Effect::Compare { session, end, told } => {
                        self.comparing.begin_log(self.reader.clone(), session, end, told);
                    }
                    Effect::Remember { version, names, losses } => {
                        self.writer.persist_members(version, names, losses);
                        asked = true;
                    }
                }
            }
            if !asked {
                break;
            }
            self.hear_log(now);
        }
        self.sessions.end_turn();
        self.releases.flush();
        if !self.forgetting.is_empty() {
            self.answer_forgetting(now);
        }
        let waiting =
            self.machine.has_waiters() || !self.comparing.is_empty() || !self.large.is_empty();
        if !self.stopping.is_empty() && !waiting {
            for answer in self.stopping.drain(..) {
                let _ = answer.send(());
            }
        }
        released == RELEASES_MAX
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
