//! A warning where messages wait for a majority that cannot come: nodes whose names change with each start raise the
//! number of those that count, and the old names are never heard from again.

use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::Quorum;
use tracing::warn;

use super::{Master, Member};

/// Time without a word after which a secondary no longer counts as seen. Shorter: a restart of the cluster would warn.
/// Longer: whoever looks for the reason waits.
const LATELY: Duration = Duration::from_secs(60);

/// Time between two warnings.
const PAUSE: Duration = Duration::from_secs(5 * 60);

impl<L: LogView> Master<L> {
    /// Warns, once in a while, where fewer nodes than a majority were heard from lately. Call when a message is to wait
    /// for secondaries: then it matters. Where the cluster's size is fixed, no name raises it.
    pub(super) fn watch_majority(&mut self, now: Instant) {
        let now = self.time.at(now);
        if now < self.majority_due || self.options.cluster_size.is_some() {
            return;
        }
        let is_seen = |member: &&Member| member.is_seen_since(now - LATELY);
        let (registered, seen) =
            (self.registered().count(), self.registered().filter(is_seen).count());
        let required = usize::from(Quorum::Majority.required(self.cluster_size()));
        let is_reachable = seen + 1 >= required;
        self.majority_due = now + if is_reachable { LATELY } else { PAUSE };
        if !is_reachable {
            warn!(
                registered,
                seen,
                required,
                "a majority cannot be reached with the secondaries that were seen lately, so \
                 messages that ask for one wait; forget those that are gone (acklog forget NAME), or \
                 fix --cluster-size; a node must keep its name when it is started again"
            );
        }
    }

    /// Looks again while messages wait.
    pub(super) fn watch_majority_of_waiting(&mut self, now: Instant) {
        if self.gate.waiting_for_secondaries() > 0 {
            self.watch_majority(now);
        }
    }

    /// When it is to be looked again; none while nothing waits.
    pub(super) fn next_majority_check(&self) -> Option<Instant> {
        let waits = self.gate.waiting_for_secondaries() > 0;
        (waits && self.options.cluster_size.is_none()).then_some(self.majority_due)
    }

    /// When the first warning may come, of a master that starts now.
    pub(super) fn first_majority_check(now: Instant) -> Instant {
        now + LATELY
    }
}
