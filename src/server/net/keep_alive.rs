//! Detects a dead connection on which nothing is sent.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::debug;

/// Idle time after which the kernel probes the other end. Shorter: needless packets on idle
/// connections. Longer: a cut line is noticed later, and routers forget connections that are idle
/// for minutes.
const ASK_AFTER: Duration = Duration::from_secs(30);

/// Pause between two probes.
const ASK_INTERVAL: Duration = Duration::from_secs(10);

/// Probes without a response after which the connection is closed: within a minute of the cut.
const ASK_TIMES: u32 = 3;

/// Longest time for which sent bytes may stay unacknowledged. The kernel's own limit is about a
/// quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKED_MAX: Duration = Duration::from_secs(60);

/// Sets up the kernel to close a connection whose line is cut, within about a minute.
pub fn watch(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let questions = TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_INTERVAL);
    let set = socket.set_tcp_keepalive(&questions.with_retries(ASK_TIMES));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(UNACKED_MAX)));
    if let Err(error) = set {
        // The connection works without it.
        debug!(%error, "cannot have a cut line noticed");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_line_that_is_cut_while_an_answer_is_awaited_is_noticed_within_two_minutes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        watch(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        let silent = socket.tcp_keepalive_time().unwrap();
        let unanswered = socket.tcp_user_timeout().unwrap().unwrap();
        let noticed = silent.max(unanswered) + 2 * socket.tcp_keepalive_interval().unwrap();
        assert!(noticed < Duration::from_secs(120), "{noticed:?}");
    }
}
