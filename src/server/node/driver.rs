//! The event loop that drives a node's state machine, the same for both roles.

mod role;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, LogWriter};
use acklog_protocol::{Effect, Faulty, Input, Machine};
use acklog_types::{DiskChange, Faults, SessionId};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::role::{CarriedOut, NodeRole};
use super::commands::Queued;
use super::events::EventFeed;
use super::faults::FaultsCommand;
use super::log_watch::{LogChanges, LogWatch};
use super::read_positions::ReadPositions;
use super::sessions::{PeerRead, Sessions};
use super::timer::DeadlineTimer;
use super::{ITERATION_EVENTS_MAX, MAILBOX, now};
use crate::server::net::{QueuedEvent, SessionEvent};

/// Most clients answered in one event-loop iteration. Fewer: more iterations where thousands are
/// answered. More: other events wait for longer.
const RELEASES_MAX: usize = 512;

/// Work of the commands of one iteration, in bytes that take as long to copy: a fraction of a
/// millisecond. Smaller: more iterations and so more overhead for messages of some kilobytes.
/// Larger: other events wait for longer.
pub(super) const ITERATION_WORK_MAX: usize = 256 * 1024;

/// Time of an iteration after which the loop yields to the sessions, which share its thread.
const LONG_ITERATION: Duration = Duration::from_micros(200);

/// The queues to a core task.
pub(super) struct Inbox<R: NodeRole> {
    pub(super) commands: mpsc::UnboundedReceiver<Queued<R::Command>>,
    pub(super) control: mpsc::Receiver<R::Control>,
    pub(super) faults: mpsc::Receiver<FaultsCommand>,
    pub(super) events: mpsc::Receiver<QueuedEvent>,
    pub(super) reads: mpsc::UnboundedReceiver<PeerRead>,
    pub(super) connections: mpsc::Receiver<R::Connection>,
    pub(super) done: mpsc::UnboundedReceiver<R::Done>,
}

/// Inputs that have arrived and are not handled yet.
pub(super) struct Arrivals<R: NodeRole> {
    pub(super) events: Vec<QueuedEvent>,
    reads: Vec<PeerRead>,
    faults: Vec<FaultsCommand>,
    control: Vec<R::Control>,
    commands: VecDeque<Queued<R::Command>>,
    done: Vec<R::Done>,
}

impl<R: NodeRole> Default for Arrivals<R> {
    fn default() -> Self {
        let (events, reads, faults) = (Vec::new(), Vec::new(), Vec::new());
        let (control, commands, done) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { events, reads, faults, control, commands, done }
    }
}

/// A node's core task.
pub(super) struct Core<R: NodeRole> {
    pub(super) machine: Faulty<R::Machine>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) sessions: Sessions,
    pub(super) log_watch: LogWatch,
    pub(super) positions: ReadPositions,
    /// Whether records were appended and not flushed yet.
    pub(super) appended: bool,
    pub(super) events: EventFeed,
    pub(super) role: R,
}

/// Creates the sessions of a node. Returns also the queues of their events and of the records that
/// were read for them.
pub(super) fn sessions(
    reader: &LogReader,
    tasks: &TaskTracker,
) -> (Sessions, mpsc::Receiver<QueuedEvent>, mpsc::UnboundedReceiver<PeerRead>) {
    let (queue, events) = mpsc::channel(MAILBOX);
    let (sessions, reads) = Sessions::new(queue, reader.clone(), tasks.clone());
    (sessions, events, reads)
}

impl<R: NodeRole> Core<R> {
    /// Creates a core task around a machine, with these faults from the start.
    pub(super) fn new(
        machine: R::Machine,
        faults: Faults,
        log: (LogWriter, LogReader),
        sessions: Sessions,
        events: EventFeed,
        role: R,
    ) -> Self {
        let (writer, reader) = log;
        let (mut machine, log_watch) =
            (Faulty::new(now(), machine, faults), LogWatch::new(reader.clone()));
        machine.events().set_detail(R::LOGS_AS.detail());
        let (positions, appended) = (ReadPositions::new(reader.clone()), false);
        let mut core = Self {
            machine,
            writer,
            reader,
            sessions,
            log_watch,
            positions,
            appended,
            events,
            role,
        };
        core.pass_events(now());
        core.events.flush(now());
        R::publish(&mut core);
        core
    }

    pub(super) async fn run(mut self, mut inbox: Inbox<R>, stop: CancellationToken) {
        let mut arrivals = Arrivals::default();
        let mut has_more = false;
        let mut timer = DeadlineTimer::new(now());
        loop {
            let own = self.role.next_deadline();
            let deadline = own.into_iter().chain(self.machine.next_deadline()).min();
            // A node that is paused by a fault leaves in the queues what its peers send.
            let receives = !self.machine.is_paused();
            if has_more {
                yield_now().await;
                if stop.is_cancelled() {
                    break;
                }
            } else {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = timer.sleep_to(deadline) => {}
                    () = self.log_watch.changed() => {}
                    Some(connection) = inbox.connections.recv(), if receives => {
                        R::connected(&mut self, connection);
                    }
                    Some(queued) = inbox.events.recv(), if receives => arrivals.events.push(queued),
                    Some(read) = inbox.reads.recv(), if receives => arrivals.reads.push(read),
                    Some(done) = inbox.done.recv() => arrivals.done.push(done),
                    Some(command) = inbox.faults.recv() => arrivals.faults.push(command),
                    Some(request) = inbox.control.recv() => arrivals.control.push(request),
                    Some(command) = inbox.commands.recv() => arrivals.commands.push_back(command),
                }
            }
            self.collect(&mut inbox, &mut arrivals, receives);
            let now = now();
            self.iterate(now, deadline, &mut arrivals);
            has_more = self.drain(now) || !arrivals.commands.is_empty() || self.role.has_more();
            if super::now().saturating_duration_since(now) >= LONG_ITERATION {
                yield_now().await;
            }
        }
        R::end(self, inbox, arrivals.commands);
    }

    /// Collects everything that waits by now, whatever woke the task. So a disk or a clock that is
    /// always ready cannot keep the others from being handled.
    pub(super) fn collect(
        &mut self,
        inbox: &mut Inbox<R>,
        arrivals: &mut Arrivals<R>,
        receives: bool,
    ) {
        if receives {
            if let Ok(connection) = inbox.connections.try_recv() {
                R::connected(self, connection);
            }
            arrivals.events.extend(waiting(arrivals.events.len(), || inbox.events.try_recv()));
            arrivals.reads.extend(waiting(arrivals.reads.len(), || inbox.reads.try_recv()));
        }
        arrivals.done.extend(waiting(arrivals.done.len(), || inbox.done.try_recv()));
        arrivals.faults.extend(waiting(arrivals.faults.len(), || inbox.faults.try_recv()));
        arrivals.control.extend(waiting(arrivals.control.len(), || inbox.control.try_recv()));
        arrivals.commands.extend(waiting(arrivals.commands.len(), || inbox.commands.try_recv()));
    }

    /// Handles what has arrived.
    pub(super) fn iterate(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
        arrivals: &mut Arrivals<R>,
    ) {
        if let Some(detail) = self.events.changed_detail(|| R::LOGS_AS.detail()) {
            self.machine.events().set_detail(detail);
        }
        for queued in arrivals.events.drain(..) {
            let session = queued.session;
            let input = match queued.event {
                SessionEvent::Frame(frame) => Input::Frame { session, frame },
                SessionEvent::Heard => Input::Heard(session),
                SessionEvent::Down(reason) => {
                    self.close_session(session);
                    let reason = self.role.explain_end(reason);
                    Input::SessionDown { session, reason }
                }
            };
            self.machine.step(now, input);
            self.pass_events(now);
        }
        for read in arrivals.reads.drain(..) {
            let (session, found) = (read.session, read.found());
            self.sessions.take_read(read);
            self.machine.step(now, Input::Read { session, found });
        }
        self.pass_events(now);
        for done in arrivals.done.drain(..) {
            R::done(self, now, done);
        }
        // After what arrived before it: it may pause the node.
        for command in arrivals.faults.drain(..) {
            command.carry_out(now, &mut self.machine);
        }
        for request in arrivals.control.drain(..) {
            R::control(self, now, request);
        }
        let mut work = 0;
        while work < ITERATION_WORK_MAX
            && let Some((command, _room)) = arrivals.commands.pop_front()
        {
            work += R::execute(self, now, command);
        }
        R::take_deferred(self, now);
        self.flush();
        // Before any timeout is judged: a message that is stored by now counts as stored.
        self.take_log_changes(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.machine.look(now, |session| self.sessions.look(session));
            self.machine.handle_timeout(now);
        }
    }

    /// Flushes what was appended since the last time, all of it at once.
    fn flush(&mut self) {
        if std::mem::take(&mut self.appended) {
            self.writer.flush();
            R::flushed(self);
        }
    }

    /// Passes the log's changes to the machine.
    pub(super) fn take_log_changes(&mut self, now: Instant) {
        let LogChanges { durable, disk, damage } = self.log_watch.changes();
        if let Some(end) = durable {
            self.machine.step(now, Input::Durable(end));
        }
        R::take_log_changes(self, now);
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

    /// Carries out the effects. What is appended among them is flushed once at the end; in memory
    /// it is durable then, and the effects that follow from that are carried out too. Returns
    /// whether effects are left: an iteration answers a limited number of clients.
    pub(super) fn drain(&mut self, now: Instant) -> bool {
        let mut released = 0;
        loop {
            let mut wrote = false;
            while released < RELEASES_MAX {
                let effect = self.machine.poll_effect();
                // Before the effect is carried out: its own lines come behind those that say why.
                self.pass_events(now);
                let Some(effect) = effect else { break };
                match effect {
                    Effect::Send { session, frame } => self.sessions.send(session, frame),
                    Effect::Read { session, order } => self.sessions.read(session, order),
                    Effect::Mend { peer, run } => self.reader.mend(&peer, &run),
                    Effect::Close { session, .. } => self.close_session(session),
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
            self.take_log_changes(now);
        }
        self.sessions.end_turn();
        // Before clients are answered: what they are told is stored can be read.
        R::publish(self);
        R::effects_done(self, now);
        self.events.flush(now);
        released == RELEASES_MAX
    }

    /// Writes the log lines of the machine's events so far, and passes them on to listeners.
    #[inline]
    fn pass_events(&mut self, now: Instant) {
        while let Some(event) = self.machine.poll_event() {
            R::LOGS_AS.write(&event);
            self.events.take(now, event);
        }
    }

    /// Closes a session, and forgets the work that was pending for it.
    fn close_session(&mut self, session: SessionId) {
        self.sessions.close(session);
        self.role.session_closed(session);
    }
}

/// Takes what is in a queue without waiting, up to the limit of one iteration, of which `taken` are
/// used up.
fn waiting<T, E>(
    taken: usize,
    mut try_recv: impl FnMut() -> Result<T, E>,
) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || try_recv().ok()).take(ITERATION_EVENTS_MAX.saturating_sub(taken))
}
