//! The first frames of a connection, and the facts in them that nodes tell of themselves.

use std::fmt;
use std::time::Duration;

use acklog_types::{Checksum, Epoch, InstanceId, LogEnd, LogId, NodeName, Storage, StoreId};

use super::{ProtocolVersion, Request, Response};

/// Longest credentials, in bytes. Smaller: a token with its name might not fit. Larger: a pending
/// session could make a master hold more.
pub const CREDENTIALS_BYTES_MAX: usize = 1024;

/// The first request of a secondary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The version of the protocol that it speaks, which becomes that of the connection. A
    /// handshake of version 3 has no field below `checksum`.
    pub version: ProtocolVersion,
    /// Its name, which identifies it in the cluster.
    pub name: NodeName,
    /// The run of its process.
    pub instance: InstanceId,
    /// The log that its messages belong to; none if it never had one.
    pub log: Option<LogId>,
    /// Its contiguous end.
    pub end: LogEnd,
    /// The checksum of all its records before that end or, where that is not known, of the last
    /// one; none if it has no record. Earlier releases always send that of the last one.
    pub checksum: Option<Checksum>,
    /// The facts that it tells of itself.
    pub node: NodeFacts,
    /// The id of the first message in its log.
    pub log_start: LogEnd,
    /// The highest epoch that it promised to follow. The codec takes any: the master judges it.
    pub epoch: Epoch,
    /// The proof that it may join; empty so far.
    pub credentials: Credentials,
}

/// The first response of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The master's name.
    pub master: NodeName,
    /// The identity of its log, which the secondary takes on.
    pub log: LogId,
    /// The epoch that it is in, which becomes that of the connection. The codec takes any: the
    /// secondary judges it.
    pub epoch: Epoch,
    /// Its durable log end.
    pub log_end: LogEnd,
    /// The interval at which it sends heartbeats, in whole milliseconds.
    pub heartbeat_interval: Duration,
    /// The facts that it tells of itself.
    pub node: NodeFacts,
    /// The positions of the log.
    pub positions: Positions,
}

/// The facts that a node tells of itself. By default, and from a node of version 3: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The port at which it serves HTTP; none where it is not told.
    pub http_port: Option<u16>,
    /// The place where it keeps its log; none where it is not told.
    pub storage: Option<Storage>,
    /// The id of its data directory; none where it has none.
    pub store: Option<StoreId>,
    /// The epochs of its log, the first one first.
    pub epochs: Vec<EpochRow>,
}

/// One epoch of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRow {
    /// Its number.
    pub epoch: Epoch,
    /// The end of the log when it began.
    pub start: LogEnd,
    /// A number drawn when it began: two epochs are the same only where theirs are equal.
    pub mark: u64,
}

/// Positions of a log that its master tells. By default, and from a node of version 3: nothing is
/// known to be held by other nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The id of the first message in the log.
    pub log_start: LogEnd,
    /// The end that a majority of the cluster holds; none where the master does not know it.
    pub committed_end: Option<LogEnd>,
    /// The end that all nodes of the cluster hold.
    pub all_end: LogEnd,
    /// The number of nodes of the cluster, including the master; none where it is not told.
    pub cluster_size: Option<u16>,
}

/// The proof that a node may join. Its text is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(Vec<u8>);

impl Credentials {
    /// Takes credentials of a peer; none where they are longer than [`CREDENTIALS_BYTES_MAX`].
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= CREDENTIALS_BYTES_MAX).then_some(Self(bytes))
    }

    /// Returns their bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} bytes)", self.0.len())
    }
}

impl Handshake {
    /// Creates the handshake, in the present version, of a node with an empty log in memory.
    pub fn new(name: NodeName, instance: InstanceId) -> Self {
        Self {
            version: ProtocolVersion::PRESENT,
            name,
            instance,
            log: None,
            end: LogEnd::ZERO,
            checksum: None,
            node: NodeFacts { storage: Some(Storage::Memory), ..NodeFacts::default() },
            log_start: LogEnd::ZERO,
            epoch: Epoch::FIRST,
            credentials: Credentials::default(),
        }
    }
}

impl<R> From<Handshake> for Request<R> {
    fn from(handshake: Handshake) -> Self {
        Self::Handshake(Box::new(handshake))
    }
}

impl<R> From<Welcome> for Response<R> {
    fn from(welcome: Welcome) -> Self {
        Self::Welcome(Box::new(welcome))
    }
}
