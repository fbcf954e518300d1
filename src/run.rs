//! The only wiring: from a configuration to a running node.

use crate::config::{MasterConfig, SecondaryConfig};

/// What ends a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOn {
    /// SIGTERM and SIGINT.
    Signals,
    /// These signals, and the end of standard input: whoever holds it open has gone.
    SignalsOrStdinEnd,
}

/// Runs a master until it is told to stop.
///
/// # Errors
/// When it cannot start: a port in use, for example.
pub fn master(_config: MasterConfig, _stop: StopOn) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}

/// Runs a secondary until it is told to stop.
///
/// # Errors
/// When it cannot start: a port in use, for example.
pub fn secondary(_config: SecondaryConfig, _stop: StopOn) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
