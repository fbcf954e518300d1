//! A running master: how it is started, and its handle.

mod appends;
mod comparisons;
mod large_appends;
mod leader;
mod lines;
mod shutdown;
mod stalled_lines;

use std::sync::Arc;
use std::time::Duration;

use acklog_log::{LogReader, Opened};
use acklog_protocol::{
    CopyStatus, ForgetError, Master, MasterHealth, MasterOptions, RestoredMaster,
};
use acklog_types::{Faults, LogEnd, NodeName};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::comparisons::Comparisons;
use self::leader::LeaderDriver;
use super::appender::Appender;
use super::commands::{Commands, ControlLane, LeaderCommand, LeaderControl};
use super::completions::Mailboxes;
use super::driver::{Core, Inbox, sessions};
use super::events::{EventFeed, EventHub};
use super::faults::NodeFaults;
use super::peer_place::PeerPlace;
use super::read_positions::ReadPositions;
use super::{MAILBOX, NodeStopped, now};
use crate::server::accepting::Accepting;

/// The handle of a running master. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MasterHandle {
    commands: Commands,
    control: ControlLane<LeaderControl>,
    faults: NodeFaults,
    mailboxes: Mailboxes,
    reader: LogReader,
    positions: ReadPositions,
    events: Arc<EventHub>,
}

impl MasterHandle {
    /// Returns the log.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Returns the positions up to which reads may show the log.
    pub fn positions(&self) -> &ReadPositions {
        &self.positions
    }

    /// Creates an appender for the calling thread.
    ///
    /// # Panics
    /// Outside of a runtime with local tasks.
    pub fn appender(&self) -> Appender {
        Appender::new(&self.mailboxes, self.commands.clone())
    }

    /// Returns what `/health` shows.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn health(&self) -> Result<MasterHealth, NodeStopped> {
        self.control.ask(LeaderControl::Health).await
    }

    /// Returns the copies of the message before `end`: the master's first, then one for each
    /// secondary that counts.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn copies(&self, end: LogEnd) -> Result<Vec<CopyStatus>, NodeStopped> {
        self.control.ask(|answer| LeaderControl::Copies(end, answer)).await
    }

    /// Returns where each secondary that counts serves HTTP.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn peers(&self) -> Result<Vec<PeerPlace>, NodeStopped> {
        self.control.ask(LeaderControl::Peers).await
    }

    /// Forgets a secondary, and returns the health of the rest of the cluster once that is
    /// persisted.
    ///
    /// # Errors
    /// When the node has stopped; inside, when the secondary is unknown or live.
    pub async fn forget(
        &self,
        name: NodeName,
    ) -> Result<Result<MasterHealth, ForgetError>, NodeStopped> {
        self.control.ask(|answer| LeaderControl::Forget(name, answer)).await
    }

    /// Refuses further messages, answers every pending client, and returns when that is done.
    /// Clients whose messages are on their way to the disk are answered when these are durable, or
    /// after `patience`.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn shut_down(&self, patience: Duration) -> Result<(), NodeStopped> {
        match timeout(patience, self.commands.ask(LeaderCommand::Shutdown)).await {
            Ok(answered) => answered,
            Err(_) => self.commands.ask(LeaderCommand::GiveUp).await,
        }
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

/// Starts a master on the current runtime, with these faults from the start. It continues at the
/// end of its log and serves secondaries on `listener` until `stop`; its tasks are counted by
/// `tasks`.
///
/// # Panics
/// When the options name another log than the one that was opened.
pub fn start_master(
    options: MasterOptions,
    faults: Faults,
    log: Opened,
    listener: TcpListener,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> MasterHandle {
    assert!(log.log.is_none_or(|log| log == options.log), "the options name another log");
    let Opened { writer, reader, is_old, members, losses, keys, .. } = log;
    let (end, on_disk) = (reader.durable_end(), reader.is_on_disk());
    let restored = RestoredMaster { end, members, keys, on_disk, is_old, losses };
    let hub = EventHub::new(options.name.clone());
    let machine = Master::new(now(), options, restored, reader.clone());
    let (commands, command_queue) = Commands::new();
    let (control, control_requests) = ControlLane::new();
    let (node_faults, fault_queue) = NodeFaults::queue();
    let (accepted, connections) = mpsc::channel(MAILBOX);
    let mailboxes = Mailboxes::default();
    let (comparisons, done) = Comparisons::new(tasks.clone());
    let (sessions, events, reads) = sessions(&reader, tasks);
    let role = LeaderDriver::new(mailboxes.clone(), comparisons);
    let feed = EventFeed::new(hub.clone(), now());
    let core = Core::new(machine, faults, (writer, reader.clone()), sessions, feed, role);
    let inbox = Inbox {
        commands: command_queue,
        control: control_requests,
        faults: fault_queue,
        events,
        reads,
        connections,
        done,
    };
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
    let positions = core.positions.clone();
    tasks.spawn(core.run(inbox, stop));
    let faults = node_faults;
    MasterHandle { commands, control, faults, mailboxes, reader, positions, events: hub }
}

#[cfg(test)]
mod disk_tests;

#[cfg(test)]
mod forget_tests;
#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod lines_tests;

#[cfg(test)]
pub(in crate::server) mod tests;
