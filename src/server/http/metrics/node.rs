//! The metrics that both roles have.

use std::fmt;

use acklog_api::DiskState;
use acklog_protocol::{DiskHealth, MasterHealth, SecondaryHealth};
use acklog_types::{Epoch, LogEnd};

use super::families::Families;
use super::snapshot::{NodeMeasures, Snapshot};
use crate::contract::disk_state;
use crate::server::node::{MasterMeasures, SecondaryMeasures};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The part of a node's health that both roles have.
struct CommonHealth {
    log_start: LogEnd,
    log_end: LogEnd,
    committed_end: Option<LogEnd>,
    epoch: Epoch,
    is_ready: bool,
}

impl From<&NodeMeasures> for CommonHealth {
    fn from(node: &NodeMeasures) -> Self {
        match node {
            NodeMeasures::Master(MasterMeasures { health, .. }) => {
                let &MasterHealth { log_start, log_end, committed_end, epoch, .. } = health;
                Self { log_start, log_end, committed_end, epoch, is_ready: health.is_ready() }
            }
            NodeMeasures::Secondary(SecondaryMeasures { health, .. }) => {
                let &SecondaryHealth { log_start, log_end, committed_end, epoch, .. } = health;
                Self { log_start, log_end, committed_end, epoch, is_ready: health.is_ready() }
            }
        }
    }
}

/// Writes the positions of the node's log.
pub(super) fn write_log(out: &mut Families<'_>, node: &NodeMeasures) -> fmt::Result {
    let health = CommonHealth::from(node);
    out.gauge("acklog_log_start", "Id of the first message in the log.", health.log_start.get())?;
    out.gauge(
        "acklog_log_end",
        "End of the node's log, without a gap and durable.",
        health.log_end.get(),
    )?;
    out.gauge_if_known(
        "acklog_log_committed_end",
        "End of what a majority has.",
        health.committed_end.map(LogEnd::get),
    )?;
    out.gauge("acklog_epoch", "Epoch of the log.", health.epoch.get())?;
    out.gauge("acklog_ready", "1 while GET /ready is 200, else 0.", u32::from(health.is_ready))
}

/// Writes what both roles have beside the positions of the log.
pub(super) fn write_rest(out: &mut Families<'_>, all: &Snapshot) -> fmt::Result {
    let (name, role, disk) = match &all.node {
        NodeMeasures::Master(node) => (&node.health.name, "master", &node.health.disk),
        NodeMeasures::Secondary(node) => (&node.health.name, "secondary", &node.health.disk),
    };
    out.counter(
        "acklog_cut_messages_total",
        "Messages cut off the end of the log since the process started.",
        all.log.cut_messages,
    )?;
    write_disk(out, all, disk.as_ref())?;
    out.gauge("acklog_followers", "Readers that wait or follow.", all.http.followers)?;
    out.gauge(
        "acklog_faults_active",
        "Faults in force, each kind counts 1.",
        all.node.faults().count(),
    )?;
    write_http(out, all)?;
    out.info("acklog_build_info", "Version of the program.", &[("version", VERSION)])?;
    let labels = [("node", name.as_str()), ("role", role)];
    out.info("acklog_node_info", "Name and role of the node.", &labels)
}

fn write_http(out: &mut Families<'_>, all: &Snapshot) -> fmt::Result {
    let requests = all.http.sums.requests.iter();
    out.counters(
        "acklog_http_requests_total",
        "HTTP requests answered.",
        requests.map(|((route, status), count)| {
            ([("route", (*route).to_owned()), ("status", status.to_string())], *count)
        }),
    )?;
    out.gauge("acklog_http_connections", "HTTP connections that are open.", all.http.connections)
}

/// Writes the state of the disk; nothing where the log is in memory.
fn write_disk(out: &mut Families<'_>, all: &Snapshot, health: Option<&DiskHealth>) -> fmt::Result {
    let (Some(health), Some(syncs)) = (health, &all.log.syncs) else { return Ok(()) };
    out.histogram("acklog_sync_seconds", "Time that each sync of the log took.", syncs)?;
    out.gauge_if_known(
        "acklog_disk_free_bytes",
        "Bytes that the file system of the data directory has left for the node.",
        all.free_bytes,
    )?;
    let state = match health {
        DiskHealth::Ok => DiskState::Ok,
        DiskHealth::Faulty(fault) => disk_state(fault).0,
    };
    out.gauge(
        "acklog_disk_failed",
        "1 once a write or sync failed for good, else 0.",
        u32::from(state == DiskState::Failed),
    )?;
    let states =
        DiskState::ALL.iter().map(|one| (("state", one.as_str()), u32::from(*one == state)));
    out.gauges("acklog_disk_state", "1 for the state of the disk, 0 for the others.", states)
}
