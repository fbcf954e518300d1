//! Readers that follow the log from node to node. Each keeps its place itself.

use std::time::Duration;

use acklog_types::{NodeName, WriteConcern};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Cluster;
use crate::cluster::{FollowerPlace, PageSize};

/// Number of readers of a schedule.
const READERS: usize = 3;

/// Longest virtual time that the last acks and the heartbeat behind them take, on a network without
/// faults.
const FRAMES_TAKE: Duration = Duration::from_millis(100);

/// A reader.
#[derive(Debug)]
struct RoamingReader {
    /// Its place; none before it first found a master.
    place: Option<FollowerPlace>,
    /// The node that it reads from; `None`: the master.
    node: Option<NodeName>,
    concern: WriteConcern,
}

/// The readers of a schedule, with draws of their own, so that a schedule takes the same course
/// with readers and without.
#[derive(Debug)]
pub(super) struct RoamingReaders {
    rng: ChaCha8Rng,
    nodes: Vec<NodeName>,
    readers: Vec<RoamingReader>,
    followed: u64,
}

impl RoamingReaders {
    /// Creates the readers of the schedule of a seed, of a cluster with these secondaries.
    pub(super) fn new(seed: u64, nodes: Vec<NodeName>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.rotate_left(32));
        let concerns = [WriteConcern::Nodes(1), WriteConcern::Majority, WriteConcern::All];
        let reader = |_| RoamingReader {
            place: None,
            node: None,
            concern: concerns.get(rng.random_range(0..3)).copied().unwrap_or(WriteConcern::All),
        };
        let readers = (0..READERS).map(reader).collect();
        Self { rng, nodes, readers, followed: 0 }
    }

    /// Lets each reader receive some pages.
    pub(super) fn read(&mut self, cluster: &mut Cluster) {
        for reader in &mut self.readers {
            for _ in 0..self.rng.random_range(0..=2) {
                let goes_on = self.rng.random_bool(0.8);
                // A page may end in the middle, and with it the connection.
                let rows = if goes_on { usize::MAX } else { self.rng.random_range(0..8) };
                let size = PageSize { bytes: self.rng.random_range(1..2000), rows };
                let received = reader.receive(cluster, size);
                self.followed += received.unwrap_or_default();
                if !goes_on || received.is_none() {
                    let at = self.rng.random_range(0..=self.nodes.len());
                    reader.node = self.nodes.get(at).cloned();
                }
            }
        }
    }

    /// Lets each reader read to the end of the log under its own read concern, on one of the nodes,
    /// which all have everything. Within a heartbeat interval they know that of each other.
    ///
    /// # Panics
    /// When one of them does not get there.
    pub(super) fn finish(&mut self, cluster: &mut Cluster) {
        cluster.run_for(cluster.heartbeat_interval() + FRAMES_TAKE);
        for reader in &mut self.readers {
            cluster.find_log(&mut reader.place);
            let at = self.rng.random_range(0..=self.nodes.len());
            reader.node = self.nodes.get(at).cloned();
            let size = PageSize { bytes: usize::MAX, rows: usize::MAX };
            while let Some(received @ 1..) = reader.receive(cluster, size) {
                self.followed += received;
            }
        }
        cluster.finish_followers();
    }

    /// Returns how many messages they received.
    pub(super) fn followed(&self) -> u64 {
        self.followed
    }
}

impl RoamingReader {
    /// Receives a page. Returns its number of messages; none where the node does not answer, or has
    /// another log.
    fn receive(&mut self, cluster: &mut Cluster, size: PageSize) -> Option<u64> {
        let node = self.node.as_ref();
        // Readers ask the master which log there is.
        if self.place.is_none() || node.is_none() {
            cluster.find_log(&mut self.place);
        }
        cluster.send_page(self.place.as_mut()?, node, self.concern, size, |_| ())
    }
}
