//! Targets of the log lines that name their subject, and not the file that writes them.
//!
//! Filters and saved logs hold these names.

/// The handshake, up to the moment in which the node is ready.
pub(super) const HANDSHAKE: &str = "acklog_protocol::secondary::handshake";

/// Requests to the master and its responses.
pub(super) const LINK: &str = "acklog_protocol::secondary::link";

/// Damaged messages.
pub(super) const REPAIR: &str = "acklog_protocol::secondary::repair";

/// Runs and pages on their way into the log.
pub(super) const STORE: &str = "acklog_protocol::secondary::store";
