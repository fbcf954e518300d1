//! The interface to real nodes: processes of this machine, or containers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acklog_sim::scenario::{Action, NodeHealth, Settings, Shown, is_master};
use acklog_types::{NodeName, WriteConcern};

use crate::cli::NodeUrl;

/// The settings that each kind of node has as flags.
const OF_MASTER: [&str; 7] = [
    "send-delay",
    "request-timeout",
    "heartbeat-interval",
    "quorum",
    "secondaries",
    "cluster-size",
    "max-waiting",
];
const OF_SECONDARY: [&str; 4] = ["send-delay", "store-delay", "request-timeout", "reconnect-delay"];

/// Longest wait for a node to serve HTTP, to end after a signal, and for its last log line then.
/// Shorter: a busy machine is taken for a node that hangs. Longer: a node that hangs holds up the
/// scenario.
pub(super) const NODE_PATIENCE: Duration = Duration::from_secs(20);

/// The options with which a node is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) node: NodeName,
    pub(super) registers_as: NodeName,
    /// Its flags, apart from name, addresses and directory.
    pub(super) flags: Vec<String>,
    pub(super) storage: LogStorage,
}

impl Launch {
    pub(super) fn new(node: &NodeName, registers_as: &NodeName, settings: &Settings) -> Self {
        let known: &[&str] = if is_master(node) { &OF_MASTER } else { &OF_SECONDARY };
        let given = settings.given.iter().filter(|(key, _)| known.contains(&key.as_str()));
        Self {
            node: node.clone(),
            registers_as: registers_as.clone(),
            flags: given.map(|(key, value)| format!("--{key}={value}")).collect(),
            storage: if settings.options.on_disk { LogStorage::Disk } else { LogStorage::Memory },
        }
    }

    /// Returns the subcommand of the tool that runs such a node.
    pub(super) fn program(&self) -> &'static str {
        if is_master(&self.node) { "master-node" } else { "secondary-node" }
    }
}

/// The place of a node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogStorage {
    Memory,
    Disk,
}

/// Whether a node's process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessState {
    Running,
    Paused,
}

/// Whether bytes pass between a secondary and the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathState {
    Open,
    Cut,
}

/// Exit status and output of a program.
#[derive(Clone, Debug)]
pub(super) struct ProgramOutput {
    /// `None`: a signal ended it.
    pub(super) status: Option<i32>,
    pub(super) output: String,
}

/// Real nodes. Errors are those of this machine; answers of nodes are returned.
pub(super) trait Nodes {
    /// Returns what is missing for an action; `None` if nothing is.
    fn lacks(&self, action: &Action) -> Option<&'static str>;

    /// Starts a node and waits until it serves HTTP.
    async fn start(&mut self, launch: &Launch) -> anyhow::Result<()>;

    /// Starts a node that is expected to end with an error.
    async fn start_expecting_exit(&mut self, launch: &Launch) -> anyhow::Result<ProgramOutput>;

    /// Kills nodes, all at once; they stay down.
    async fn kill(&mut self, nodes: &[NodeName]) -> anyhow::Result<()>;

    /// Terminates a node and waits for its end. Returns its exit status.
    async fn terminate(&mut self, node: &NodeName) -> anyhow::Result<Option<i32>>;

    /// Stops a node's process, or lets it continue.
    async fn set_process(&mut self, node: &NodeName, to: ProcessState) -> anyhow::Result<()>;

    /// Cuts a secondary off from the master, or heals the partition.
    async fn set_path(&mut self, node: &NodeName, to: PathState) -> anyhow::Result<()>;

    /// Drops the connection between a secondary and the master.
    fn disconnect(&mut self, node: &NodeName);

    /// Holds back everything between the secondaries and the master, or releases it: while the
    /// master is replaced, no secondary may see that this takes a moment.
    fn set_all_paths(&mut self, to: PathState);

    /// Removes the log of a node that is down.
    async fn wipe(&mut self, node: &NodeName) -> anyhow::Result<()>;

    /// Copies the log files of a node that is down into a folder that does not exist yet.
    async fn fetch(&mut self, node: &NodeName, folder: &Path) -> anyhow::Result<()>;

    /// Copies a file into the directory of a node that is down.
    async fn put(&mut self, node: &NodeName, file: &Path) -> anyhow::Result<()>;

    /// Replaces the whole log of a node that is down by a copy.
    async fn put_all(&mut self, node: &NodeName, folder: &Path) -> anyhow::Result<()>;

    /// Runs `acklog log WORDS DIR` for a node that is down.
    async fn log_tool(
        &mut self,
        node: &NodeName,
        words: &[String],
    ) -> anyhow::Result<ProgramOutput>;

    /// Returns how a node is reached; `None` if it is down.
    fn reach(&self, node: &NodeName) -> Option<Reach>;

    /// Reads the messages that a node shows under a read concern, where it is reached from inside
    /// only.
    async fn messages_inside(
        &mut self,
        node: &NodeName,
        concern: WriteConcern,
    ) -> anyhow::Result<Shown>;

    /// Reads the health of a node that is reached from inside only.
    async fn health_inside(&mut self, node: &NodeName) -> anyhow::Result<NodeHealth>;

    /// Returns the nodes that are running.
    fn running(&self) -> Vec<NodeName>;

    /// Returns the last lines of a node's log.
    async fn last_lines(&mut self, node: &NodeName) -> Vec<String>;

    /// Returns the nodes that have a log, running or not.
    fn known(&self) -> Vec<NodeName>;

    /// Ends everything.
    async fn end(&mut self);

    /// Returns a folder for files that are needed only while the scenario is played.
    fn scratch(&self) -> PathBuf;
}

/// The way to ask a node.
pub(super) enum Reach {
    Url(NodeUrl),
    /// Its network is cut; programs inside its container can still ask it.
    Inside,
}

/// Returns what no real node has for an action; `None` if nothing is missing.
pub(super) fn only_simulated(action: &Action) -> Option<&'static str> {
    match action {
        Action::Rule(_) | Action::Slow(_) => Some("rules for the network: run it with --simulate"),
        Action::BreakDisk(_) => Some("a disk that breaks when it is told: run it with --simulate"),
        Action::Stop | Action::GiveUp => {
            Some("the stages of a stop: write terminate, or run it with --simulate")
        }
        _ => None,
    }
}
