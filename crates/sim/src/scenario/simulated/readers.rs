//! Readers that follow simulated nodes.

use acklog_types::{IdRange, LogEnd, NodeName, WriteConcern};

use super::Simulated;
use super::reads::secondary;
use crate::cluster::{FollowerPlace, PageSize};
use crate::scenario::action::FollowStep;
use crate::scenario::backend::{ReaderEvent, ReceivedMessage};

/// A reader.
#[derive(Debug)]
pub(super) struct SimulatedReader {
    node: NodeName,
    from: LogEnd,
    concern: WriteConcern,
    /// Its place; none before it found a log.
    place: Option<FollowerPlace>,
}

impl Simulated {
    pub(super) fn begin_to_follow(&mut self, step: &FollowStep) {
        let FollowStep { reader, node, from, concern } = step;
        let known = self.readers.entry(reader.clone()).or_insert_with(|| SimulatedReader {
            node: node.clone(),
            from: from.map_or(LogEnd::ZERO, LogEnd::new),
            concern: concern.unwrap_or(WriteConcern::Nodes(1)),
            place: None,
        });
        known.node = node.clone();
        self.cluster.note(&format!("{reader} follows {node}"));
    }

    /// Lets a reader receive all that its node shows.
    pub(super) fn receive(&mut self, name: &str) -> Vec<ReaderEvent> {
        let Some(SimulatedReader { node, concern, .. }) = self.readers.get(name) else {
            return Vec::new();
        };
        if let Err(why) = self.shown_log(node, *concern) {
            return vec![ReaderEvent::Ended(why)];
        }
        let Some(SimulatedReader { node, from, concern, place }) = self.readers.get_mut(name)
        else {
            return Vec::new();
        };
        let at = secondary(node);
        if place.is_none() {
            *place = self.cluster.begin_following(at, *from);
        }
        let Some(place) = place else { return Vec::new() };
        let size = PageSize { bytes: usize::MAX, rows: usize::MAX };
        let (mut events, mut ids) = (Vec::new(), None);
        loop {
            events.push(ReaderEvent::Resumed);
            let before = events.len();
            self.cluster.send_page(place, at, *concern, size, |row| {
                let (first, _) = ids.unwrap_or((row.id, row.id));
                ids = Some((first, row.id));
                events.push(ReaderEvent::Message(ReceivedMessage {
                    id: row.id,
                    text: row.text.to_owned(),
                    batch: row.batch,
                    is_resume_point: row.is_resume_point,
                }));
            });
            if events.len() == before {
                break;
            }
        }
        if let Some((first, last)) = ids {
            let ids = IdRange::new(LogEnd::new(first), LogEnd::new(last + 1));
            self.cluster.note(&format!("{name} receives id={ids} from {node}"));
        }
        events
    }
}
