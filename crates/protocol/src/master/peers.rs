//! The peers of the master's node, as values that decide nothing about the log.

pub(super) mod membership;
pub(super) mod pending;
pub(super) mod refused;
