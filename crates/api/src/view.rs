//! What a stream of events tells beside events: the state of nodes, and their messages.
//!
//! Each body is the `data` of a server-sent event with the name beside it here.

use serde::{Deserialize, Serialize};

use crate::faults::Faults;
use crate::health::Health;

/// Name of the event [`NodeState`].
pub const STATE_EVENT: &str = "state";

/// Name of the event [`NodeMessages`].
pub const MESSAGES_EVENT: &str = "messages";

/// The state of a node, as it tells it, or why it tells nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// The name of the node.
    pub node: String,
    /// When it was so, by the wall clock of the node that tells it, in microseconds since 1970.
    pub time: u64,
    /// Whether the node that tells this reaches the node over HTTP; true of itself.
    pub reachable: bool,
    /// The URL of the node, as the node that tells this reaches it; null where it knows none.
    pub url: Option<String>,
    /// Why it cannot be reached; null where it can.
    pub detail: Option<String>,
    /// Its health, as `GET /health` answers; null where it cannot be reached.
    pub health: Option<Health>,
    /// The faults in force; null where the node allows none, or cannot be reached.
    pub faults: Option<Faults>,
}

/// Messages that a node shows, in the order of its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMessages {
    /// The name of the node.
    pub node: String,
    /// The id of the first one. Larger than the end of those before: some were left out. Smaller:
    /// the node's log is another one, or was cut.
    pub from: u64,
    /// Their texts. A long one is cut, and ends with `…`.
    pub messages: Vec<String>,
}
