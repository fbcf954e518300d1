//! Divides the process's file descriptors between its parts.
//!
//! Clients decide how many connections there are, so they get what is left by the parts that must
//! not run out: a log that cannot open its next file accepts no more messages, and a secondary that
//! cannot connect counts for nothing.

use acklog_protocol::STRANGERS_MAX;
use rustix::process::{Resource, getrlimit};

use super::http::PEER_CONNECTIONS_MAX;

/// For the process itself: standard streams, listeners, and a few for each thread's runtime.
const PROCESS: u64 = 64 + 4 * 64;

/// For the log: 32 old segments and the active one, the manifest, indexes, and those that are being
/// created.
const LOG: u64 = 64;

/// For members of the cluster: most secondaries, each with a connection that may be replaced.
const MEMBERS: u64 = 2 * 255;

/// For pending sessions: connections to the communication port before their handshake.
const PENDING_SESSIONS: u64 = STRANGERS_MAX as u64;

/// Fewest pending sessions, however small the limit is: secondaries begin as such.
const PENDING_SESSIONS_MIN: u64 = 4;

/// Descriptors of a node with one secondary before any client connects: a small limit is divided
/// after these.
const LEAST: u64 = 40;

/// Fewest HTTP connections, however small the limit is.
const HTTP_MIN: u64 = 4;

/// Returns the limit of a master's HTTP connections: at least half of the rest of a small limit.
pub(crate) fn http_connections_of_master() -> usize {
    http_connections(MEMBERS + PENDING_SESSIONS + PEER_CONNECTIONS_MAX as u64)
}

/// Returns the same for a secondary, which dials one connection.
pub(crate) fn http_connections_of_secondary() -> usize {
    http_connections(2)
}

/// Returns the limit of a master's pending sessions: a quarter of a small limit.
pub(crate) fn pending_sessions() -> usize {
    pending_sessions_of_limit(limit())
}

fn http_connections(peers: u64) -> usize {
    of_limit(limit(), peers)
}

fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn pending_sessions_of_limit(limit: u64) -> usize {
    (limit.saturating_sub(LEAST) / 4).clamp(PENDING_SESSIONS_MIN, PENDING_SESSIONS) as usize
}

fn of_limit(limit: u64, peers: u64) -> usize {
    let left = limit.saturating_sub(PROCESS + LOG + peers);
    let left = left.max(limit.saturating_sub(LEAST) / 2).max(HTTP_MIN);
    usize::try_from(left).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_node_needs_is_left_of_any_limit() {
        assert_eq!(of_limit(40, MEMBERS + PENDING_SESSIONS), 4);
        assert_eq!(of_limit(64, MEMBERS + PENDING_SESSIONS), 12);
        assert_eq!(of_limit(1024, MEMBERS + PENDING_SESSIONS), 492);
        assert_eq!(
            of_limit(20_000, MEMBERS + PENDING_SESSIONS),
            20_000 - 64 - 256 - 64 - 510 - 1024
        );
        assert_eq!(of_limit(1024, 2), 1024 - 64 - 256 - 64 - 2);
        assert!(of_limit(u64::MAX, 2) > 1 << 40);
        let pending = [0, 40, 80, 1024, 20_000].map(pending_sessions_of_limit);
        assert_eq!(pending, [4, 4, 10, 246, 1024]);
    }
}
