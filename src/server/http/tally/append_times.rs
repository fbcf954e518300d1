//! The times of appends by write concern, of one HTTP thread.

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use acklog_types::{DurationCounts, DurationReader, DurationRecorder, NODES_MAX};

use crate::server::node::ReadPositions;

/// The label of a write concern. There are no more of them than nodes in the largest cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server::http) enum WriteConcernLabel {
    /// So many nodes.
    Nodes(u16),
    /// More nodes than the cluster had when the append was answered.
    More,
}

impl fmt::Display for WriteConcernLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(nodes) => nodes.fmt(f),
            Self::More => f.write_str("more"),
        }
    }
}

/// The times that one thread counts. Write concerns that were never used have no memory.
#[derive(Debug)]
pub(super) struct AppendTimes {
    positions: ReadPositions,
    recorders: Box<[OnceCell<DurationRecorder>]>,
    readers: AppendTimeReaders,
}

/// The way to the times of one thread for the others.
#[derive(Clone, Debug)]
pub(super) struct AppendTimeReaders(Arc<[OnceLock<DurationReader>]>);

/// The place of the write concerns that are larger than the cluster; no other has it.
const MORE: usize = 0;

impl AppendTimes {
    /// Creates empty counts; `positions` tells the cluster's size.
    pub(super) fn new(positions: ReadPositions) -> Self {
        let places = 0..=usize::from(NODES_MAX);
        let recorders = places.clone().map(|_| OnceCell::new()).collect();
        let readers = AppendTimeReaders(places.map(|_| OnceLock::new()).collect());
        Self { positions, recorders, readers }
    }

    /// Returns the way to these times for other threads.
    pub(super) fn readers(&self) -> AppendTimeReaders {
        self.readers.clone()
    }

    /// Counts appends with this write concern, each of which took so long.
    pub(super) fn record(&self, write_concern: u16, took: Duration, appends: u64) {
        let is_of_cluster = self.positions.cluster_size().is_some_and(|size| write_concern <= size);
        let place = if is_of_cluster { usize::from(write_concern) } else { MORE };
        if let Some(recorder) = self.recorders.get(place) {
            recorder.get_or_init(|| self.begin(place)).record(took, appends);
        }
    }

    fn begin(&self, place: usize) -> DurationRecorder {
        let recorder = DurationRecorder::default();
        if let Some(reader) = self.readers.0.get(place) {
            reader.get_or_init(|| recorder.reader());
        }
        recorder
    }
}

impl AppendTimeReaders {
    /// Returns the counts of the write concerns that were used.
    pub(super) fn counts(&self) -> impl Iterator<Item = (WriteConcernLabel, DurationCounts)> {
        (0..).zip(self.0.iter()).filter_map(|(place, reader)| {
            let label = match usize::from(place) {
                MORE => WriteConcernLabel::More,
                _ => WriteConcernLabel::Nodes(place),
            };
            Some((label, reader.get()?.counts()))
        })
    }
}
