//! The interface between a scenario and the cluster that it is played against.

use std::time::Duration;

use acklog_types::{NodeName, WriteConcern};
use thiserror::Error;

use super::action::{Action, AppendStep, FollowStep, StreamStep, WaitStep};
use super::health::NodeHealth;
use super::step::Step;

/// Identifies a request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A reply to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The write concern holds.
    Stored(ReplyReceipt),
    /// The client's timeout passed first.
    TimedOut(ReplyReceipt),
    /// The master does not know whether the write concern ever holds, for this reason.
    Unfinished(ReplyReceipt, String),
    /// Nothing was stored, for this reason.
    Refused(String),
    /// The connection ended, for this reason; whether the message is stored is not known.
    Lost(String),
}

/// Facts about a message in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyReceipt {
    /// Id of the message; of a batch, that of the first one.
    pub id: u64,
    /// Write concern as a number of nodes.
    pub write_concern: u16,
    /// Nodes that had acked, the master first.
    pub acked_by: Vec<String>,
}

/// A reply, and the time until it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedReply {
    /// The reply.
    pub answer: Reply,
    /// Time that the client waited for it.
    pub took: Duration,
}

/// Reason why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The cluster does not do what the step says.
    #[error("{0}")]
    Failed(String),
    /// The user ended the run.
    #[error("interrupted")]
    Interrupted,
}

impl Trouble {
    /// Creates the trouble of a step that failed for this reason.
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

/// A message as a reader receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Id.
    pub id: u64,
    /// Text.
    pub text: String,
    /// Id of the first message of its batch, if it is a member of one.
    pub batch: Option<u64>,
    /// Whether the reader can go on behind it.
    pub is_resume_point: bool,
}

/// Something that happens to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderEvent {
    /// It goes on at its last resume point: what came behind that comes again.
    Resumed,
    /// It receives a message.
    Message(ReceivedMessage),
    /// It cannot go on until it resumes, for this reason.
    Ended(String),
}

/// Messages as a node shows them: ids and texts.
pub type Shown = Vec<(u64, String)>;

/// A cluster that a scenario is played against: simulated, or of real nodes.
pub trait Backend {
    /// Returns what this backend lacks for a step; none if it can carry it out.
    fn lacks(&self, step: &Step) -> Option<String>;

    /// Carries out an action. Returns its result for the trace, if it has one.
    ///
    /// # Errors
    /// When the cluster does not do what is requested.
    fn act(&mut self, action: &Action) -> Result<Option<String>, Trouble>;

    /// Sends a message to the master. [`Backend::answer`] returns the reply.
    ///
    /// # Errors
    /// When the run is ended.
    fn append(&mut self, append: &AppendStep) -> Result<Ticket, Trouble>;

    /// Sends lines of an append stream to the master, which begins with its first line.
    /// [`Backend::answer`] returns the reply to each.
    ///
    /// # Errors
    /// When the run is ended.
    fn stream(&mut self, lines: &StreamStep) -> Result<Vec<Ticket>, Trouble>;

    /// Closes the connection of a stream. Returns whether there is one of this name.
    fn end_stream(&mut self, stream: &str) -> bool;

    /// Waits for a stored message. [`Backend::answer`] returns the reply.
    ///
    /// # Errors
    /// When the run is ended.
    fn wait(&mut self, wait: &WaitStep) -> Result<Ticket, Trouble>;

    /// Closes the connection of a client.
    fn hang_up(&mut self, ticket: Ticket);

    /// Returns the reply to a client; none while it waits.
    fn answer(&mut self, ticket: Ticket) -> Option<TimedReply>;

    /// Lets a reader follow a node: a new one from its position on, one that is known from its last
    /// resume point on. It goes on when the node crashes and comes back.
    ///
    /// # Errors
    /// When the run is ended.
    fn follow(&mut self, follow: &FollowStep) -> Result<(), Trouble>;

    /// Takes out what happened to a reader since the last call.
    fn take_received(&mut self, reader: &str) -> Vec<ReaderEvent>;

    /// Returns the messages that a node shows under a read concern.
    ///
    /// # Errors
    /// When the node does not answer, or does not know what so many nodes hold, with the reason.
    fn read(&mut self, node: &NodeName, concern: WriteConcern) -> Result<Shown, String>;

    /// Returns the messages that a node has.
    ///
    /// # Errors
    /// As [`Backend::read`].
    fn messages(&mut self, node: &NodeName) -> Result<Shown, String> {
        self.read(node, WriteConcern::Nodes(1))
    }

    /// Returns the health of a node.
    ///
    /// # Errors
    /// When the node does not answer, with the reason.
    fn health(&mut self, node: &NodeName) -> Result<NodeHealth, String>;

    /// Starts a node that has to refuse to start. Returns the last line of its output.
    ///
    /// # Errors
    /// When it starts all the same.
    fn refuses_to_start(&mut self, node: &NodeName) -> Result<String, Trouble>;

    /// Returns whether a file that `acklog log reset` moved aside from a node's log holds a text.
    ///
    /// # Errors
    /// When the files cannot be read.
    fn is_aside(&mut self, node: &NodeName, text: &str) -> Result<bool, Trouble>;

    /// Returns the nodes that run, the master first.
    fn nodes(&self) -> Vec<NodeName>;

    /// Lets time pass.
    ///
    /// # Errors
    /// When the run is ended meanwhile.
    fn pass(&mut self, time: Duration) -> Result<(), Trouble>;

    /// Returns the time since the beginning.
    fn now(&self) -> Duration;

    /// Returns the pause between two checks of a condition.
    fn pause_between_looks(&self) -> Duration;

    /// Takes out the trace since the last call, line by line; empty for a backend that records
    /// none.
    fn take_trace(&mut self) -> String;

    /// Returns what may explain a failure: the ends of the nodes' logs.
    fn last_words(&mut self) -> String;
}
