//! What a load is sent to: connections of any kind, and how they fail.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;

/// Why a request or a connection came to nothing. Those with the same text are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestFailure {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server answered, and not as hoped. The connection goes on.
    #[error("{kind}")]
    Refused {
        /// What counts as the same.
        kind: String,
        /// What more was said; of those that are counted together, the first one's is shown.
        detail: Option<String>,
    },
    /// The answer took longer than [`BenchLoad::timeout`](super::load::Load::timeout).
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer")]
    HungUp,
    /// Anything else after which the connection is of no use.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for RequestFailure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::HungUp,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// One connection that sends one request at a time.
pub trait LoadConnection: Send + 'static {
    /// Sends the next request and waits for its answer. Dropped when it takes too long, and the sender with it.
    ///
    /// # Errors
    /// When the answer is not what it should be, or does not come.
    fn send(&mut self) -> impl Future<Output = Result<(), RequestFailure>> + Send;

    /// Whether the connection takes another request. Asked before each; where it is over, without anything having
    /// failed, the client connects again at once.
    fn is_open(&self) -> bool {
        true
    }
}

/// Something that can be connected to.
pub trait LoadTarget: Send + Sync + 'static {
    /// Its connections.
    type Connection: LoadConnection;

    /// How long making a connection may take.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Makes a connection.
    ///
    /// # Errors
    /// When there is none to be had.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, RequestFailure>> + Send;
}
