//! Accepting connections, also where the system gives none for a while.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Pause after a failed accept, doubled with each further one up to [`PAUSE_MAX`]: what fails is mostly the number of
/// descriptors, and only a connection that ends gives one back. Shorter: a busy loop while there are none.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause between two attempts. Longer: clients wait longer than they need to once there are descriptors again.
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// A listener that goes on whatever happens. That no connection can be accepted is logged when it begins, once a minute
/// while it lasts, and when it ends.
#[derive(Debug)]
pub(crate) struct Accepting {
    listener: TcpListener,
    /// What is served there, for a person.
    port: &'static str,
    /// The next pause, while accepting fails.
    pause: Option<Duration>,
}

impl Accepting {
    /// Accepts on `listener`, at which `port` is served.
    pub(crate) fn new(listener: TcpListener, port: &'static str) -> Self {
        Self { listener, port, pause: None }
    }

    /// Returns the next connection. Each time that it begins to fail, `begins_to_fail` is called: it may free a
    /// descriptor. Cancel safe.
    pub(crate) async fn next(&mut self, begins_to_fail: impl Fn()) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    if self.pause.take().is_some() {
                        let port = self.port;
                        info!(repeats = true, port, "connections are accepted again");
                    }
                    return accepted;
                }
                Err(error) if is_the_peers(&error) => debug!(%error, "a connection ended early"),
                Err(error) => {
                    let port = self.port;
                    warn!(repeats = true, port, %error, "connections cannot be accepted; trying on");
                    if self.pause.is_none() {
                        begins_to_fail();
                    }
                    let pause = self.pause.unwrap_or(PAUSE_MIN);
                    self.pause = Some((2 * pause).min(PAUSE_MAX));
                    sleep(pause).await;
                }
            }
        }
    }
}

/// Whether an accept failed because of that one connection, so that the next may well succeed.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
