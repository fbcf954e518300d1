//! What a stream of events tells beside events: the state of nodes, and their messages.
//!
//! Each body is the `data` of a server-sent event with the name beside it here.

use serde::{Deserialize, Serialize};

use crate::faults::Faults;
use crate::health::Health;
use crate::{paths, query};

/// Name of the event [`NodeState`].
pub const STATE_EVENT: &str = "state";

/// Name of the event [`NodeMessages`].
pub const MESSAGES_EVENT: &str = "messages";

/// Name of the event [`SampledEvents`](crate::SampledEvents).
pub const SAMPLED_EVENT: &str = "sampled";

/// Name of the event [`MissedEvents`](crate::MissedEvents).
pub const MISSED_EVENT: &str = "missed";

/// A request for a node's events. The default: its own, and nothing beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsRequest {
    /// Whether those of all nodes are told, which the master relays.
    pub all_nodes: bool,
    /// Whether the state of nodes is told, as [`NodeState`].
    pub state: bool,
    /// Whether messages are told, as [`NodeMessages`].
    pub messages: bool,
}

impl EventsRequest {
    /// Returns the path and the query of the request.
    pub fn path(&self) -> String {
        let names = [(self.state, STATE_EVENT), (self.messages, MESSAGES_EVENT)];
        let included: Vec<&str> =
            names.iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, name)| *name).collect();
        let nodes = self.all_nodes.then(|| format!("{}={}", query::NODES, query::ALL_NODES));
        let include =
            (!included.is_empty()).then(|| format!("{}={}", query::INCLUDE, included.join(",")));
        let parameters: Vec<String> = nodes.into_iter().chain(include).collect();
        match parameters.is_empty() {
            true => paths::EVENTS.to_owned(),
            false => format!("{}?{}", paths::EVENTS, parameters.join("&")),
        }
    }
}

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
    /// The URL of its master, where it is a secondary that knows it; null otherwise.
    #[serde(default)]
    pub master_url: Option<String>,
    /// Why it cannot be reached; null where it can.
    pub detail: Option<String>,
    /// Its health, as `GET /health` answers; null where it cannot be reached.
    pub health: Option<Health>,
    /// The faults in force; null where the node allows none, or cannot be reached.
    pub faults: Option<Faults>,
}

impl NodeState {
    /// Returns the state of a node that cannot be reached at this URL, if it has one, and why.
    pub fn unreachable(node: String, time: u64, url: Option<String>, detail: String) -> Self {
        Self {
            node,
            time,
            reachable: false,
            url,
            master_url: None,
            detail: Some(detail),
            health: None,
            faults: None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_only_what_is_wanted() {
        let path = |all_nodes, state, messages| EventsRequest { all_nodes, state, messages }.path();
        assert_eq!(path(false, false, false), "/events");
        assert_eq!(path(false, true, false), "/events?include=state");
        assert_eq!(path(true, false, false), "/events?nodes=all");
        assert_eq!(path(true, true, true), "/events?nodes=all&include=state,messages");
    }
}
