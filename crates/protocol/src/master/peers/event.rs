//! Events of peers, for the logs that are replicated to them.

use acklog_types::{LogEnd, NodeName, Storage};

/// Identifies an admitted secondary. Numbers grow in the order in which names first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::master) struct MemberId(pub(in crate::master) u32);

/// Something that happened to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::master) enum PeerEvent {
    /// A session was admitted.
    Joined {
        /// The peer.
        peer: MemberId,
        /// Its name.
        name: NodeName,
        /// The position that its handshake reported.
        end: LogEnd,
        /// The place where it keeps its log; none where it did not tell.
        storage: Option<Storage>,
    },
    /// The peer's session ended.
    Left(MemberId),
    /// The peer's name is persisted: its acks count from now on.
    Registered {
        /// The peer.
        peer: MemberId,
        /// Its name.
        name: NodeName,
    },
    /// The peer is no member any more. Its session, if it had one, ended before.
    Removed(MemberId),
    /// The peer became live or is no longer live.
    StatusChanged {
        /// The peer.
        peer: MemberId,
        /// Whether it is ready and healthy.
        is_live: bool,
    },
}
