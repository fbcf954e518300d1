//! What a scenario is played against.

use std::time::Duration;

use acklog_types::{NodeName, WriteConcern};
use thiserror::Error;

use super::action::{Action, AppendStep};
use super::health::NodeHealth;
use super::step::Step;

/// A client's request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a client was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The write concern holds.
    Stored(ReplyReceipt),
    /// The client's time passed before.
    TimedOut(ReplyReceipt),
    /// The master could not tell whether it ever holds, and says why.
    Unfinished(ReplyReceipt, String),
    /// Nothing was done, for this reason.
    Refused(String),
    /// The connection ended, for this reason; nobody knows what became of the message.
    Lost(String),
}

/// What an answer tells about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyReceipt {
    /// Its id; that of the first of a batch.
    pub id: u64,
    /// The write concern as a number of nodes.
    pub write_concern: u16,
    /// The nodes that had acked, the master first.
    pub acked_by: Vec<String>,
}

/// A client's answer, and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedReply {
    /// The answer.
    pub answer: Reply,
    /// How long the client waited for it.
    pub took: Duration,
}

/// Why a step could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The cluster does not do what the step says.
    #[error("{0}")]
    Failed(String),
    /// Somebody ended the run.
    #[error("interrupted")]
    Interrupted,
}

impl Trouble {
    /// Returns the trouble of a step that failed with this.
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

/// Messages as a node shows them: ids and texts.
pub type Shown = Vec<(u64, String)>;

/// A cluster that a scenario is played against: simulated, or of real nodes.
pub trait Backend {
    /// Returns what this backend lacks for a step; none where it can carry it out.
    fn lacks(&self, step: &Step) -> Option<String>;

    /// Carries out an action. Returns what is told about it, where something is.
    ///
    /// # Errors
    /// When the cluster does not do what is asked.
    fn act(&mut self, action: &Action) -> Result<Option<String>, Trouble>;

    /// Sends a message to the master; the answer is asked for with [`Backend::answer`].
    ///
    /// # Errors
    /// When the run is ended.
    fn append(&mut self, append: &AppendStep) -> Result<Ticket, Trouble>;

    /// Waits for a message that is there, as [`Backend::append`] does for a new one.
    ///
    /// # Errors
    /// When the run is ended.
    fn wait(
        &mut self,
        id: u64,
        write_concern: Option<WriteConcern>,
        timeout: Option<Duration>,
    ) -> Result<Ticket, Trouble>;

    /// Has a client hang up.
    fn hang_up(&mut self, ticket: Ticket);

    /// Returns a client's answer; none while it waits.
    fn answer(&mut self, ticket: Ticket) -> Option<TimedReply>;

    /// Returns what a node shows.
    ///
    /// # Errors
    /// When the node cannot be asked, with the reason.
    fn messages(&mut self, node: &NodeName) -> Result<Shown, String>;

    /// Returns a node's health.
    ///
    /// # Errors
    /// When the node cannot be asked, with the reason.
    fn health(&mut self, node: &NodeName) -> Result<NodeHealth, String>;

    /// Returns the last words of a node that was started and had to refuse.
    ///
    /// # Errors
    /// When it starts all the same.
    fn refuses_to_start(&mut self, node: &NodeName) -> Result<String, Trouble>;

    /// Returns whether what `acklog log reset` moved aside of a node's log holds a text.
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

    /// Returns how long to let pass between two looks at a condition.
    fn pause_between_looks(&self) -> Duration;

    /// Takes out what happened since the last call, line by line; nothing where nobody records it.
    fn take_trace(&mut self) -> String;

    /// Returns what may explain a failure: the ends of the nodes' logs.
    fn last_words(&mut self) -> String;
}
