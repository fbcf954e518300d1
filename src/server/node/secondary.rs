//! The secondary's core task and its handle.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Instant;

use acklog_log::{LogReader, LogWriter, Opened};
use acklog_protocol::{
    RestoredSecondary, Secondary, SecondaryEffect, SecondaryHealth, SecondaryInput,
    SecondaryOptions, SessionEnd,
};
use acklog_types::{DiskChange, Faults};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;
use super::faults::{FaultsCommand, Faulty};
use super::news::{LogNews, News};
use super::sessions::{Read, Sessions};
use super::{MAILBOX, Stopped, TURN_MAX, now, waiting};
use crate::server::net::{Dialer, SessionEvent, Told};

/// Where a secondary finds its master.
#[derive(Clone, Debug)]
pub struct MasterAddress {
    /// IP address or host name.
    pub host: String,
    /// The port for secondaries.
    pub port: u16,
}

impl fmt::Display for MasterAddress {
    /// Writes `host:port`, an IPv6 address in brackets as in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.split('%').next().unwrap_or_default().parse::<Ipv6Addr>() {
            Ok(_) => write!(f, "[{host}]:{port}"),
            Err(_) => write!(f, "{host}:{port}"),
        }
    }
}

/// What HTTP asks of the core task.
#[derive(Debug)]
enum Question {
    Health(oneshot::Sender<SecondaryHealth>),
    Faults(FaultsCommand),
}

/// A running secondary, as HTTP sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SecondaryHandle {
    questions: mpsc::Sender<Question>,
    reader: LogReader,
    master_address: String,
}

impl SecondaryHandle {
    /// The log.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Where the node dials its master: `host:port`.
    pub fn master_address(&self) -> &str {
        &self.master_address
    }

    /// What `/health` shows.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn health(&self) -> Result<SecondaryHealth, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question::Health(answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Hands a command about faults to the core task.
    pub(super) async fn fault(&self, command: FaultsCommand) -> Result<(), Stopped> {
        self.questions.send(Question::Faults(command)).await.map_err(|_| Stopped)
    }
}

/// Starts a secondary on the current runtime. It goes on where its log ends and serves its master until `stop`; its tasks
/// are counted by `tasks`.
pub fn start_secondary(
    options: SecondaryOptions,
    log: Opened,
    master: MasterAddress,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> SecondaryHandle {
    let (core, inbox, handle) = Core::new(options, log, master, tasks);
    tasks.spawn(core.run(inbox, stop));
    handle
}

/// Where things come to the core task.
struct Inbox {
    questions: mpsc::Receiver<Question>,
    events: mpsc::Receiver<Told>,
    reads: mpsc::UnboundedReceiver<Read>,
    dialed: mpsc::Receiver<io::Result<TcpStream>>,
}

/// What came and is not dealt with yet.
#[derive(Default)]
struct Came {
    events: Vec<Told>,
    questions: Vec<Question>,
}

struct Core {
    machine: Secondary<LogReader>,
    reader: LogReader,
    news: LogNews,
    writer: LogWriter,
    sessions: Sessions,
    master_port: u16,
    dialer: Arc<Mutex<Dialer>>,
    dialed: mpsc::Sender<io::Result<TcpStream>>,
}

impl Core {
    fn new(
        options: SecondaryOptions,
        log: Opened,
        master: MasterAddress,
        tasks: &TaskTracker,
    ) -> (Self, Inbox, SecondaryHandle) {
        let Opened { writer, reader, log, .. } = log;
        let restored =
            RestoredSecondary { log, end: reader.durable_end(), on_disk: reader.is_on_disk() };
        let (questions, question_queue) = mpsc::channel(MAILBOX);
        let (events, event_queue) = mpsc::channel(MAILBOX);
        let (dialed, dialed_queue) = mpsc::channel(1);
        let master_address = master.to_string();
        let (sessions, reads) = Sessions::new(events, reader.clone(), tasks.clone());
        let core = Self {
            machine: Secondary::new(now(), options, restored, reader.clone()),
            news: LogNews::new(reader.clone()),
            reader: reader.clone(),
            writer,
            sessions,
            master_port: master.port,
            dialer: Arc::new(Mutex::new(Dialer::new(master.host, master.port))),
            dialed,
        };
        let (questions_in, events_in, dialed_in) = (question_queue, event_queue, dialed_queue);
        let inbox = Inbox { questions: questions_in, events: events_in, reads, dialed: dialed_in };
        (core, inbox, SecondaryHandle { questions, reader, master_address })
    }

    async fn run(mut self, mut inbox: Inbox, stop: CancellationToken) {
        let mut came = Came::default();
        let mut alarm = Alarm::new(now());
        loop {
            let deadline = self.machine.next_deadline();
            // A node that is paused on demand leaves what its master sends where it is.
            let hears = !self.machine.is_paused();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = alarm.sleep_to(deadline) => {}
                () = self.news.come() => {}
                Some(dialed) = inbox.dialed.recv(), if hears => self.take_dialed(dialed),
                Some(question) = inbox.questions.recv() => came.questions.push(question),
                Some(read) = inbox.reads.recv(), if hears => self.take_read(read),
                _ = inbox.events.recv_many(&mut came.events, TURN_MAX), if hears => {}
            }
            self.collect(&mut inbox, &mut came, hears);
            self.turn(&mut came);
        }
        let now = now();
        self.machine.step(now, SecondaryInput::Shutdown);
        self.drain(now);
    }

    /// Whatever woke the task: all that waits by now belongs to the same turn. So a disk or a clock that always has
    /// something to tell cannot keep the others from being heard.
    fn collect(&mut self, inbox: &mut Inbox, came: &mut Came, hears: bool) {
        if hears {
            if let Ok(dialed) = inbox.dialed.try_recv() {
                self.take_dialed(dialed);
            }
            while let Ok(read) = inbox.reads.try_recv() {
                self.take_read(read);
            }
            came.events.extend(waiting(came.events.len(), || inbox.events.try_recv()));
        }
        came.questions.extend(waiting(came.questions.len(), || inbox.questions.try_recv()));
    }

    fn answer(&mut self, now: Instant, question: Question) {
        match question {
            Question::Health(answer) => {
                let _ = answer.send(self.machine.health());
            }
            Question::Faults(command) => self.obey(now, command),
        }
    }

    /// Records were read for the master, or cannot be.
    fn take_read(&mut self, read: Read) {
        let (session, found) = (read.session, read.found());
        self.sessions.take_read(read);
        self.machine.step(now(), SecondaryInput::Read { session, found });
    }

    fn take_dialed(&mut self, dialed: io::Result<TcpStream>) {
        let input = match dialed {
            Ok(stream) => match self.sessions.open(stream) {
                Some(session) => SecondaryInput::Connected(session),
                None => SecondaryInput::DialFailed { reason: "lost at once".to_owned() },
            },
            Err(error) => SecondaryInput::DialFailed { reason: error.to_string() },
        };
        self.machine.step(now(), input);
    }

    fn turn(&mut self, came: &mut Came) {
        let now = now();
        self.hear_log(now);
        for told in came.events.drain(..) {
            let session = told.session;
            let input = match told.event {
                SessionEvent::Frame(frame) => SecondaryInput::Frame { session, frame },
                SessionEvent::Heard => SecondaryInput::Heard(session),
                SessionEvent::Down(reason) => {
                    self.sessions.close(session);
                    let reason = explained(reason, self.master_port);
                    SecondaryInput::SessionDown { session, reason }
                }
            };
            self.machine.step(now, input);
        }
        // Behind what came before: a question may have the node pause.
        for question in came.questions.drain(..) {
            self.answer(now, question);
        }
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.machine.look(now, |session| self.sessions.look(session));
            self.machine.handle_timeout(now);
        }
        self.drain(now);
    }

    /// Tells the machine what the log has done by itself.
    fn hear_log(&mut self, now: Instant) {
        let News { durable, disk, damage } = self.news.take();
        if let Some(end) = durable {
            self.machine.step(now, SecondaryInput::Durable(end));
        }
        match disk {
            Some(DiskChange::Fault(fault)) => {
                self.machine.step(now, SecondaryInput::DiskFault(fault));
            }
            Some(DiskChange::Well) => self.machine.step(now, SecondaryInput::DiskWell),
            None => {}
        }
        if let Some(damage) = damage {
            self.machine.step(now, SecondaryInput::Damage(damage));
        }
    }

    /// Carries out the effects. The log is flushed once for all appends among them; in memory that makes them durable, and
    /// what that lets the machine do is carried out too.
    fn drain(&mut self, now: Instant) {
        loop {
            let mut appended = false;
            while let Some(effect) = self.machine.poll_effect() {
                match effect {
                    SecondaryEffect::Dial => self.dial(),
                    SecondaryEffect::Send { session, frame } => self.sessions.send(session, frame),
                    SecondaryEffect::Close { session, .. } => self.sessions.close(session),
                    SecondaryEffect::Read { session, order } => self.sessions.read(session, order),
                    SecondaryEffect::Mend { peer, run } => self.reader.mend(&peer, &run),
                    SecondaryEffect::Append(run) => {
                        let log = self.machine.log_id().expect("messages come from a log");
                        self.writer.append_run(log, &run);
                        appended = true;
                    }
                }
            }
            if !appended {
                return self.sessions.end_turn();
            }
            self.writer.flush();
            self.hear_log(now);
        }
    }

    fn dial(&self) {
        let (dialer, dialed) = (self.dialer.clone(), self.dialed.clone());
        tokio::spawn(async move {
            // One attempt at a time: the next begins when this one has told how it went.
            let stream = dialer.lock().await.dial().await;
            // Fails when the node has stopped.
            let _ = dialed.send(stream).await;
        });
    }
}

/// Tells what answers at the wrong port.
fn explained(end: SessionEnd, port: u16) -> SessionEnd {
    match end {
        SessionEnd::HttpServer => SessionEnd::Garbage(format!(
            "an HTTP server answers there: is {port} the master's HTTP port? --master-comm-port is the one for \
             secondaries (6000)"
        )),
        other => other,
    }
}

impl Faulty for Core {
    fn faults(&self) -> Faults {
        self.machine.faults()
    }

    fn set_faults(&mut self, now: Instant, faults: Faults) {
        self.machine.set_faults(now, faults);
    }

    fn disconnect(&mut self, now: Instant) -> usize {
        self.machine.disconnect(now)
    }
}

#[cfg(test)]
mod tests;
