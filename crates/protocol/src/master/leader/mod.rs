//! The leader of one log: which messages are taken, what is replicated to whom, and when a client
//! is answered.
//!
//! [`Leader`] knows peers by their [`MemberId`](super::peers::MemberId)s, and what happens to them
//! by [`PeerEvent`](super::peers::PeerEvent)s; where it chooses one, it is given a view of them
//! that it can only read. It has one replica for each, and returns what is to be sent; sending is
//! the business of [`Peers`](super::peers::Peers).

mod ack_gate;
mod appends;
mod copies;
mod damage;
mod dedup_window;
mod disk;
mod end_times;
mod held_appends;
mod held_ends;
mod keyed;
mod losses;
mod own_log;
mod prefix;
mod quorum;
pub(super) mod reads;
mod replica;
mod replicas;
mod replication;
mod sent_counts;

use std::time::{Duration, Instant};

use acklog_types::{
    DiskFault, KeyHash, LogEnd, LogId, LogView, Losses, MessageId, NodeName, WriteConcern,
};

use self::ack_gate::AckGate;
pub(super) use self::ack_gate::WaitReason;
use self::damage::CopyRequest;
use self::dedup_window::DedupWindow;
pub use self::dedup_window::FirstUse;
use self::held_appends::HeldAppends;
pub(super) use self::keyed::ComparedAppend;
use self::own_log::OwnLog;
pub(super) use self::prefix::Denied;
pub(super) use self::reads::{NextPage, PageRequest, ReadPage};
use self::replica::Replica;
use self::replicas::Replicas;
pub(super) use self::replication::ReadResult;
use super::peers::{ClusterView, MemberId, Peer};
use crate::events::Events;
use crate::repair::Repair;
use crate::status::{DiskHealth, MemberHealth};

/// The part of [`MasterOptions`](crate::MasterOptions) that concerns one log.
#[derive(Clone, Debug)]
pub(super) struct LogOptions {
    /// The name of this node.
    pub(super) name: NodeName,
    /// The identity of the log.
    pub(super) log: LogId,
    /// The write concern of a message that names none.
    pub(super) default_write_concern: WriteConcern,
    /// Most clients that wait for secondaries at once.
    pub(super) max_waiting: usize,
    /// Number of keyed messages, the last ones, that are remembered by their idempotency keys.
    pub(super) idempotency_window: usize,
    /// The longest backoff of runs that fail.
    pub(super) pause_max: Duration,
}

/// The contents that a log was opened with.
#[derive(Debug)]
pub(super) struct RestoredLog {
    /// The end of the log; all of it is durable.
    pub(super) end: LogEnd,
    /// The last keyed messages, in id order.
    pub(super) keys: Vec<(KeyHash, MessageId)>,
    /// The log is on a disk.
    pub(super) on_disk: bool,
    /// The log existed before this start.
    pub(super) is_old: bool,
    /// The ends that other nodes were seen with, beyond this log's end.
    pub(super) losses: Losses,
}

/// The leader of a log. `L` is its view of the log.
#[derive(Debug)]
pub(super) struct Leader<L> {
    options: LogOptions,
    view: L,
    /// Invariant: no replica has acked more than is durable here.
    own: OwnLog,
    gate: AckGate,
    /// Whether clients may have to be answered, since a node's acked end changed.
    release_due: bool,
    keys: DedupWindow,
    comparing: HeldAppends,
    replicas: Replicas,
    /// The repair of what is damaged.
    repair: Option<Repair>,
    copy_request: CopyRequest,
    /// Whether something was damaged of which no other node has a copy, as last emitted.
    lacked_copy: bool,
    losses: Losses,
    /// Whether the log began with this start.
    is_new: bool,
    /// Whether fewer nodes were healthy than the quorum requires, as last emitted.
    lacked_quorum: bool,
    /// Whether messages were refused, as last emitted; none before the first time.
    was_read_only: Option<bool>,
    stopping: bool,
}

impl<L: LogView> Leader<L> {
    /// Creates the leader of a log that goes on where it ends.
    ///
    /// # Panics
    /// When the restored keys are not in id order.
    pub(super) fn new(options: LogOptions, restored: RestoredLog, view: L) -> Self {
        let mut keys = DedupWindow::new(options.idempotency_window);
        for (hash, id) in restored.keys {
            keys.insert(hash, id);
        }
        Self {
            view,
            own: OwnLog::new(restored.end, restored.on_disk),
            gate: AckGate::default(),
            release_due: false,
            keys,
            comparing: HeldAppends::default(),
            replicas: Replicas::new(&options.name, options.pause_max),
            repair: None,
            copy_request: CopyRequest::default(),
            lacked_copy: false,
            losses: restored.losses,
            is_new: !restored.is_old,
            lacked_quorum: false,
            was_read_only: None,
            stopping: false,
            options,
        }
    }

    /// Emits that other nodes have more of the log, if they were seen with more before this start.
    pub(super) fn emit_missing(&self, events: &mut Events) {
        if let Some(end) = self.missing_end() {
            self.emit_behind(None, end, events);
        }
    }

    /// Returns the identity of the log.
    pub(super) fn log_id(&self) -> LogId {
        self.options.log
    }

    /// Returns the end of what is durable.
    pub(super) fn durable_end(&self) -> LogEnd {
        self.own.durable_end()
    }

    /// Returns whether the log began with this start.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns whether new messages are refused.
    pub(super) fn is_read_only(&self, cluster: ClusterView) -> bool {
        self.stopping
            || self.fault().is_some()
            || self.check_losses().is_err()
            || self.check_quorum(cluster).is_err()
    }

    /// Returns the disk's health; none where the log is in memory.
    pub(super) fn disk_health(&self) -> Option<DiskHealth> {
        DiskHealth::new(self.own.is_on_disk(), self.reported_fault())
    }

    /// Returns whether the log is on disk.
    pub(super) fn is_on_disk(&self) -> bool {
        self.own.is_on_disk()
    }

    /// Returns why the disk takes nothing.
    pub(super) fn disk_fault(&self) -> Option<&DiskFault> {
        self.own.fault()
    }

    /// Returns when a client's time is up.
    pub(super) fn next_client_deadline(&self) -> Option<Instant> {
        self.gate.next_deadline().into_iter().chain(self.comparing.next_deadline()).min()
    }

    /// Returns when something is due for a peer.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let replicas = self.replicas.next_deadline(self.own.durable_end());
        replicas.into_iter().chain(self.next_repair_deadline()).min()
    }

    /// Returns the row of a peer in `/health`.
    pub(super) fn member_health(&self, now: Instant, id: MemberId, peer: &Peer) -> MemberHealth {
        let replica = self.replicas.get(id);
        let acked_end = replica.and_then(Replica::known_end);
        let durable_end = self.own.durable_end();
        MemberHealth {
            name: peer.name().clone(),
            status: peer.status(),
            phase: peer.phase(),
            acked_end,
            lag: acked_end.map(|end| durable_end.get() - end.get()),
            in_flight: replica.map_or(0, Replica::runs_in_flight),
            retries: replica.map_or(0, Replica::retries),
            rtt: peer.rtt(),
            last_seen: peer.last_seen().map(|seen| now.saturating_duration_since(seen)),
            address: peer.address().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests;
