//! Judges the responses, refusals and health of the master by what it was asked and what was
//! reported to it.

use acklog_judge::{HeldMoment, MasterMoment, ShownEnds, ShownMoment};
use acklog_protocol::{
    CloseReason, Machine, MasterHealth, MemberHealth, MemberPhase, QuorumHealth, Refusal,
    RefusedHealth, Status, Wait,
};
use acklog_types::{IdempotencyKey, LogEnd, NODES_MAX, NodeName, SessionId, WriteConcern};

use super::Cluster;
use super::reads::{master_ends, secondary_ends};

impl Cluster {
    /// Returns the number of nodes of a write concern.
    pub(super) fn wanted(&self, wait: Wait) -> u64 {
        let size = u64::from(self.master_health().map_or(1, |health| health.cluster_size));
        match wait.write_concern.unwrap_or(WriteConcern::Majority) {
            WriteConcern::Nodes(nodes) => nodes.max(1),
            WriteConcern::Majority => size / 2 + 1,
            WriteConcern::All => size,
        }
    }

    pub(super) fn master_health(&self) -> Option<MasterHealth> {
        self.master.as_ref().map(|node| node.machine.health(self.instant()))
    }

    /// Notes which connection belongs to which name, after the master took something in.
    pub(super) fn note_positions(&mut self) {
        if let Some(health) = self.master_health() {
            self.positions.look_at(&health);
        }
    }

    /// Notes that the master is stalled, or continues just now.
    pub(super) fn note_master_stall(&mut self, name: Option<&NodeName>) {
        if name.is_none() {
            self.positions.note_stall(self.now);
        }
    }

    /// Judges whether the master keeps clients waiting without a reason, and whether its health is
    /// true.
    ///
    /// # Panics
    /// When a client waits although enough nodes acked, or beyond its timeout, or when the health
    /// is not true.
    pub(super) fn judge_master(&mut self) {
        self.note_positions();
        let (Some(health), Some(master)) = (self.master_health(), &self.master) else { return };
        if master.stalled.is_hung || master.machine.is_paused() {
            self.positions.note_stall(self.now);
        }
        // The log makes more durable when it begins a new segment than was reported to the master.
        let durable = health.log_end;
        assert!(durable <= master.log.reader.durable_end(), "the master shows what is not durable");
        let positions = &self.positions;
        let fault = master.log.fault.as_ref();
        self.checker.judge_waits(&MasterMoment {
            now: self.now,
            durable_end: durable.get(),
            secondaries_at: &|end| positions.at_least(LogEnd::new(end)) as u64,
            stood_still_since: &|moment| positions.stalled_since(moment),
            disk_failed: fault.is_some_and(|fault| !fault.is_passing()),
            is_stopping: self.stopping,
        });
        self.judge_health(&health);
        self.judge_master_reads(&health);
    }

    /// Judges what the master shows under read concerns.
    fn judge_master_reads(&mut self, health: &MasterHealth) {
        let Some(master) = &self.master else { return };
        let positions = &self.positions;
        let (liars, true_ones): (Vec<_>, Vec<_>) =
            health.secondaries.iter().partition(|row| positions.is_liar(&row.name));
        let told = true_ones.into_iter().map(|row| {
            let end = positions.of(&row.name).unwrap_or_default();
            (row.name.as_str(), end.get())
        });
        let told: Vec<_> = told.collect();
        self.checker.master_shows(&HeldMoment {
            cluster_size: health.cluster_size.into(),
            durable_end: health.log_end.get(),
            told: &told,
            liars: liars.len() as u64,
            shown: master_ends(master),
            held_end: &|nodes| master.machine.get_ref().held_end(nodes).get(),
        });
    }

    /// Judges what each secondary shows under read concerns.
    pub(super) fn judge_secondaries_reads(&mut self) {
        for (name, node) in &self.secondaries {
            let (shown, machine) = (secondary_ends(node), node.machine.get_ref());
            let Some(log) = machine.log_id() else {
                assert_eq!(shown, ShownEnds::default(), "{name} has no log");
                continue;
            };
            self.checker.secondary_shows(
                name,
                log,
                &ShownMoment {
                    own_end: node.log.reader.durable_end().get(),
                    shown,
                    cluster_size: machine.cluster_size().unwrap_or_default().into(),
                    held_end: &|nodes| machine.held_end(nodes).get(),
                },
            );
        }
    }

    fn judge_health(&self, health: &MasterHealth) {
        let waiting = self.checker.waiting_for_secondaries();
        assert_eq!(health.waiting_senders, waiting, "the master counts other clients that wait");
        let judged = health.secondaries.iter().filter(|row| !self.positions.is_liar(&row.name));
        for row in judged {
            let name = &row.name;
            assert_eq!(row.acked_end, self.positions.of(name), "what {name} acked");
            let status = self.positions.status(self.now, self.options.heartbeat_interval, row);
            assert!(
                status.is_none_or(|status| status == row.status),
                "{name} should be {status:?}: {row:?}"
            );
        }
        let counts =
            |row: &&MemberHealth| row.phase == MemberPhase::Ready && row.status == Status::Healthy;
        let ready = health.secondaries.iter().filter(counts).count();
        let is_more = |quorum: QuorumHealth| usize::from(quorum.healthy) > 1 + ready;
        assert!(
            !health.quorum.is_some_and(is_more),
            "nodes count that are not healthy: {health:?}"
        );
    }

    /// Judges that the master may close a connection for another one of its name.
    ///
    /// # Panics
    /// When the node at its other end lives.
    pub(super) fn judge_close(&mut self, session: SessionId, reason: &CloseReason) {
        self.note_positions();
        let (interval, link) = (self.options.heartbeat_interval, session.get());
        let is_replaced = matches!(reason, CloseReason::Replaced);
        let may_be = || self.positions.may_be_replaced(self.now, interval, link);
        assert!(!is_replaced || may_be(), "connection {link} of a live node is replaced");
    }

    /// Judges that the master may forget a secondary, by its health before.
    ///
    /// # Panics
    /// When there was contact with the secondary.
    pub(super) fn judge_forgotten(&self, name: &NodeName, before: &MasterHealth) {
        let row = before.secondaries.iter().find(|row| row.name == *name);
        let is_gone = row.is_some_and(|row| row.status == Status::Unhealthy);
        assert!(is_gone, "{name} is forgotten: {row:?}");
    }

    /// Judges that the master may take a message, by its health before.
    ///
    /// # Panics
    /// When it had a reason to refuse it.
    pub(super) fn judge_taken(&self, wanted: u64, before: &MasterHealth) {
        let largest = self.options.cluster_size.unwrap_or(NODES_MAX);
        assert!(wanted <= u64::from(largest), "{wanted} nodes can never have it");
        assert!(!self.is_crowded(wanted, self.options.max_waiting), "more clients wait than may");
        assert!(before.quorum.is_none_or(|quorum| quorum.is_there()), "taken without a quorum");
        assert!(!before.read_only, "a read-only master takes no messages");
        assert!(!self.stopping, "a master that stops takes no messages");
    }

    /// Judges that the master may refuse a message or a wait.
    ///
    /// # Panics
    /// When it had no such reason.
    pub(super) fn judge_refusal(&self, wanted: u64, key: Option<&IdempotencyKey>, why: &Refusal) {
        let Some(health) = self.master_health() else { return };
        let is_true = match why {
            Refusal::WriteConcern { asked, reachable } => {
                let largest = self.options.cluster_size.unwrap_or(NODES_MAX);
                *asked == wanted && wanted > u64::from(largest) && *reachable == largest
            }
            Refusal::TooManyWaiting { limit } => {
                let max = self.options.max_waiting;
                self.is_crowded(wanted, max) && *limit == max
            }
            Refusal::NoQuorum { healthy, required, .. } => {
                health.quorum.is_some_and(|quorum| {
                    (quorum.healthy, quorum.required) == (*healthy, *required)
                }) && healthy < required
            }
            Refusal::DiskFault(_) => self.master.as_ref().is_some_and(|node| {
                let has_all = |until: LogEnd| {
                    health.secondaries.iter().any(|row| {
                        (row.phase, row.status) == (MemberPhase::Ready, Status::Healthy)
                            && row.acked_end >= Some(until)
                    })
                };
                let damage = node.log.damage.as_ref();
                node.log.fault.is_some() || damage.is_some_and(|damage| !has_all(damage.until))
            }),
            Refusal::Behind { end, seen } => {
                let has_more = |row: &RefusedHealth| row.log_end == Some(*seen);
                health.log_end == *end && end < seen && health.refused.iter().any(has_more)
            }
            Refusal::ShuttingDown => self.stopping,
            Refusal::KeyReused { first } => {
                key.and_then(|key| self.checker.message_of(key)) == Some(*first)
            }
            Refusal::KeyUnreadable { .. } => self.is_damaged(),
            Refusal::EndMoved { expected, end } => {
                end.get() == self.checker.accepted_count() && expected != end
            }
            Refusal::NoMessage { end } => end.get() == self.checker.accepted_count(),
            _ => false,
        };
        assert!(is_true, "no reason for that: {why}");
    }

    /// Judges that the master may refuse lines of an append stream. They leave a sixteenth of the
    /// places to single appends.
    ///
    /// # Panics
    /// When it had no such reason.
    pub(super) fn judge_refused_lines(&self, wanted: u64, why: &Refusal) {
        let max = self.options.max_waiting;
        match why {
            Refusal::TooManyWaiting { limit } => {
                let is_true = self.is_crowded(wanted, max - max / 16) && *limit == max;
                assert!(is_true, "no reason for that: {why}");
            }
            why => self.judge_refusal(wanted, None, why),
        }
    }

    /// Returns whether one more client that waits for `wanted` nodes would be one too many, where
    /// so many may wait.
    fn is_crowded(&self, wanted: u64, places: usize) -> bool {
        wanted > 1 && self.checker.waiting_for_secondaries() >= places
    }
}
