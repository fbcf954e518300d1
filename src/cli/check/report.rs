//! The report of a run, as text or as JSON.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use acklog_judge::Violation;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::check_run::{CheckRun, CheckState, TriedCounts};

/// Answered appends below which a check says nothing about a cluster. Fewer: an almost empty run
/// passes as a proof. More: short checks of slow clusters are refused.
pub(super) const ANSWERS_MIN: u64 = 100;

/// The report of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckReport {
    seed: u64,
    senders: usize,
    load_seconds: f64,
    sent: u64,
    /// Requests that were sent; a batch is one.
    requests: u64,
    /// Messages that were answered with an id.
    pub(super) accepted: u64,
    /// Clients that still waited at the end.
    waiting: u64,
    answers: Vec<ConcernRow>,
    #[serde(skip)]
    is_basic: bool,
    /// Whether enough was answered to conclude anything.
    #[serde(skip)]
    is_enough: bool,
    tried: TriedCounts,
    nodes: Vec<NodeRow>,
    /// Reasons for leaving out nodes.
    down: Vec<String>,
    disconnects: u64,
    /// Time that the restart command took; `None` without one, or if it failed.
    restart_seconds: Option<f64>,
    /// Nodes whose faults were cleared; `None`: they were kept.
    faults_cleared: Option<usize>,
    /// Nodes that did not clear their faults although they were asked to.
    faults_not_cleared: usize,
    converged_seconds: Option<f64>,
    violations: u64,
    #[serde(serialize_with = "rows")]
    first_violations: Vec<Violation>,
}

/// A violation as JSON.
#[derive(Serialize)]
struct ViolationRow<'a> {
    kind: &'static str,
    id: Option<u64>,
    node: &'a str,
    expected: &'a str,
    seen: &'a str,
}

fn rows<S: Serializer>(violations: &[Violation], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(violations.len()))?;
    for Violation { kind, id, node, expected, seen } in violations {
        list.serialize_element(&ViolationRow { kind: kind.word(), id: *id, node, expected, seen })?;
    }
    list.end()
}

/// The result of clearing the faults when the load was over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClearedFaults {
    /// Nodes whose faults are cleared.
    pub(super) nodes: usize,
    /// Nodes that did not answer with success: they may still have their faults.
    pub(super) failed: usize,
}

/// The course of a run, apart from its history.
#[derive(Debug)]
pub(super) struct RunSummary {
    pub(super) seed: u64,
    pub(super) senders: usize,
    pub(super) load: Duration,
    pub(super) restart: Option<Duration>,
    pub(super) cleared: Option<ClearedFaults>,
    pub(super) converged: Option<Duration>,
    pub(super) down: Vec<String>,
}

/// Answers to requests with one write concern.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConcernRow {
    /// As in the request; `None` if it named none.
    write_concern: Option<String>,
    /// Number of answers by status; 0: no answer.
    statuses: BTreeMap<u16, u64>,
}

/// Reads of one node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeRow {
    url: String,
    name: String,
    reads: u64,
    failed_reads: u64,
    messages_read: u64,
    followed: u64,
    streams: u64,
    load_end: u64,
    end: u64,
}

impl CheckReport {
    pub(super) fn new(run: &CheckRun, state: &CheckState, ran: RunSummary) -> Self {
        let mut kinds: BTreeMap<usize, BTreeMap<u16, u64>> = BTreeMap::new();
        for ((kind, status), count) in &state.answers {
            kinds.entry(*kind).or_default().insert(*status, *count);
        }
        let word = |kind: usize| run.load.mix.concern(kind).map(|concern| concern.to_string());
        let answers = kinds
            .into_iter()
            .map(|(kind, statuses)| ConcernRow { write_concern: word(kind), statuses });
        let nodes = run.nodes().iter().zip(&state.reads).enumerate();
        let violations = state.history.violations();
        Self {
            seed: ran.seed,
            senders: ran.senders,
            load_seconds: ran.load.as_secs_f64(),
            sent: state.history.sent_count(),
            requests: state.requests,
            accepted: state.history.accepted_count(),
            waiting: state.requests - state.answers.values().sum::<u64>(),
            answers: answers.collect(),
            nodes: nodes
                .map(|(n, (node, reads))| NodeRow {
                    url: node.url.to_string(),
                    name: node.name.clone(),
                    reads: reads.reads,
                    failed_reads: reads.failed,
                    messages_read: reads.messages,
                    followed: reads.followed,
                    streams: reads.streams,
                    load_end: state.load_ends.get(n).copied().unwrap_or_default(),
                    end: state.history.end(n),
                })
                .collect(),
            is_basic: run.load.is_basic,
            is_enough: state.history.answer_count() >= ANSWERS_MIN,
            tried: state.tried,
            down: ran.down,
            disconnects: state.disconnects,
            restart_seconds: ran.restart.map(|time| time.as_secs_f64()),
            faults_cleared: ran.cleared.map(|cleared| cleared.nodes),
            faults_not_cleared: ran.cleared.map_or(0, |cleared| cleared.failed),
            converged_seconds: ran.converged.map(|time| time.as_secs_f64()),
            violations: violations.count(),
            first_violations: violations.first().to_vec(),
        }
    }

    /// Returns whether nothing is wrong.
    pub(super) fn holds(&self) -> bool {
        self.violations == 0
    }

    pub(super) fn print(&self, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
        } else {
            self.print_text(out)?;
        }
        Ok(out.flush()?)
    }

    fn print_text(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (sent, seconds, senders) = (self.sent, self.load_seconds, self.senders);
        let rate = sent as f64 / seconds.max(f64::MIN_POSITIVE);
        writeln!(out, "sent {sent} messages in {seconds:.1} s ({rate:.0}/s), {senders} senders")?;
        writeln!(
            out,
            "{} requests (a batch is one), seed {}, {} disconnects\n",
            self.requests, self.seed, self.disconnects
        )?;
        self.print_answers(out)?;
        if self.waiting > 0 {
            writeln!(out, "{} senders still waited at the end", self.waiting)?;
        }
        if !self.is_basic {
            self.print_tried(out)?;
        }
        self.print_nodes(out)?;
        for down in &self.down {
            writeln!(out, "left out: {down}")?;
        }
        let after = match self.faults_cleared {
            Some(0) if self.faults_not_cleared > 0 => "after the load".to_owned(),
            Some(0) => "after the load, there were no faults to clear".to_owned(),
            Some(1) => "after the faults of 1 node were cleared".to_owned(),
            Some(count) => format!("after the faults of {count} nodes were cleared"),
            None if self.is_basic => "after the load".to_owned(),
            None => "after the load, with the faults left on".to_owned(),
        };
        match self.converged_seconds {
            Some(seconds) => writeln!(out, "\nconverged in {seconds:.2} s {after}")?,
            None => writeln!(out, "\nnot converged {after}")?,
        }
        match self.faults_not_cleared {
            0 => {}
            1 => writeln!(out, "1 node did not clear its faults: see `acklog faults`")?,
            count => {
                writeln!(out, "{count} nodes did not clear their faults: see `acklog faults`")?
            }
        }
        self.print_violations(out)
    }

    fn print_nodes(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "\nMessages that each node showed when the load ended and at last, and what was read:"
        )?;
        let width = self.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0).max(4);
        writeln!(
            out,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>7}  {:>13}  {:>9}  {:>7}  URL",
            "NODE",
            "LOAD END",
            "AT LAST",
            "READS",
            "FAILED",
            "MESSAGES READ",
            "FOLLOWED",
            "STREAMS"
        )?;
        for node in &self.nodes {
            writeln!(
                out,
                "{:width$}  {:>9}  {:>9}  {:>9}  {:>7}  {:>13}  {:>9}  {:>7}  {}",
                node.name,
                node.load_end,
                node.end,
                node.reads,
                node.failed_reads,
                node.messages_read,
                node.followed,
                node.streams,
                node.url
            )?;
        }
        Ok(())
    }

    fn print_violations(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self.violations {
            0 if self.is_enough => return writeln!(out, "no violation"),
            0 => return writeln!(out, "no violation, but too few answers to judge by"),
            1 => writeln!(out, "1 violation:")?,
            count => writeln!(out, "{count} violations:")?,
        }
        for violation in &self.first_violations {
            writeln!(out, "  {violation}")?;
        }
        match self.violations - self.first_violations.len() as u64 {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more"),
        }
    }

    /// Prints what was tried besides sending and listing.
    fn print_tried(&self, out: &mut impl Write) -> std::io::Result<()> {
        let TriedCounts { repeats, reused_keys, waits, bad_requests, lookups, after_restart } =
            self.tried;
        writeln!(
            out,
            "\nalso tried: {repeats} repeats with a key, {reused_keys} uses of another's key, \
             {waits} waits, {bad_requests} bad requests, {lookups} single messages"
        )?;
        if let Some(seconds) = self.restart_seconds {
            writeln!(
                out,
                "restarted in {seconds:.1} s in the middle, then {after_restart} keys sent again"
            )?;
        }
        Ok(())
    }

    /// Prints a row for each write concern, with a column for each status.
    fn print_answers(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut statuses: Vec<u16> =
            self.answers.iter().flat_map(|row| row.statuses.keys().copied()).collect();
        // Requests without an answer come last.
        statuses.sort_by_key(|status| status.wrapping_sub(1));
        statuses.dedup();
        write!(out, "WRITE CONCERN")?;
        for status in &statuses {
            match status {
                0 => write!(out, "  {:>9}", "NO ANSWER")?,
                status => write!(out, "  {status:>9}")?,
            }
        }
        writeln!(out)?;
        for row in &self.answers {
            write!(out, "{:13}", row.write_concern.as_deref().unwrap_or("(none)"))?;
            for status in &statuses {
                write!(out, "  {:>9}", row.statuses.get(status).copied().unwrap_or(0))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
