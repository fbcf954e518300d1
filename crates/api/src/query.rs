//! Names of query parameters.

/// Id of the first message of a listing.
pub const FROM: &str = "from";

/// Number of messages at the end of the log with which a listing begins.
pub const LAST: &str = "last";

/// Instant at or after which the first message of a listing was accepted, by RFC 3339.
pub const SINCE: &str = "since";

/// Id before which a listing ends.
pub const UNTIL: &str = "until";

/// Most messages of a listing.
pub const LIMIT: &str = "limit";

/// Number of nodes that must have what is shown.
pub const READ_CONCERN: &str = "readConcern";

/// Whether the answer goes on with the messages that come later.
pub const FOLLOW: &str = "follow";

/// The id of an event behind which the answer begins, as the header `Last-Event-ID`.
pub const LAST_EVENT_ID: &str = "lastEventId";

/// Number of nodes that must have a message before it is shown.
pub const WRITE_CONCERN: &str = "writeConcern";

/// Another name of [`WRITE_CONCERN`].
pub const W: &str = "w";

/// Longest wait for the write concern, or for a message that can be shown, in milliseconds.
pub const TIMEOUT_MS: &str = "timeoutMs";

/// Whose events are told: the node's own, or those of all nodes.
pub const NODES: &str = "nodes";

/// Value of [`NODES`]: the events of the node that is asked.
pub const OWN_NODE: &str = "self";

/// Value of [`NODES`]: the events of all nodes, as the master relays them.
pub const ALL_NODES: &str = "all";

/// What is told beside events: the names of those events, separated by commas.
pub const INCLUDE: &str = "include";

/// The node that a request about faults is for.
pub const NODE: &str = "node";

/// The parameters of a listing.
pub const OF_LISTING: [&str; 9] =
    [FROM, LAST, SINCE, UNTIL, LIMIT, READ_CONCERN, TIMEOUT_MS, FOLLOW, LAST_EVENT_ID];

/// The parameters of a node's events.
pub const OF_EVENTS: [&str; 2] = [NODES, INCLUDE];

/// The parameters of requests about faults.
pub const OF_FAULTS: [&str; 1] = [NODE];

/// The parameters of a wait for one message.
pub const OF_WAIT: [&str; 3] = [WRITE_CONCERN, W, TIMEOUT_MS];
