//! Paths, and which role takes which methods on them.

/// Takes messages; the same as `POST` on [`MESSAGES`].
pub const NEW_MESSAGE: &str = "/newMessage";

/// Shows messages; a `POST` appends.
pub const MESSAGES: &str = "/messages";

/// Shows what a node reports about itself.
pub const HEALTH: &str = "/health";

/// Answers with status 200 only while the node does its whole job.
pub const READY: &str = "/ready";

/// The secondaries of a master, each by its name.
pub const SECONDARIES: &str = "/secondaries";

/// Shows, sets and clears injected faults.
pub const FAULTS: &str = "/faults";

/// Drops the node's connections to its peers.
pub const FAULTS_DISCONNECT: &str = "/faults/disconnect";

/// Streams what the node does.
pub const EVENTS: &str = "/events";

/// Shows the node's numbers, for Prometheus.
pub const METRICS: &str = "/metrics";
/// Shows the page: the cluster as it is and what happens in it, for people.
pub const PAGE: &str = "/";

/// The files of the page, each by its name.
pub const PAGE_FILES: &str = "/page";

/// Shows the OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";

/// Returns the path of one message.
pub fn message(id: u64) -> String {
    format!("{MESSAGES}/{id}")
}

/// The last part of the path of a receipt.
pub const RECEIPT: &str = "receipt";

/// Returns the path of the receipt of one message.
pub fn receipt(id: u64) -> String {
    format!("{MESSAGES}/{id}/{RECEIPT}")
}

/// Returns the path of one secondary.
pub fn secondary(name: &str) -> String {
    format!("{SECONDARIES}/{name}")
}
