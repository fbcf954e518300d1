//! The positions of the master's log that the master told.

use acklog_types::{LogEnd, WriteConcern};

use crate::frame::Positions;

/// The positions of one log that its master told. What it told of messages that this node has never
/// becomes less: nodes that hold a message may go, and what was shown because they held it stays
/// shown.
#[derive(Debug, Default)]
pub(super) struct MasterPositions {
    /// The highest end of the log on the master; none before the first handshake.
    log_end: Option<LogEnd>,
    /// The highest ends that it told.
    told: Positions,
    /// The highest ends that it told while the cluster had the size that it told last. A majority
    /// of another size was another number of nodes.
    of_size: Positions,
}

impl MasterPositions {
    /// Takes in that the master, whose log ends at `log_end`, accepted this node, which has the
    /// messages before `own_end`. What was told of later ones is forgotten: the master may have
    /// come back with less, and have given their ids to other messages since.
    pub(super) fn begin(&mut self, log_end: LogEnd, own_end: LogEnd) {
        self.log_end = Some(log_end);
        for Positions { committed_end, all_end, .. } in [&mut self.told, &mut self.of_size] {
            *committed_end = committed_end.map(|end| own_end.min(end));
            *all_end = own_end.min(*all_end);
        }
    }

    /// Notes that the master's log reaches up to `end`.
    pub(super) fn note_end(&mut self, end: LogEnd) {
        self.log_end = self.log_end.max(Some(end));
    }

    /// Notes positions that a frame told. Frames may overtake each other.
    pub(super) fn note(&mut self, told: Positions) {
        raise(&mut self.told, told);
        if self.of_size.cluster_size == told.cluster_size {
            raise(&mut self.of_size, told);
        } else {
            self.of_size = told;
        }
    }

    /// Returns the end of the master's log, as far as the master told it.
    pub(super) fn log_end(&self) -> Option<LogEnd> {
        self.log_end
    }

    /// Returns the end of what a majority of the cluster holds, as far as the master told it.
    pub(super) fn committed_end(&self) -> Option<LogEnd> {
        self.told.committed_end
    }

    /// Returns the end of what all nodes hold, as far as the master told it.
    pub(super) fn all_end(&self) -> LogEnd {
        self.told.all_end
    }

    /// Returns the number of nodes of the cluster, as the master told it last.
    pub(super) fn cluster_size(&self) -> Option<u16> {
        self.of_size.cluster_size
    }

    /// Returns an end that at least `nodes` nodes hold, as far as the master told it: that of the
    /// next larger number of nodes of which it told.
    pub(super) fn held_end(&self, nodes: u64) -> LogEnd {
        let Positions { committed_end, all_end, cluster_size, .. } = self.of_size;
        match cluster_size {
            Some(size) if nodes <= WriteConcern::Majority.resolve(size) => {
                committed_end.unwrap_or_default()
            }
            Some(size) if nodes <= size.into() => all_end,
            _ => LogEnd::ZERO,
        }
    }
}

/// Raises ends to those that were told.
fn raise(known: &mut Positions, told: Positions) {
    let Positions { log_start, committed_end, all_end, cluster_size: _ } = known;
    *log_start = told.log_start.max(*log_start);
    *committed_end = told.committed_end.max(*committed_end);
    *all_end = told.all_end.max(*all_end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(committed_end: u64, all_end: u64, size: u16) -> Positions {
        let (committed_end, all_end) = (Some(LogEnd::new(committed_end)), LogEnd::new(all_end));
        let cluster_size = Some(size);
        Positions { log_start: LogEnd::ZERO, committed_end, all_end, cluster_size }
    }

    #[test]
    fn what_was_told_never_becomes_less() {
        let mut known = MasterPositions::default();
        assert_eq!((known.log_end(), known.committed_end()), (None, None));
        known.begin(LogEnd::new(3), LogEnd::ZERO);
        for (told, committed_end, all_end) in
            [(positions(5, 2, 3), 5, 2), (positions(4, 3, 3), 5, 3), (Positions::default(), 5, 3)]
        {
            known.note(told);
            assert_eq!(
                (known.committed_end().unwrap().get(), known.all_end().get()),
                (committed_end, all_end)
            );
        }
        known.note_end(LogEnd::new(7));
        known.note_end(LogEnd::new(6));
        assert_eq!(known.log_end(), Some(LogEnd::new(7)));
        known.begin(LogEnd::new(6), LogEnd::new(6));
        assert_eq!(known.log_end(), Some(LogEnd::new(6)), "that is where it ends");
    }

    #[test]
    fn what_was_told_of_messages_that_the_node_lacks_is_told_anew_by_the_next_connection() {
        for (own_end, committed_end, all_end) in [(9, 5, 4), (5, 5, 4), (4, 4, 4), (1, 2, 1)] {
            let mut known = MasterPositions::default();
            known.note(positions(5, 4, 5));
            known.begin(LogEnd::new(9), LogEnd::new(own_end));
            known.note(positions(2, 0, 5));
            let ends = [known.committed_end().unwrap(), known.all_end(), known.held_end(3)];
            let expected = [committed_end, all_end, committed_end];
            assert_eq!(ends.map(LogEnd::get), expected, "{own_end}");
        }
    }

    #[test]
    fn a_number_of_nodes_has_the_end_that_was_told_of_so_many_or_more() {
        let mut known = MasterPositions::default();
        let held = |known: &MasterPositions, numbers: [u64; 4]| {
            assert!(known.held_end(u64::MAX) == LogEnd::ZERO, "no cluster has so many");
            numbers.map(|nodes| known.held_end(nodes).get())
        };
        assert_eq!(held(&known, [1, 2, 3, 4]), [0; 4], "nothing is told");
        known.note(positions(5, 2, 3));
        known.note(positions(4, 3, 3));
        assert_eq!((known.cluster_size(), held(&known, [1, 2, 3, 4])), (Some(3), [5, 5, 3, 0]));
        // The majority that holds the first 5 messages was one of 2 nodes, and now it takes 3.
        known.note(positions(4, 0, 5));
        assert_eq!((known.cluster_size(), held(&known, [2, 3, 4, 5])), (Some(5), [4, 4, 0, 0]));
        assert_eq!(known.committed_end(), Some(LogEnd::new(5)), "and yet that was shown");
        known.note(Positions::default());
        assert_eq!((known.cluster_size(), held(&known, [1, 2, 3, 4])), (None, [0; 4]));
    }
}
