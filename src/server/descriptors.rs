//! How the process's descriptors are divided.
//!
//! Clients decide how many connections there are, so these get what the parts leave that must not
//! lack: a log that cannot open its next file takes no more messages, and a secondary that cannot
//! be let in counts for nothing.

use acklog_protocol::STRANGERS_MAX;
use rustix::process::{Resource, getrlimit};

/// For the process itself: standard streams, listeners, and a few for each thread's runtime.
const PROCESS: u64 = 64 + 4 * 64;

/// For the log: 32 old segments and the last one, the manifest, indexes, and those that are made
/// beside them.
const LOG: u64 = 64;

/// For members of the cluster: most secondaries, each with a connection that may be replaced.
const MEMBERS: u64 = 2 * 255;

/// For connections to the communication port that have not told who they are.
const PENDING_SESSIONS: u64 = STRANGERS_MAX as u64;

/// Fewest of these, however small the limit is: secondaries come in among them.
const PENDING_SESSIONS_MIN: u64 = 4;

/// What a node with one secondary has open before any client comes: a small limit is divided behind
/// these.
const LEAST: u64 = 40;

/// Fewest HTTP connections, however small the limit is.
const HTTP_MIN: u64 = 4;

/// Returns how many HTTP connections a master may have: at least half of what is left of a small
/// limit, which leaves little for anything.
pub(crate) fn http_connections_of_master() -> usize {
    http_connections(MEMBERS + PENDING_SESSIONS)
}

/// Returns the same for a secondary, which dials one connection.
pub(crate) fn http_connections_of_secondary() -> usize {
    http_connections(2)
}

/// Returns how many connections a master may have that have not told who they are: a quarter of a
/// small limit.
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
