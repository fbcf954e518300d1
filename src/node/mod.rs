//! Node handles (stub).
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use crate::log::LogReader;
use crate::protocol::{ForgetError, MasterHealth, Outcome, SecondaryHealth};
use crate::types::{NodeName, WriteConcern};

/// The node's core task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// A message to append.
#[derive(Debug)]
pub struct Append {
    /// The message; at most `--max-message-bytes`, checked by the caller.
    pub text: String,
    /// The write concern; none: the node's default.
    pub write_concern: Option<WriteConcern>,
    /// How long the sender waits for it; none: as long as it takes. Zero: answer at once with what is so far.
    pub timeout: Option<Duration>,
}

/// A running master, as HTTP sees it.
#[derive(Clone, Debug)]
pub struct MasterHandle {}

/// One HTTP thread's way to append: it lives on that thread.
#[derive(Clone, Debug)]
pub struct Appender {
    _inner: Rc<()>,
}

impl MasterHandle {
    /// Reads the log.
    pub fn reader(&self) -> &LogReader {
        todo!()
    }
    /// An appender for the calling HTTP thread; must be called inside that thread's tokio runtime/LocalSet.
    pub fn appender(&self) -> Appender {
        todo!()
    }
    /// The master's health.
    pub async fn health(&self) -> Result<MasterHealth, Stopped> {
        todo!()
    }
    /// Forgets a secondary.
    pub async fn forget(
        &self,
        _name: NodeName,
    ) -> Result<Result<MasterHealth, ForgetError>, Stopped> {
        todo!()
    }
}

impl Appender {
    /// Appends and waits for the outcome. Dropping the future forgets the waiter; the message stays.
    pub async fn append(&self, _append: Append) -> Result<Outcome, Stopped> {
        todo!()
    }
}

/// A running secondary, as HTTP sees it.
#[derive(Clone, Debug)]
pub struct SecondaryHandle {}

impl SecondaryHandle {
    /// Reads the log.
    pub fn reader(&self) -> &LogReader {
        todo!()
    }
    /// Where it dials its master: `host:port`.
    pub fn master_address(&self) -> &str {
        todo!()
    }
    /// The secondary's health.
    pub async fn health(&self) -> Result<SecondaryHealth, Stopped> {
        todo!()
    }
}
