//! A warning where messages wait for a majority that cannot come: nodes whose names change with
//! each start raise the number of those that count, and the old names are never heard from again.

use std::time::{Duration, Instant};

use super::Peers;
use crate::events::{Detail, Events, NodeEvent};

/// Time after which a secondary that was not heard from no longer counts as seen. Shorter: a
/// restart of the cluster would warn. Longer: whoever looks for the reason waits.
const LATELY: Duration = Duration::from_secs(60);

/// Time between two warnings.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// The next check whether a majority can be reached.
#[derive(Debug)]
pub(super) struct MajorityWatch {
    due: Instant,
}

impl MajorityWatch {
    /// Creates the watch of a master that starts now: it knows nothing for a while.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + LATELY }
    }
}

impl Peers {
    /// Warns, once in a while, where fewer nodes than a majority were heard from lately. Call when
    /// a message is to wait for secondaries: then it matters. Where the cluster's size is fixed, no
    /// name raises it.
    pub(in crate::master) fn watch_majority(&mut self, now: Instant, events: &mut Events) {
        if now < self.majority.due || self.options.cluster_size.is_some() {
            return;
        }
        let since = now - LATELY;
        let registered = self.registered().count();
        let is_seen = |seen: &Instant| *seen >= since;
        let seen =
            self.registered().filter_map(|(_, peer)| peer.last_seen()).filter(is_seen).count();
        let required = usize::from(self.cluster().majority());
        let is_reachable = seen + 1 >= required;
        self.majority.due = now + if is_reachable { LATELY } else { PAUSE };
        if !is_reachable {
            let event = || NodeEvent::MajorityUnreachable { registered, seen, required };
            events.emit(Detail::Changes, event);
        }
    }

    /// Returns when the majority is checked next while messages wait; none where the cluster's size
    /// is fixed.
    pub(in crate::master) fn next_majority_check(&self) -> Option<Instant> {
        self.options.cluster_size.is_none().then_some(self.majority.due)
    }
}
