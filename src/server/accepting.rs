//! Accepts connections, also when the system refuses to for a while.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Pause after a failed accept, doubled with each further one up to [`PAUSE_MAX`]: the usual reason
/// is the limit of descriptors, and only a connection that ends frees one. Shorter: a busy loop
/// meanwhile.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Pause after an idle connection was closed to make room, which takes a moment. Shorter: more of
/// them would be closed than are needed. Longer: each client that connects meanwhile waits for that
/// long.
const PAUSE_FOR_ROOM: Duration = Duration::from_millis(5);

/// Longest pause between two attempts. Longer: clients wait longer than necessary once there are
/// descriptors again.
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// A listener that retries whatever happens. Failing accepts are logged when they begin, once a
/// minute while they last, and when they end.
#[derive(Debug)]
pub(crate) struct Accepting {
    listener: TcpListener,
    /// The name of the port in log lines.
    port: &'static str,
    /// The next pause, while accepting fails.
    pause: Option<Duration>,
}

impl Accepting {
    /// Accepts on `listener`, which log lines call `port`.
    pub(crate) fn new(listener: TcpListener, port: &'static str) -> Self {
        Self { listener, port, pause: None }
    }

    /// Returns the next connection. Whenever accepting fails, `make_room` is called: it may free a
    /// descriptor, and returns whether it does. Cancel safe.
    pub(crate) async fn next(&mut self, make_room: impl Fn() -> bool) -> (TcpStream, SocketAddr) {
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
                // The system asks for a descriptor before it checks whether a connection waits.
                Err(_) if !is_waited_for(&self.listener) => sleep(PAUSE_MIN).await,
                Err(error) => {
                    let port = self.port;
                    warn!(repeats = true, port, %error, "connections cannot be accepted; retrying");
                    let pause = self.pause.unwrap_or(PAUSE_MIN);
                    self.pause = Some((2 * pause).min(PAUSE_MAX));
                    sleep(if make_room() { PAUSE_FOR_ROOM } else { pause }).await;
                }
            }
        }
    }
}

/// Returns whether a connection waits to be accepted.
fn is_waited_for(listener: &TcpListener) -> bool {
    let mut waits = [PollFd::new(listener, PollFlags::IN)];
    // The next accept reports an error.
    poll(&mut waits, Some(&Timespec::default())) != Ok(0)
}

/// Returns whether an accept failed because of that one connection, so that the next may well
/// succeed.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
