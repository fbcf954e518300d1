//! Notices that a line is cut while nothing is sent over it.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::debug;

/// Silence after which the kernel asks whether the other end is there. Shorter: needless packets on idle
/// connections. Longer: a cut line is noticed later, and routers forget connections that idle for minutes.
const ASK_AFTER: Duration = Duration::from_secs(30);

/// Pause between two such questions.
const ASK_INTERVAL: Duration = Duration::from_secs(10);

/// Questions without an answer after which the connection is given up: within a minute of the cut.
const ASK_TIMES: u32 = 3;

/// How long sent bytes may stay unacknowledged. The kernel's own limit is about a quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKED_MAX: Duration = Duration::from_secs(60);

/// Has the kernel give up a connection whose line is cut, within about a minute.
pub fn watch(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let questions = TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_INTERVAL);
    let set = socket.set_tcp_keepalive(&questions.with_retries(ASK_TIMES));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(UNACKED_MAX)));
    if let Err(error) = set {
        // The connection serves without it as well as before.
        debug!(%error, "cannot have a cut line noticed");
    }
}
