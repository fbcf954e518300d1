//! The cluster as far as its nodes told it: items of their stream go in, and the screen is drawn
//! from it.
//!
//! Everything in it is bounded: the nodes, their lists, what is held, the senders and the events.

mod list;
mod node;
mod senders;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_api::view::{MESSAGES_EVENT, MISSED_EVENT, SAMPLED_EVENT, STATE_EVENT};
use acklog_api::{
    EventBody, EventKind, Health, MasterHealth, MissedEvents, NodeMessages, NodeState, Role,
    SampledEvents,
};
use acklog_types::NODES_MAX;

pub(super) use list::Cell;
pub(super) use node::WatchedNode;
pub(super) use senders::Sender;
use senders::Senders;

/// Most events that are kept to be scrolled through. Smaller: less can be looked back at. Larger: a
/// frozen screen, which keeps them twice, takes more memory, some kilobytes an event at most.
const EVENTS_MAX: usize = 2000;

/// How long it is shown that a node leaves events out, which a busy one tells once a second.
/// Shorter: it flickers. Longer: it is shown when all are followed again.
const SAMPLED_FOR: Duration = Duration::from_secs(3);

/// A line of the list of events.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    /// A node told it.
    Event(Box<EventBody>),
    /// The stream itself has something to tell.
    Note(String),
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// The master first, then by name.
    nodes: Vec<WatchedNode>,
    senders: Senders,
    events: VecDeque<Happened>,
    /// The number of events that ever came, with those that are no longer kept.
    events_total: u64,
    /// Of so many messages one is followed, where a node leaves events out, and when it told that.
    sampled: Option<(u64, Instant)>,
}

impl Model {
    /// Takes the next item of a stream; one that cannot be read is noted.
    pub(super) fn take(&mut self, name: &str, data: &str, now: Instant) {
        let read = match name {
            "" => serde_json::from_str(data).map(|event| self.take_event(event, now)),
            STATE_EVENT => serde_json::from_str(data).map(|state| self.take_state(state, now)),
            MESSAGES_EVENT => {
                serde_json::from_str(data).map(|messages| self.take_messages(messages, now))
            }
            SAMPLED_EVENT => serde_json::from_str(data)
                .map(|SampledEvents { every, .. }| self.sampled = Some((every, now))),
            MISSED_EVENT => serde_json::from_str(data).map(|missed| self.take_missed(&missed)),
            // Something of a later version.
            _ => Ok(()),
        };
        if let Err(error) = read {
            self.note(format!("what came cannot be read: {error}"));
        }
    }

    /// Forgets what only events tell, since some were not heard: the connection is another one.
    pub(super) fn miss_events(&mut self) {
        self.senders = Senders::default();
        for node in &mut self.nodes {
            node.list.hold_nothing();
        }
    }

    /// Adds a line of the program's own to the events.
    pub(super) fn note(&mut self, line: String) {
        self.push(Happened::Note(line));
    }

    fn push(&mut self, happened: Happened) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(happened);
        self.events_total += 1;
    }

    fn take_event(&mut self, event: EventBody, now: Instant) {
        let Some(node) = self.node_mut(&event.node, now) else { return };
        // A stream that begins anew tells what it told before.
        if !node.is_news(&event) {
            return;
        }
        match event.kind {
            EventKind::Held => node.list.hold(event.ids.unwrap_or_default()),
            EventKind::Left | EventKind::Started => node.list.hold_nothing(),
            // A secondary knows nothing of others.
            EventKind::Acked if node.is_master() => {
                if let (Some(peer), Some([_, end])) = (&event.peer, event.ids)
                    && let Some(peer) = self.node_mut(peer, now)
                {
                    peer.has_below(end);
                }
            }
            EventKind::Durable | EventKind::Stored | EventKind::GapClosed => {
                if let Some([_, end]) = event.ids {
                    node.has_below(end);
                }
            }
            EventKind::Waits => self.senders.wait(&event, now),
            EventKind::Answered | EventKind::Canceled => {
                self.senders.end(event.ids, event.write_concern)
            }
            _ => {}
        }
        self.push(Happened::Event(Box::new(event)));
    }

    fn take_state(&mut self, state: NodeState, now: Instant) {
        if let Some(Health::Master(master)) = &state.health {
            if master.waiting_senders == Some(0) {
                self.senders = Senders::default();
            }
            for row in &master.secondaries {
                if let (Some(name), Some(end)) = (&row.name, row.acked_end)
                    && let Some(node) = self.node_mut(name, now)
                {
                    node.acked(end);
                }
            }
            // A secondary that was forgotten, and tells nothing itself.
            let rows = &master.secondaries;
            self.nodes.retain(|node| {
                let is_listed = rows.iter().any(|row| row.name.as_ref() == Some(&node.name));
                is_listed || node.is_master() || node.unheard(now).is_none()
            });
        }
        if let Some(node) = self.node_mut(&state.node, now) {
            node.take_state(state, now);
        }
        self.nodes.sort_by(|a, b| (!a.is_master(), &a.name).cmp(&(!b.is_master(), &b.name)));
    }

    fn take_messages(&mut self, messages: NodeMessages, now: Instant) {
        if let Some(node) = self.node_mut(&messages.node, now) {
            node.list.take(messages.from, messages.messages, now);
        }
    }

    fn take_missed(&mut self, missed: &MissedEvents) {
        let of_node = missed.node.as_ref().map_or(String::new(), |node| format!(" of {node}"));
        self.note(format!("{} events{of_node} are lost: they came too fast", missed.count));
        self.miss_events();
    }

    /// Returns the node of this name, which is known from now on; none where there are as many
    /// already as a cluster has at most.
    fn node_mut(&mut self, name: &str, now: Instant) -> Option<&mut WatchedNode> {
        let known = self.nodes.iter().position(|node| node.name == name);
        let at = known.unwrap_or(self.nodes.len());
        if known.is_none() && at < usize::from(NODES_MAX) {
            self.nodes.push(WatchedNode::new(name.to_owned(), now));
        }
        self.nodes.get_mut(at)
    }

    /// Returns the nodes, the master first.
    pub(super) fn nodes(&self) -> &[WatchedNode] {
        &self.nodes
    }

    /// Returns the report of a master that is heard.
    pub(super) fn master(&self, now: Instant) -> Option<&MasterHealth> {
        let mut heard = self.nodes.iter().filter(|node| node.is_heard(now));
        heard.find_map(WatchedNode::master_health)
    }

    /// Returns the only node, if it is a secondary: it tells nothing of other nodes.
    pub(super) fn lone_secondary(&self) -> Option<&WatchedNode> {
        match self.nodes.as_slice() {
            [node] if node.role() == Some(&Role::Secondary) => Some(node),
            _ => None,
        }
    }

    /// Returns the id behind the newest message that any node shows or holds.
    pub(super) fn newest_end(&self) -> u64 {
        self.nodes.iter().map(|node| node.list.newest_end()).max().unwrap_or_default()
    }

    /// Returns the id behind the message in the last of `rows` rows: the newest one. While more
    /// come than can be read, it is the newest one that all nodes have to which they come: what
    /// they tell at different moments would stand in no row together.
    pub(super) fn bottom(&self, rows: usize, now: Instant) -> u64 {
        let lists = self.nodes.iter().map(|node| &node.list);
        let moving = || lists.clone().filter(|list| list.came_lately(now).is_some());
        let is_fast = moving().any(|list| list.came_lately(now).is_some_and(|n| n * 2 > rows));
        match moving().map(|list| list.end()).min() {
            Some(slowest) if is_fast => slowest,
            _ => self.newest_end(),
        }
    }

    /// Returns a message as any node shows it.
    pub(super) fn text_anywhere(&self, id: u64) -> Option<&str> {
        self.nodes.iter().find_map(|node| node.list.text(id))
    }

    /// Returns the senders that wait, the one with the lowest id first.
    pub(super) fn senders(&self, now: Instant) -> impl Iterator<Item = &Sender> {
        self.senders.waiting(now)
    }

    /// Returns the names of the nodes that are known to have the messages below `end`.
    pub(super) fn holders(&self, end: u64) -> Vec<&str> {
        let has_them = self.nodes.iter().filter(|node| node.end() >= end);
        has_them.map(|node| node.name.as_str()).collect()
    }

    /// Returns the events that are kept, oldest first.
    pub(super) const fn events(&self) -> &VecDeque<Happened> {
        &self.events
    }

    /// Returns the number of events that ever came.
    pub(super) const fn events_total(&self) -> u64 {
        self.events_total
    }

    /// Returns of how many messages one is followed, where events were left out lately.
    pub(super) fn sampled(&self, now: Instant) -> Option<u64> {
        let (every, told) = self.sampled?;
        (now.duration_since(told) < SAMPLED_FOR).then_some(every)
    }
}

#[cfg(test)]
mod tests;
