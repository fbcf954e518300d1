//! Actions: the steps that a backend carries out on the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use acklog_protocol::frame::FrameKind;
use acklog_types::{
    Batch, Faults, IdempotencyKey, NODES_MAX, NodeName, Quorum, Rate, WriteConcern,
};

use super::args::{StepArgs, duration, interval, read};
use crate::{ClusterOptions, Rule, RuleAction};

/// Kinds of frames that steps can name.
const FRAME_KINDS: [FrameKind; 12] = [
    FrameKind::Handshake,
    FrameKind::GetMessages,
    FrameKind::SecondaryNodeReady,
    FrameKind::AddMessage,
    FrameKind::Heartbeat,
    FrameKind::Welcome,
    FrameKind::Refused,
    FrameKind::Page,
    FrameKind::ReadyNoted,
    FrameKind::Added,
    FrameKind::Alive,
    FrameKind::Failed,
];

/// Settings of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Options as the simulator takes them; what is not given has its default.
    pub options: ClusterOptions,
    /// Names and values of the given settings, as they are written.
    pub given: Vec<(String, String)>,
}

/// A message, or a batch, for the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendStep {
    /// Label by which expectations name it.
    pub label: String,
    /// Texts; several are a batch.
    pub texts: Vec<String>,
    /// Write concern; none: the master's default.
    pub write_concern: Option<WriteConcern>,
    /// Longest time that the client waits for the write concern; none: without a timeout.
    pub timeout: Option<Duration>,
    /// Idempotency key, which makes sending it again safe.
    pub key: Option<IdempotencyKey>,
    /// End that the log must have for the message to be taken; none: any.
    pub expected_end: Option<u64>,
}

impl AppendStep {
    /// Returns the texts as one batch.
    pub(super) fn batch(&self) -> Batch {
        let mut texts = self.texts.iter();
        let mut batch = Batch::from(texts.next().map_or("", String::as_str));
        texts.for_each(|text| batch.push(text));
        batch
    }
}

/// Lines of an append stream, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStep {
    /// Name of the stream, which begins with its first line.
    pub stream: String,
    /// Text of each line, by which expectations name it.
    pub texts: Vec<String>,
    /// Write concern of each; none: the master's default.
    pub write_concern: Option<WriteConcern>,
    /// Longest time that each waits for it; none: without a timeout.
    pub timeout: Option<Duration>,
}

impl StreamStep {
    /// Returns a line as an append of its own.
    pub(super) fn line(&self, text: &str) -> AppendStep {
        AppendStep {
            label: text.to_owned(),
            texts: vec![text.to_owned()],
            write_concern: self.write_concern,
            timeout: self.timeout,
            key: None,
            expected_end: None,
        }
    }
}

/// A wait for a stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitStep {
    /// Id of the message.
    pub id: u64,
    /// Label by which expectations name the client.
    pub label: String,
    /// Write concern; none: the master's default.
    pub write_concern: Option<WriteConcern>,
    /// Longest time that the client waits; none: without a timeout.
    pub timeout: Option<Duration>,
}

/// A node for a reader to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowStep {
    /// Name of the reader.
    pub reader: String,
    /// The node.
    pub node: NodeName,
    /// First message of a new reader; none: the first one of the log.
    pub from: Option<u64>,
    /// Read concern of a new reader; none: 1.
    pub concern: Option<WriteConcern>,
}

/// A change to the files of a node that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Replaces a text by another one of the same length, as a failing disk may.
    Damage {
        /// Text that is there.
        text: String,
        /// Text that is there afterwards.
        by: String,
    },
    /// Removes the bytes that were written last: a crash tore the last write.
    Tear {
        /// Number of bytes.
        bytes: u64,
    },
    /// Adds the beginning of a write group that was never finished.
    HalfWrite,
}

/// An action on the cluster.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ends the cluster that runs and starts a master with these settings.
    Cluster(Settings),
    /// Starts a node: a master from its disk if it has one, a secondary under a name.
    Start {
        /// The node.
        node: NodeName,
        /// Name under which it registers.
        registers_as: NodeName,
    },
    /// Starts secondaries and waits until they are ready and healthy for the master.
    Join(Vec<NodeName>),
    /// Kills nodes, all at once.
    Kill(Vec<NodeName>),
    /// Ends nodes as SIGTERM does, one after the other; each has to end with success.
    Terminate(Vec<NodeName>),
    /// Drops the connection of a secondary; both ends notice.
    Disconnect(NodeName),
    /// Cuts a secondary off from the master; neither end notices.
    Partition(NodeName),
    /// Ends a partition.
    Heal(NodeName),
    /// Stops the process of a node.
    Pause(NodeName),
    /// Lets a stopped process continue.
    Resume(NodeName),
    /// Replaces the faults of a node.
    Faults(NodeName, Faults),
    /// Makes a node close its connections to other nodes.
    DropConnections(NodeName),
    /// Kills the master and starts one with an empty log.
    NewMaster,
    /// Kills the master and starts it from its disk.
    RestartMaster,
    /// Keeps a copy of the master's disk.
    CopyMaster,
    /// Kills the master and starts it from the copy.
    PutBack,
    /// Kills the master, accepts its loss, and starts it.
    AcceptLoss,
    /// Kills a secondary and removes its disk.
    Wipe(NodeName),
    /// Makes the master forget a secondary.
    Forget(NodeName),
    /// Begins the stop of the master: it answers clients as soon as their messages are durable.
    Stop,
    /// Makes a master that stops answer all clients at once.
    GiveUp,
    /// Makes all writes to the disk of a node fail.
    BreakDisk(NodeName),
    /// Sets the delay of every frame from here on.
    Slow(Duration),
    /// Loses, duplicates or delays the next frames of a kind.
    Rule(Rule),
    /// Changes the last file of the log of a node that is down.
    Files(NodeName, FileChange),
    /// Runs `acklog log WORDS DIR` on the directory of a node that is down.
    Log {
        /// The node.
        node: NodeName,
        /// `verify`, `reset`, …
        words: Vec<String>,
        /// Exit status with which it must end.
        status: u8,
        /// Text that it must print.
        says: Option<String>,
    },
}

impl Action {
    /// Reads an action by its name; none if no action has this name.
    pub(super) fn read(name: &str, args: &mut StepArgs<'_>) -> Result<Option<Self>, String> {
        Ok(Some(match name {
            "cluster" => Self::Cluster(Settings::read(args)?),
            "start" => {
                let node = args.node()?;
                let registers_as = args.named_as("as")?.unwrap_or_else(|| node.clone());
                Self::Start { node, registers_as }
            }
            "join" => Self::Join(args.nodes()?),
            "kill" | "crash" => Self::Kill(args.nodes()?),
            "terminate" => Self::Terminate(args.nodes()?),
            "disconnect" => Self::Disconnect(args.node()?),
            "partition" | "cut-off" => Self::Partition(secondary(args)?),
            "heal" | "reach" => Self::Heal(secondary(args)?),
            "pause" | "hang" => Self::Pause(args.node()?),
            "resume" | "go-on" => Self::Resume(args.node()?),
            "faults" => Self::Faults(args.node()?, faults(args)?),
            "drop-connections" => Self::DropConnections(args.node()?),
            "new-master" => Self::NewMaster,
            "restart-master" => Self::RestartMaster,
            "copy-master" => Self::CopyMaster,
            "put-back" => Self::PutBack,
            "accept-loss" => Self::AcceptLoss,
            "wipe" => Self::Wipe(secondary(args)?),
            "forget" => Self::Forget(args.node()?),
            "stop" => Self::Stop,
            "give-up" => Self::GiveUp,
            "break-disk" => Self::BreakDisk(args.node()?),
            "slow" => Self::Slow(args.duration()?),
            "lose" | "double" | "delay" => Self::Rule(rule(name, args)?),
            "damage" => {
                let node = args.node()?;
                let text = args.text("the text that is there")?.to_owned();
                let by = args.text("the text that replaces it")?.to_owned();
                if text.len() != by.len() {
                    return Err("both texts must have the same length in bytes".to_owned());
                }
                Self::Files(node, FileChange::Damage { text, by })
            }
            "tear" => {
                let (node, bytes) = (args.node()?, args.number("how many bytes")?);
                Self::Files(node, FileChange::Tear { bytes })
            }
            "half-write" => Self::Files(args.node()?, FileChange::HalfWrite),
            "log" => {
                let (node, words) = (args.node()?, args.texts("a subcommand of acklog log")?);
                let status = args.named_as("status")?.unwrap_or_default();
                Self::Log { node, words, status, says: args.named("says").map(str::to_owned) }
            }
            _ => return Ok(None),
        }))
    }
}

impl Settings {
    fn read(args: &mut StepArgs<'_>) -> Result<Self, String> {
        let mut settings = Self::default();
        while let Some((key, value)) = args.next_named() {
            settings.set(key, value)?;
            settings.given.push((key.to_owned(), value.to_owned()));
        }
        settings.check()?;
        Ok(settings)
    }

    /// Refuses sizes that no master takes.
    fn check(&self) -> Result<(), String> {
        let ClusterOptions { cluster_size, quorum, max_waiting, .. } = &self.options;
        let size = cluster_size.unwrap_or(NODES_MAX);
        match quorum {
            _ if size == 0 || size > NODES_MAX => {
                Err(format!("cluster-size: a cluster has 1 to {NODES_MAX} nodes"))
            }
            _ if *max_waiting == 0 => Err("max-waiting must not be zero".to_owned()),
            Some(Quorum::Nodes(nodes)) if *nodes == 0 || *nodes > size => {
                Err("quorum: it is 1 to the number of nodes".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let options = &mut self.options;
        match key {
            "send-delay" => options.faults.send_delay = Some(read(key, value)?),
            "store-delay" => options.faults.store_delay = Some(read(key, value)?),
            "request-timeout" => options.request_timeout = interval(key, value)?,
            "heartbeat-interval" => options.heartbeat_interval = interval(key, value)?,
            "reconnect-delay" => options.reconnect_delay = interval(key, value)?,
            "disk" => options.on_disk = read(key, value)?,
            "disk-delay" => options.disk_delay_max = duration(value)?,
            "quorum" if value == "majority" => options.quorum = Some(Quorum::Majority),
            "quorum" => options.quorum = Some(Quorum::Nodes(read(key, value)?)),
            "secondaries" => {
                let names = value.split(',').map(|name| read(key, name));
                options.secondaries = Some(names.collect::<Result<BTreeSet<_>, _>>()?);
            }
            "cluster-size" => options.cluster_size = Some(read(key, value)?),
            "max-waiting" => options.max_waiting = read(key, value)?,
            other => return Err(format!("{other}= is no setting of a cluster")),
        }
        Ok(())
    }
}

/// Reads the write concern and the timeout of a client.
pub(super) fn waits(
    args: &mut StepArgs<'_>,
) -> Result<(Option<WriteConcern>, Option<Duration>), String> {
    Ok((args.named_as("w")?, args.named_duration("timeout")?))
}

/// Reads the name of a secondary.
fn secondary(args: &mut StepArgs<'_>) -> Result<NodeName, String> {
    let node = args.node()?;
    match node.as_str() {
        super::MASTER => Err("a secondary's name is needed here, not the master's".to_owned()),
        _ => Ok(node),
    }
}

fn rate(key: &str, value: &str) -> Result<Rate, String> {
    Rate::new(read(key, value)?).ok_or_else(|| format!("{key}: a share is from 0 to 1"))
}

fn faults(args: &mut StepArgs<'_>) -> Result<Faults, String> {
    let mut faults = Faults::default();
    while let Some((key, value)) = args.next_named() {
        match key {
            "error" => faults.error_rate = rate(key, value)?,
            "drop" => faults.drop_rate = rate(key, value)?,
            "duplicate" => faults.duplicate_rate = rate(key, value)?,
            "send-delay" => faults.send_delay = Some(read(key, value)?),
            "store-delay" => faults.store_delay = Some(read(key, value)?),
            "seed" => faults.seed = Some(read(key, value)?),
            "paused" => faults.paused = read(key, value)?,
            other => return Err(format!("{other}= is no fault")),
        }
    }
    Ok(faults)
}

fn rule(name: &str, args: &mut StepArgs<'_>) -> Result<Rule, String> {
    let peer = args.node()?;
    let kind = args.text("the kind of frame")?.to_owned();
    let names = FRAME_KINDS.map(|kind| format!("{kind:?}"));
    if !names.contains(&kind) {
        return Err(format!("{kind:?} is no kind of frame; there are {}", names.join(", ")));
    }
    let (action, times) = match name {
        "delay" => (RuleAction::Delay(args.duration()?), 1),
        other => {
            let times = args.next().map_or(Ok(1), |times| read("how many frames", times))?;
            (if other == "lose" { RuleAction::Drop } else { RuleAction::Duplicate }, times)
        }
    };
    Ok(Rule { peer, kind, times, action })
}
