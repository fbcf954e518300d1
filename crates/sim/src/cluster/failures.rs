//! Failures in a simulated cluster: nodes crash and hang, connections break, and faults are
//! injected.

use std::time::Duration;

use acklog_types::{Faults, NodeName};

use super::Cluster;
use crate::event::ScheduledEvent;
use crate::link::SimLink;
use crate::node::{AnyNode, Stalled};

impl Cluster {
    /// Kills a secondary, if it runs. Its memory is lost. The master notices unless the secondary
    /// is cut off.
    pub fn crash(&mut self, name: &NodeName) {
        if self.secondaries.remove(name).is_none() {
            return;
        }
        self.note(&format!("{name} crashes"));
        self.crash_disk(Some(name));
        self.cut_links_of(name, false);
    }

    /// Drops the connection of a secondary. Both ends notice unless the secondary is cut off.
    pub fn disconnect(&mut self, name: &NodeName) {
        self.note(&format!("{name} is disconnected"));
        self.cut_links_of(name, true);
    }

    fn cut_links_of(&mut self, name: &NodeName, is_secondary_up: bool) {
        let of_name = |(&number, link): (&u64, &SimLink)| (link.peer == *name).then_some(number);
        let links: Vec<u64> = self.links.iter().filter_map(of_name).collect();
        for link in links {
            if !is_secondary_up && let Some(link) = self.links.get_mut(&link) {
                link.secondary_open = false;
            }
            self.end_link(link, false);
        }
    }

    /// Closes a link: both open ends notice, or only the secondary's if the master is gone.
    pub(super) fn end_link(&mut self, link: u64, master_gone: bool) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if master_gone {
            state.master_open = false;
        }
        let (master_open, secondary_open) = (state.master_open, state.secondary_open);
        if self.partitioned.contains(&state.peer) {
            return;
        }
        for (open, at_master) in [(master_open, true), (secondary_open, false)] {
            if open {
                let delay = self.network.delay(&mut self.rng);
                self.schedule(delay, ScheduledEvent::Down { link, at_master });
            }
        }
    }

    /// Breaks the disk of a node (`None`: the master): all writes fail.
    pub fn break_disk(&mut self, name: Option<&NodeName>) {
        let shown = name.unwrap_or(&self.master_name).clone();
        self.note(&format!("{shown}'s disk fails"));
        let event = ScheduledEvent::DiskBroke { secondary: name.cloned(), life: self.life(name) };
        self.happen(event);
    }

    /// Cuts a secondary off: frames vanish in both directions and dials fail. Neither end notices.
    pub fn partition(&mut self, name: &NodeName) {
        self.note(&format!("{name} is cut off"));
        self.partitioned.push(name.clone());
    }

    /// Ends a partition.
    pub fn heal(&mut self, name: &NodeName) {
        self.note(&format!("{name} is reachable again"));
        self.partitioned.retain(|other| other != name);
    }

    /// Hangs a node (`None`: the master): it takes no events in and its timers stand still.
    pub fn hang(&mut self, name: Option<&NodeName>) {
        self.set_hung(name, true);
    }

    /// Lets a hung node continue, with all events that arrived meanwhile.
    pub fn go_on(&mut self, name: Option<&NodeName>) {
        self.set_hung(name, false);
        self.take_in_stalled(name);
    }

    fn set_hung(&mut self, name: Option<&NodeName>, is_hung: bool) {
        let shown = name.unwrap_or(&self.master_name);
        let line = format!("{shown} {}", if is_hung { "hangs" } else { "goes on" });
        self.note(&line);
        self.note_master_stall(name);
        if let Some(stalled) = self.stalled(name) {
            stalled.is_hung = is_hung;
        }
    }

    /// Schedules the events that a node did not take in while it hung or was paused.
    fn take_in_stalled(&mut self, name: Option<&NodeName>) {
        if let Some(stalled) = self.stalled(name) {
            for event in std::mem::take(&mut stalled.events) {
                self.schedule(Duration::ZERO, event);
            }
        }
    }

    /// Replaces the faults of a node (`None`: the master), as `PUT /faults` does.
    pub fn set_faults(&mut self, name: Option<&NodeName>, faults: Faults) {
        let shown = name.unwrap_or(&self.master_name).clone();
        self.note(&format!("{shown} has faults: {faults}"));
        let now = self.instant();
        self.note_master_stall(name);
        if faults != Faults::default() {
            let is_of = |link: &&mut SimLink| name.is_none_or(|name| link.peer == *name);
            self.links.values_mut().filter(is_of).for_each(|link| link.is_faithful = false);
        }
        self.node_mut(name).into_iter().for_each(|node| node.set_faults(now, faults));
        self.drain(name);
        if !faults.paused {
            self.take_in_stalled(name);
        }
    }

    /// Returns whether a node (`None`: the master) has faults injected.
    pub(super) fn has_faults(&self, name: Option<&NodeName>) -> bool {
        self.node(name).is_some_and(|node| node.faults() != Faults::default())
    }

    /// Drops the connections of a node (`None`: the master), as `POST /faults/disconnect` does.
    pub fn disconnect_peers(&mut self, name: Option<&NodeName>) {
        let now = self.instant();
        self.node_mut(name).into_iter().for_each(|node| node.disconnect(now));
        self.drain(name);
    }

    /// Returns whether a node (`None`: the master) is paused by its faults.
    pub(super) fn is_paused(&self, name: Option<&NodeName>) -> bool {
        self.node(name).is_some_and(AnyNode::is_paused)
    }

    pub(super) fn stalled(&mut self, name: Option<&NodeName>) -> Option<&mut Stalled> {
        self.node_mut(name).map(AnyNode::stalled)
    }
}
