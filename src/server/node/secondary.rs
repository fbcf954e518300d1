//! A running secondary: its role in the core task, and its handle.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Instant;

use acklog_log::{LogReader, Opened};
use acklog_protocol::{
    FollowerEffect, FollowerInput, Input, Machine, RestoredSecondary, Secondary, SecondaryHealth,
    SecondaryOptions, SessionEnd,
};
use acklog_types::{Faults, LogEnd};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::commands::{ControlLane, FollowerControl, Queued};
use super::driver::{CarriedOut, Core, Inbox, NodeRole, sessions};
use super::events::{EventFeed, EventHub};
use super::faults::NodeFaults;
use super::measures::SecondaryMeasures;
use super::protocol_log::LogRole;
use super::read_positions::{KnownEnds, ReadPositions};
use super::{NodeStopped, now};
use crate::server::net::Dialer;

/// The address of a secondary's master.
#[derive(Clone, Debug)]
pub struct MasterAddress {
    /// IP address or host name.
    pub host: String,
    /// The port for secondaries.
    pub port: u16,
}

impl MasterAddress {
    /// Returns the URL of the master's HTTP port.
    pub fn http_url(&self, port: u16) -> String {
        format!("http://{}", Self { host: self.host.clone(), port })
    }
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

/// The handle of a running secondary. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SecondaryHandle {
    control: ControlLane<FollowerControl>,
    faults: NodeFaults,
    reader: LogReader,
    positions: ReadPositions,
    master_address: Arc<MasterAddress>,
    events: Arc<EventHub>,
}

impl SecondaryHandle {
    /// Returns the log.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Returns the positions up to which reads may show the log.
    pub fn positions(&self) -> &ReadPositions {
        &self.positions
    }

    /// Returns the address at which the node dials its master.
    pub fn master_address(&self) -> &MasterAddress {
        &self.master_address
    }

    /// Returns what `/health` shows.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn health(&self) -> Result<SecondaryHealth, NodeStopped> {
        self.control.ask(FollowerControl::Health).await
    }

    /// Returns what `/metrics` shows.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn measures(&self) -> Result<SecondaryMeasures, NodeStopped> {
        self.control.ask(FollowerControl::Measure).await
    }

    /// Returns the events of the node.
    pub fn events(&self) -> &Arc<EventHub> {
        &self.events
    }

    /// Returns the handle of the node's faults.
    pub fn faults(&self) -> &NodeFaults {
        &self.faults
    }
}

/// Starts a secondary on the current runtime, with these faults from the start. It continues at the
/// end of its log and serves its master until `stop`; its tasks are counted by `tasks`.
pub fn start_secondary(
    options: SecondaryOptions,
    faults: Faults,
    log: Opened,
    master: MasterAddress,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> SecondaryHandle {
    let (core, inbox, handle) = core(options, faults, log, master, tasks);
    tasks.spawn(core.run(inbox, stop));
    handle
}

fn core(
    options: SecondaryOptions,
    faults: Faults,
    log: Opened,
    master: MasterAddress,
    tasks: &TaskTracker,
) -> (Core<FollowerDriver>, Inbox<FollowerDriver>, SecondaryHandle) {
    let Opened { writer, reader, log, .. } = log;
    let restored =
        RestoredSecondary { log, end: reader.durable_end(), on_disk: reader.is_on_disk() };
    let hub = EventHub::new(options.name.clone());
    let machine = Secondary::new(now(), options, restored, reader.clone());
    let (control, control_requests) = ControlLane::new();
    let (node_faults, fault_queue) = NodeFaults::queue();
    let (dialed, connections) = mpsc::channel(1);
    // A secondary takes no commands, and no other thread works for it beside those that read.
    let ((_, commands), (_, done)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let (sessions, events, reads) = sessions(&reader, tasks);
    let master_address = Arc::new(master.clone());
    let master_port = master.port;
    let dialer = Arc::new(Mutex::new(Dialer::new(master.host, master.port)));
    let role = FollowerDriver { master_port, dialer, dialed };
    let feed = EventFeed::new(hub.clone(), now());
    let core = Core::new(machine, faults, (writer, reader.clone()), sessions, feed, role);
    let inbox = Inbox {
        commands,
        control: control_requests,
        faults: fault_queue,
        events,
        reads,
        connections,
        done,
    };
    let (positions, faults) = (core.positions.clone(), node_faults);
    let handle =
        SecondaryHandle { control, faults, reader, positions, master_address, events: hub };
    (core, inbox, handle)
}

/// The secondary's role in its core task.
struct FollowerDriver {
    master_port: u16,
    dialer: Arc<Mutex<Dialer>>,
    dialed: mpsc::Sender<io::Result<TcpStream>>,
}

impl NodeRole for FollowerDriver {
    type Machine = Secondary<LogReader>;
    type Control = FollowerControl;
    type Command = Infallible;
    type Connection = io::Result<TcpStream>;
    type Done = Infallible;

    const LOGS_AS: LogRole = LogRole::Secondary;

    fn connected(core: &mut Core<Self>, dialed: io::Result<TcpStream>) {
        let input = match dialed {
            Ok(stream) => match core.sessions.open(stream) {
                Some(session) => FollowerInput::Connected(session),
                None => FollowerInput::DialFailed { reason: "lost at once".to_owned() },
            },
            Err(error) => FollowerInput::DialFailed { reason: error.to_string() },
        };
        core.machine.step(now(), input.into());
    }

    fn explain_end(&self, reason: SessionEnd) -> SessionEnd {
        explain_end(reason, self.master_port)
    }

    fn done(_: &mut Core<Self>, _: Instant, done: Infallible) {
        match done {}
    }

    fn control(core: &mut Core<Self>, now: Instant, request: FollowerControl) {
        match request {
            FollowerControl::Health(answer) => {
                let _ = answer.send(core.machine.health(now));
            }
            FollowerControl::Measure(answer) => {
                let (health, faults) = (core.machine.health(now), core.machine.faults());
                let _ = answer.send(SecondaryMeasures { health, faults });
            }
        }
    }

    fn execute(_: &mut Core<Self>, _: Instant, command: Infallible) -> usize {
        match command {}
    }

    fn carry_out(core: &mut Core<Self>, effect: FollowerEffect) -> CarriedOut {
        match effect {
            FollowerEffect::Dial => {
                core.role.dial();
                CarriedOut::Done
            }
            FollowerEffect::Append(run) => {
                let log = core.machine.get_ref().log_id().expect("messages come from a log");
                if core.positions.log() != Some(log) {
                    // Before a message is durable, and so shown: it is of no log before.
                    Self::publish(core);
                }
                core.writer.append_run(log, &run);
                core.appended = true;
                CarriedOut::Wrote
            }
        }
    }

    fn publish(core: &mut Core<Self>) {
        let machine = core.machine.get_ref();
        let known = KnownEnds {
            log: machine.log_id(),
            majority: machine.committed_end().unwrap_or_default(),
            all: machine.all_end(),
            log_end: machine.master_log_end().unwrap_or(LogEnd::ZERO),
            cluster_size: machine.cluster_size(),
        };
        core.positions.publish(known, |nodes| machine.held_end(nodes.into()));
    }

    fn end(mut core: Core<Self>, _: Inbox<Self>, _: VecDeque<Queued<Infallible>>) {
        let now = now();
        core.machine.step(now, Input::Shutdown);
        core.drain(now);
    }
}

impl FollowerDriver {
    fn dial(&self) {
        let (dialer, dialed) = (self.dialer.clone(), self.dialed.clone());
        tokio::spawn(async move {
            // One attempt at a time: the next begins when this one has reported its result.
            let stream = dialer.lock().await.dial().await;
            // Fails when the node has stopped.
            let _ = dialed.send(stream).await;
        });
    }
}

/// Adds advice to the reason where an HTTP server answered.
fn explain_end(end: SessionEnd, port: u16) -> SessionEnd {
    match end {
        SessionEnd::HttpServer => SessionEnd::Garbage(format!(
            "an HTTP server answers there: is {port} the master's HTTP port? --master-comm-port is \
             the one for secondaries (6000)"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests;
