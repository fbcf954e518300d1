//! The metrics that only a secondary has.

use std::fmt;

use acklog_protocol::SecondaryHealth;
use acklog_types::LogEnd;

use super::families::Families;

/// Writes them.
pub(super) fn write(out: &mut Families<'_>, health: &SecondaryHealth) -> fmt::Result {
    out.gauge(
        "acklog_master_connected",
        "1 while the master has admitted the node on a connection, else 0.",
        u32::from(health.connected),
    )?;
    out.gauge_if_known(
        "acklog_master_log_end",
        "End of the master's log, as last told.",
        health.master_log_end.map(LogEnd::get),
    )?;
    out.gauge("acklog_buffered_messages", "Messages that wait above a gap.", health.buffered)
}
