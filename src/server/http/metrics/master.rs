//! The metrics that only a master has.

use std::fmt;
use std::time::Duration;

use acklog_protocol::{MemberHealth, MemberPhase, Status};
use prometheus_client::encoding::EncodeGaugeValue;

use super::families::{Families, Label};
use crate::server::http::tally::{AppendOutcome, TallySums};
use crate::server::node::MasterMeasures;

/// Writes them.
pub(super) fn write(
    out: &mut Families<'_>,
    measures: &MasterMeasures,
    sums: &TallySums,
) -> fmt::Result {
    let health = &measures.health;
    out.gauge(
        "acklog_read_only",
        "1 while the master takes no messages, else 0.",
        u32::from(health.read_only),
    )?;
    write_appends(out, sums)?;
    out.gauge(
        "acklog_senders_waiting",
        "Senders that wait for secondaries.",
        health.waiting_senders,
    )?;
    out.gauge(
        "acklog_oldest_wait_seconds",
        "Time for which the sender that has waited longest for secondaries has waited.",
        measures.oldest_wait.as_secs_f64(),
    )?;
    out.gauge(
        "acklog_cluster_size",
        "Nodes of the cluster, the master included.",
        u32::from(health.cluster_size),
    )?;
    out.gauge_if_known(
        "acklog_quorum_required",
        "Nodes that must be healthy for the master to take messages.",
        health.quorum.map(|quorum| u32::from(quorum.required)),
    )?;
    out.gauge_if_known(
        "acklog_quorum_healthy",
        "Nodes that are healthy and ready, the master included.",
        health.quorum.map(|quorum| u32::from(quorum.healthy)),
    )?;
    out.gauge(
        "acklog_refused_secondaries",
        "Secondaries that were refused within the last 5 minutes.",
        health.refused.len(),
    )?;
    Secondaries { out, measures }.write()
}

fn write_appends(out: &mut Families<'_>, sums: &TallySums) -> fmt::Result {
    let outcomes = AppendOutcome::LABELS.into_iter().zip(sums.appends);
    out.counters(
        "acklog_appends_total",
        "Appends answered, by outcome: acked for a 201.",
        outcomes.map(|((_, outcome), count)| ([("outcome", outcome)], count)),
    )?;
    let labels: Vec<String> = sums.append_times.keys().map(ToString::to_string).collect();
    let rows = labels.iter().zip(sums.append_times.values());
    out.histograms(
        "acklog_append_seconds",
        "Time from the moment that an append was read until its 201 was made.",
        rows.map(|(label, times)| (("w", label.as_str()), times)),
    )
}

/// Writes the metrics of the secondaries: a sample for each one that the master knows.
struct Secondaries<'a, 'b> {
    out: &'a mut Families<'b>,
    measures: &'a MasterMeasures,
}

impl Secondaries<'_, '_> {
    fn write(&mut self) -> fmt::Result {
        self.gauges(
            "acklog_secondary_up",
            "1 while the secondary is live: connected, and not unhealthy.",
            |member| Some(u32::from(member.status != Status::Unhealthy)),
        )?;
        self.gauges(
            "acklog_secondary_ready",
            "1 while the secondary is connected and has caught up.",
            |member| Some(u32::from(member.phase == MemberPhase::Ready)),
        )?;
        self.gauges(
            "acklog_secondary_lag_messages",
            "Messages that the master has and the secondary has not acked.",
            |member| member.lag,
        )?;
        self.write_lag_bytes()?;
        self.gauges(
            "acklog_secondary_rtt_seconds",
            "Round trip of the last answered heartbeat.",
            |member| member.rtt.as_ref().map(Duration::as_secs_f64),
        )?;
        self.gauges(
            "acklog_secondary_last_seen_seconds",
            "Time since the last sign of life of the secondary.",
            |member| member.last_seen.as_ref().map(Duration::as_secs_f64),
        )?;
        let members = self.measures.health.secondaries.iter();
        self.out.counters(
            "acklog_secondary_retries_total",
            "Requests with messages that were sent to the secondary again.",
            members.map(|member| ([label(member)], member.retries)),
        )
    }

    fn gauges<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&MemberHealth) -> Option<V>,
    ) -> fmt::Result {
        let members = self.measures.health.secondaries.iter();
        let rows = members.filter_map(|member| Some((label(member), value(member)?)));
        self.out.gauges(name, help, rows)
    }

    fn write_lag_bytes(&mut self) -> fmt::Result {
        let MasterMeasures { health, lag_bytes, .. } = self.measures;
        let members = health.secondaries.iter().zip(lag_bytes);
        self.out.gauges(
            "acklog_secondary_lag_bytes",
            "Bytes of the messages that the secondary has not acked.",
            members.filter_map(|(member, bytes)| Some((label(member), (*bytes)?))),
        )
    }
}

fn label(member: &MemberHealth) -> Label<'_> {
    ("secondary", member.name.as_str())
}
