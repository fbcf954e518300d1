//! One node, as it and its master tell it.

use std::time::{Duration, Instant};

use acklog_api::{EventBody, EventKind, Health, MasterHealth, NodeState, Role, SecondaryHealth};

use super::list::List;

/// Longest time without a state, after which a node counts as silent. Nodes tell theirs once a
/// second. Shorter: a slow line makes nodes flicker. Longer: a node that hangs shows late.
const STATE_SILENCE_MAX: Duration = Duration::from_secs(4);

/// One node.
#[derive(Clone, Debug)]
pub(in crate::cli::watch) struct WatchedNode {
    pub(in crate::cli::watch) name: String,
    /// What it showed when it was heard last.
    pub(in crate::cli::watch) list: List,
    state: Option<(NodeState, Instant)>,
    /// Since when it is known.
    since: Instant,
    /// The role that it told last; it stays while the node cannot be reached.
    role: Option<Role>,
    /// It has everything below this id, as its own events or its master's last word tell.
    end: u64,
    /// The end of its log by its own last report.
    told_end: u64,
    /// The id of its last event.
    last_event: u64,
    /// The id of the event of its last start, as far as it was told.
    last_start: Option<u64>,
}

impl WatchedNode {
    /// Returns a node of which nothing is known but its name.
    pub(super) fn new(name: String, since: Instant) -> Self {
        let (list, state, role) = (List::default(), None, None);
        let (last_event, last_start) = (0, None);
        Self { name, list, state, since, role, end: 0, told_end: 0, last_event, last_start }
    }

    pub(super) fn take_state(&mut self, state: NodeState, now: Instant) {
        if let Some(health) = &state.health {
            self.role = Some(health.role().clone());
            // Its own word counts, also where its log is another one than before.
            let end = health.log_end().unwrap_or(self.end);
            // What it told before is of another log. Its report may be older than its messages.
            if end < self.told_end && self.list.end() >= self.told_end {
                self.list.cut(end);
            }
            (self.end, self.told_end) = (end, end);
            if matches!(health, Health::Secondary(own) if own.buffered == Some(0)) {
                self.list.hold_nothing();
            }
        }
        self.state = Some((state, now));
    }

    /// Returns whether an event of the node is another one than those before, and remembers it. Ids
    /// begin anew with each start of the node, at the clock of that moment, which may have been set
    /// back.
    pub(super) fn is_news(&mut self, event: &EventBody) -> bool {
        let is_start = event.kind == EventKind::Started;
        let begins = is_start && self.last_start != Some(event.id);
        if !begins && event.id <= self.last_event {
            return false;
        }
        self.last_event = event.id;
        if is_start {
            self.last_start = Some(event.id);
        }
        true
    }

    /// Notes that the node told that it has all below this id.
    pub(super) fn has_below(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// Notes what the master tells of the node; the node's own word counts where there is one.
    pub(super) fn acked(&mut self, end: u64) {
        if self.health().is_none() {
            self.end = end;
        }
    }

    /// Returns the id behind the last message that it has.
    pub(in crate::cli::watch) const fn end(&self) -> u64 {
        self.end
    }

    /// Returns the state that it told last.
    pub(in crate::cli::watch) fn state(&self) -> Option<&NodeState> {
        self.state.as_ref().map(|(state, _)| state)
    }

    /// Returns its own report; none where it cannot be reached.
    pub(in crate::cli::watch) fn health(&self) -> Option<&Health> {
        self.state()?.health.as_ref()
    }

    pub(super) fn master_health(&self) -> Option<&MasterHealth> {
        match self.health()? {
            Health::Master(health) => Some(health),
            Health::Secondary(_) => None,
        }
    }

    /// Returns its own report as a secondary.
    pub(in crate::cli::watch) fn secondary_health(&self) -> Option<&SecondaryHealth> {
        match self.health()? {
            Health::Master(_) => None,
            Health::Secondary(health) => Some(health),
        }
    }

    /// Returns its role, as far as it told one.
    pub(in crate::cli::watch) const fn role(&self) -> Option<&Role> {
        self.role.as_ref()
    }

    /// Returns whether it is a master.
    pub(in crate::cli::watch) fn is_master(&self) -> bool {
        self.role == Some(Role::Master)
    }

    /// Returns whether it told something lately, itself or by another node.
    pub(in crate::cli::watch) fn is_heard(&self, now: Instant) -> bool {
        self.state.is_some() && self.silence(now).is_none()
    }

    /// Returns how long it told nothing, where that is too long after it told something.
    pub(in crate::cli::watch) fn silence(&self, now: Instant) -> Option<Duration> {
        self.unheard(now).filter(|_| self.state.is_some())
    }

    /// Returns how long it told no state, or how long it is known and never told one, where that
    /// is too long.
    pub(super) fn unheard(&self, now: Instant) -> Option<Duration> {
        let told = self.state.as_ref().map_or(self.since, |(_, told)| *told);
        Some(now.duration_since(told)).filter(|time| *time > STATE_SILENCE_MAX)
    }
}
