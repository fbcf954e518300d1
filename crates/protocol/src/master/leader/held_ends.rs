//! Which end so many nodes hold: the commit index of each write concern.

use acklog_types::LogEnd;

/// The ends that 1..n nodes hold: the acked ends of the nodes that reported one, the largest first.
/// They are made anew when they are needed after a change.
#[derive(Debug, Default)]
pub(super) struct HeldEnds {
    descending: Vec<LogEnd>,
    /// The master's durable end that they were made with; none where another one may have changed.
    made_with: Option<LogEnd>,
}

impl HeldEnds {
    /// Notes that a node's acked end may have changed or be known now, or that other nodes count.
    pub(super) fn invalidate(&mut self) {
        self.made_with = None;
    }

    /// Returns whether the ends are to be [set](Self::set) before they are used.
    pub(super) fn is_stale(&self, durable_end: LogEnd) -> bool {
        self.made_with != Some(durable_end)
    }

    /// Takes the durable end of the master and the acked ends of the secondaries that count, as far
    /// as they are known.
    pub(super) fn set(&mut self, durable_end: LogEnd, acked: impl IntoIterator<Item = LogEnd>) {
        self.descending.clear();
        self.descending.extend(acked);
        self.descending.push(durable_end);
        self.descending.sort_unstable_by(|a, b| b.cmp(a));
        self.made_with = Some(durable_end);
    }

    /// Returns the end that `nodes` nodes hold: the `nodes`-th largest; zero where fewer are known.
    pub(super) fn by(&self, nodes: u16) -> LogEnd {
        self.known(nodes).unwrap_or_default()
    }

    /// Returns the end that `nodes` nodes hold; none where the ends of fewer are known.
    pub(super) fn known(&self, nodes: u16) -> Option<LogEnd> {
        self.descending.get(usize::from(nodes).saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_held_by_as_many_nodes_as_have_acked_it() {
        let (mut held, end) = (HeldEnds::default(), LogEnd::new);
        assert!(held.is_stale(LogEnd::ZERO), "nothing is known");
        held.set(end(9), [4, 7].map(end));
        assert_eq!([1, 2, 3, 4].map(|nodes| held.by(nodes).get()), [9, 7, 4, 0]);
        assert_eq!((held.known(3), held.known(4)), (Some(end(4)), None));
        assert!(!held.is_stale(end(9)) && held.is_stale(end(10)));
        held.invalidate();
        assert!(held.is_stale(end(9)));
    }
}
