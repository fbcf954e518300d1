//! Accepting connections, also where the system gives none for a while.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::{debug, info, warn};

/// Pause after a failed accept, doubled with each further one up to [`PAUSE_MAX`]: what fails is mostly the number of
/// descriptors, and only a connection that ends gives one back. Shorter: a busy loop while there are none.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Pause where an idle connection was closed to make room, which takes a moment. Shorter: more of them would be closed
/// than are needed. Longer: each client that comes while there is no room waits for that long.
const PAUSE_FOR_ROOM: Duration = Duration::from_millis(5);

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

    /// Returns the next connection. Each time that there is none to be had, `make_room` is called: it may free a
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
                // The system wants a descriptor before it looks whether anybody is there.
                Err(_) if !is_waited_for(&self.listener) => sleep(PAUSE_MIN).await,
                Err(error) => {
                    let port = self.port;
                    warn!(repeats = true, port, %error, "connections cannot be accepted; trying on");
                    let pause = self.pause.unwrap_or(PAUSE_MIN);
                    self.pause = Some((2 * pause).min(PAUSE_MAX));
                    sleep(if make_room() { PAUSE_FOR_ROOM } else { pause }).await;
                }
            }
        }
    }
}

/// Whether a connection waits to be accepted.
fn is_waited_for(listener: &TcpListener) -> bool {
    let mut waits = [PollFd::new(listener, PollFlags::IN)];
    // An error is told by the next accept.
    poll(&mut waits, Some(&Timespec::default())) != Ok(0)
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
