//! The loop that drives a node's state machine, the same for both roles.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, LogWriter};
use acklog_protocol::{Effect, FaultHooks, Faulty, Input, Machine, SessionEnd};
use acklog_types::{DiskChange, Faults, SessionId};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;
use super::commands::Queued;
use super::faults::FaultsCommand;
use super::news::{LogNews, News};
use super::protocol_log::LogRole;
use super::sessions::{Read, Sessions};
use super::{MAILBOX, TURN_MAX, now};
use crate::server::net::{SessionEvent, Told};

/// Senders answered in one turn at most. Fewer: more turns where thousands are answered. More:
/// others wait for longer behind them.
const RELEASES_MAX: usize = 512;

/// Work of the commands of one turn, in bytes that take as long to copy: a fraction of a millisecond.
/// Smaller: more turns and so more overhead for messages of some kilobytes. Larger: others wait for
/// longer.
pub(super) const TURN_WORK: usize = 256 * 1024;

/// A turn that took this long lets the sessions, which share the thread, have theirs.
const LONG_TURN: Duration = Duration::from_micros(200);

/// What a core task does in one role only. Each function has the core at hand, with the role in it.
pub(super) trait Role: Sized {
    /// The state machine.
    type Machine: FaultHooks;
    /// What HTTP asks.
    type Command;
    /// A connection to a peer, or why there is none.
    type Connection;
    /// Work that another thread has done.
    type Done;

    /// Whose log lines the machine's events become.
    const LOGS_AS: LogRole;

    /// Takes a connection that was accepted or dialed.
    fn connected(core: &mut Core<Self>, connection: Self::Connection);

    /// Tells more of why a connection ended.
    fn explained(&self, reason: SessionEnd) -> SessionEnd {
        reason
    }

    /// Takes in what another thread has done.
    fn done(core: &mut Core<Self>, now: Instant, done: Self::Done);

    /// Does what is asked. Returns how much work that was, as [`TURN_WORK`] has it.
    fn obey(core: &mut Core<Self>, now: Instant, command: Self::Command) -> usize;

    /// Does what waited for its turn. Called once a turn, behind the commands.
    fn take_waiting(_core: &mut Core<Self>, _now: Instant) {}

    /// What was appended is on its way to the disk.
    fn flushed(_core: &mut Core<Self>) {}

    /// Tells the machine what else the log has done by itself.
    fn hear_log(_core: &mut Core<Self>, _now: Instant) {}

    /// The log is whole again, after damage.
    fn log_is_whole(_core: &mut Core<Self>) {}

    /// Carries out an effect of this role.
    fn carry_out(core: &mut Core<Self>, effect: <Self::Machine as Machine>::Effect) -> CarriedOut;

    /// Forgets a session that is closed.
    fn hung_up(&mut self, _session: SessionId) {}

    /// All effects of a turn are carried out, or as many as one turn does.
    fn drained(_core: &mut Core<Self>, _now: Instant) {}

    /// Returns when [`take_waiting`](Self::take_waiting) has something to do.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Ends the task.
    fn end(core: Core<Self>, inbox: Inbox<Self>, commands: VecDeque<Queued<Self::Command>>);
}

/// What an effect of a role calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CarriedOut {
    /// Nothing more.
    Done,
    /// A sender is answered: no turn answers more than some hundred.
    Released,
    /// The log was written to, and may have something to tell at once.
    Wrote,
}

/// Where things come to a core task.
pub(super) struct Inbox<R: Role> {
    pub(super) commands: mpsc::UnboundedReceiver<Queued<R::Command>>,
    pub(super) faults: mpsc::Receiver<FaultsCommand>,
    pub(super) events: mpsc::Receiver<Told>,
    pub(super) reads: mpsc::UnboundedReceiver<Read>,
    pub(super) connections: mpsc::Receiver<R::Connection>,
    pub(super) done: mpsc::UnboundedReceiver<R::Done>,
}

/// What came and is not dealt with yet.
pub(super) struct Came<R: Role> {
    pub(super) events: Vec<Told>,
    reads: Vec<Read>,
    faults: Vec<FaultsCommand>,
    commands: VecDeque<Queued<R::Command>>,
    done: Vec<R::Done>,
}

impl<R: Role> Default for Came<R> {
    fn default() -> Self {
        let (events, reads, faults) = (Vec::new(), Vec::new(), Vec::new());
        Self { events, reads, faults, commands: VecDeque::new(), done: Vec::new() }
    }
}

/// A node's core task.
pub(super) struct Core<R: Role> {
    pub(super) machine: Faulty<R::Machine>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) sessions: Sessions,
    pub(super) news: LogNews,
    /// Whether something was appended that the log was not told to write.
    pub(super) appended: bool,
    pub(super) role: R,
}

/// Makes the sessions of a node. Returns also where what happens on them comes out, and what is read for them.
pub(super) fn sessions(
    reader: &LogReader,
    tasks: &TaskTracker,
) -> (Sessions, mpsc::Receiver<Told>, mpsc::UnboundedReceiver<Read>) {
    let (told, events) = mpsc::channel(MAILBOX);
    let (sessions, reads) = Sessions::new(told, reader.clone(), tasks.clone());
    (sessions, events, reads)
}

impl<R: Role> Core<R> {
    /// A core task around a machine, with these faults from the start.
    pub(super) fn new(
        machine: R::Machine,
        faults: Faults,
        log: (LogWriter, LogReader),
        sessions: Sessions,
        role: R,
    ) -> Self {
        let (writer, reader) = log;
        let (mut machine, news) =
            (Faulty::new(now(), machine, faults), LogNews::new(reader.clone()));
        machine.events().set_detail(R::LOGS_AS.detail());
        let mut core = Self { machine, writer, reader, sessions, news, appended: false, role };
        core.log_events();
        core
    }

    pub(super) async fn run(mut self, mut inbox: Inbox<R>, stop: CancellationToken) {
        let mut came = Came::default();
        let mut goes_on = false;
        let mut alarm = Alarm::new(now());
        loop {
            let own = self.role.next_deadline();
            let deadline = own.into_iter().chain(self.machine.next_deadline()).min();
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
                    Some(connection) = inbox.connections.recv(), if hears => {
                        R::connected(&mut self, connection);
                    }
                    Some(told) = inbox.events.recv(), if hears => came.events.push(told),
                    Some(read) = inbox.reads.recv(), if hears => came.reads.push(read),
                    Some(done) = inbox.done.recv() => came.done.push(done),
                    Some(command) = inbox.faults.recv() => came.faults.push(command),
                    Some(command) = inbox.commands.recv() => came.commands.push_back(command),
                }
            }
            self.collect(&mut inbox, &mut came, hears);
            let now = now();
            self.turn(now, deadline, &mut came);
            goes_on = self.drain(now) || !came.commands.is_empty();
            if super::now().saturating_duration_since(now) >= LONG_TURN {
                yield_now().await;
            }
        }
        R::end(self, inbox, came.commands);
    }

    /// Whatever woke the task: all that waits by now belongs to the same turn. So a disk or a clock that
    /// always has something to tell cannot keep the others from being heard.
    pub(super) fn collect(&mut self, inbox: &mut Inbox<R>, came: &mut Came<R>, hears: bool) {
        if hears {
            if let Ok(connection) = inbox.connections.try_recv() {
                R::connected(self, connection);
            }
            came.events.extend(waiting(came.events.len(), || inbox.events.try_recv()));
            came.reads.extend(waiting(came.reads.len(), || inbox.reads.try_recv()));
        }
        came.done.extend(waiting(came.done.len(), || inbox.done.try_recv()));
        came.faults.extend(waiting(came.faults.len(), || inbox.faults.try_recv()));
        came.commands.extend(waiting(came.commands.len(), || inbox.commands.try_recv()));
    }

    /// Deals with what came.
    pub(super) fn turn(&mut self, now: Instant, deadline: Option<Instant>, came: &mut Came<R>) {
        for told in came.events.drain(..) {
            let session = told.session;
            let input = match told.event {
                SessionEvent::Frame(frame) => Input::Frame { session, frame },
                SessionEvent::Heard => Input::Heard(session),
                SessionEvent::Down(reason) => {
                    self.hang_up(session);
                    let reason = self.role.explained(reason);
                    Input::SessionDown { session, reason }
                }
            };
            self.machine.step(now, input);
        }
        for read in came.reads.drain(..) {
            let (session, found) = (read.session, read.found());
            self.sessions.take_read(read);
            self.machine.step(now, Input::Read { session, found });
        }
        for done in came.done.drain(..) {
            R::done(self, now, done);
        }
        // Behind what came before: it may have the node pause.
        for command in came.faults.drain(..) {
            command.carry_out(now, &mut self.machine);
        }
        let mut work = 0;
        while work < TURN_WORK
            && let Some((command, _room)) = came.commands.pop_front()
        {
            work += R::obey(self, now, command);
        }
        R::take_waiting(self, now);
        self.flush();
        // Before any time limit is judged: a message that is stored by now is told as such.
        self.hear_log(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.machine.look(now, |session| self.sessions.look(session));
            self.machine.handle_timeout(now);
        }
    }

    /// Has the log write what was appended since the last time, all of it at once.
    fn flush(&mut self) {
        if std::mem::take(&mut self.appended) {
            self.writer.flush();
            R::flushed(self);
        }
    }

    /// Tells the machine what the log has done by itself.
    pub(super) fn hear_log(&mut self, now: Instant) {
        let News { durable, disk, damage } = self.news.take();
        if let Some(end) = durable {
            self.machine.step(now, Input::Durable(end));
        }
        R::hear_log(self, now);
        match disk {
            Some(DiskChange::Fault(fault)) => self.machine.step(now, Input::DiskFault(fault)),
            Some(DiskChange::Well) => self.machine.step(now, Input::DiskWell),
            None => {}
        }
        if let Some(damage) = damage {
            if damage.is_none() {
                R::log_is_whole(self);
            }
            self.machine.step(now, Input::Damage(damage));
        }
    }

    /// Carries out the effects. What is appended among them is written at once at the end; in memory it is durable
    /// then, and what that lets the machine do is carried out too. Returns whether more are left: no turn answers more
    /// than some hundred senders.
    pub(super) fn drain(&mut self, now: Instant) -> bool {
        let mut released = 0;
        loop {
            let mut wrote = false;
            while released < RELEASES_MAX {
                let effect = self.machine.poll_effect();
                // Before the effect is carried out: its own lines come behind those that say why.
                self.log_events();
                let Some(effect) = effect else { break };
                match effect {
                    Effect::Send { session, frame } => self.sessions.send(session, frame),
                    Effect::Read { session, order } => self.sessions.read(session, order),
                    Effect::Mend { peer, run } => self.reader.mend(&peer, &run),
                    Effect::Close { session, .. } => self.hang_up(session),
                    Effect::Role(effect) => match R::carry_out(self, effect) {
                        CarriedOut::Done => {}
                        CarriedOut::Released => released += 1,
                        CarriedOut::Wrote => wrote = true,
                    },
                }
            }
            if !wrote {
                break;
            }
            self.flush();
            self.hear_log(now);
        }
        self.sessions.end_turn();
        R::drained(self, now);
        released == RELEASES_MAX
    }

    /// Writes the log lines of what the machine did so far.
    #[inline]
    fn log_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            R::LOGS_AS.write(&event);
        }
    }

    /// Closes a session, and forgets what was to be found out for it.
    fn hang_up(&mut self, session: SessionId) {
        self.sessions.close(session);
        self.role.hung_up(session);
    }
}

/// Takes what is in a queue without waiting, up to what a turn deals with; `taken` of it were taken before.
fn waiting<T, E>(
    taken: usize,
    mut try_recv: impl FnMut() -> Result<T, E>,
) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || try_recv().ok()).take(TURN_MAX.saturating_sub(taken))
}
