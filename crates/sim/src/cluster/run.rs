//! The event loop: what threads and sockets do in production, in virtual time.

use std::time::Duration;

use acklog_protocol::frame::FrameKind;
use acklog_protocol::{FollowerInput, Input, LeaderInput, Machine, SessionEnd, frame};
use acklog_types::{NodeName, SessionId};

use super::Cluster;
use super::effects::read;
use crate::event::ScheduledEvent;
use crate::node::{AnyNode, MasterNode, SecondaryNode};

/// Longest time between events that a node takes in together, if it takes in more than one.
const TURN_TIME: Duration = Duration::from_millis(1);

impl Cluster {
    /// Carries out the next event or timeout, if it is due at `end` or before. Returns whether
    /// there was one.
    pub(super) fn step_before(&mut self, end: Duration) -> bool {
        let event = self.events.first_key_value().map(|(&(at, _), _)| at);
        let master = self.master.as_ref().and_then(MasterNode::next_deadline);
        let secondaries = self.secondaries.values().filter_map(SecondaryNode::next_deadline);
        let deadline = secondaries.chain(master).min();
        let deadline = deadline.map(|at| at.saturating_duration_since(self.base));
        let Some(next) = event.into_iter().chain(deadline).min().filter(|&next| next <= end) else {
            return false;
        };
        self.now = next.max(self.now);
        match self.take_event(next) {
            Some(event) => self.take_turn(event),
            None => self.time_out(),
        }
        self.look_for_news();
        true
    }

    fn take_event(&mut self, until: Duration) -> Option<ScheduledEvent> {
        self.events.first_entry().filter(|entry| entry.key().0 <= until).map(|entry| entry.remove())
    }

    /// Carries out an event, together with those for the same node that follow soon.
    fn take_turn(&mut self, event: ScheduledEvent) {
        let (node, mut left) = (self.node_of(&event), self.options.turn_events);
        let mut event = Some(event);
        while let Some(next) = event.take() {
            self.take_in(next);
            left -= 1;
            if left == 0 {
                break;
            }
            let soon = self.now + TURN_TIME;
            let is_next = |event: &ScheduledEvent| self.node_of(event) == node && !may_admit(event);
            let follows = self.events.first_key_value().is_some_and(|(_, event)| is_next(event));
            event = follows.then(|| self.take_event(soon)).flatten();
        }
        self.drain(node.flatten().as_ref());
    }

    /// Returns the node of an event (inside, `None`: the master); none if the event is void.
    fn node_of(&self, event: &ScheduledEvent) -> Option<Option<NodeName>> {
        match event {
            ScheduledEvent::Arrive { link, at_master, .. }
            | ScheduledEvent::Part { link, at_master }
            | ScheduledEvent::Down { link, at_master } => {
                let link = self.links.get(link)?;
                let (master, secondary) = link.lives;
                match at_master {
                    true => (self.life(None) == master).then_some(None),
                    false => {
                        let lives = self.life(Some(&link.peer)) == secondary;
                        lives.then(|| Some(link.peer.clone()))
                    }
                }
            }
            ScheduledEvent::Accepted { link } | ScheduledEvent::Read { link, .. } => {
                let (master, _) = self.links.get(link)?.lives;
                (self.life(None) == master).then_some(None)
            }
            ScheduledEvent::Dialed { secondary, life, .. } => {
                (self.life(Some(secondary)) == *life).then(|| Some(secondary.clone()))
            }
            ScheduledEvent::Synced { secondary, life }
            | ScheduledEvent::DiskBroke { secondary, life } => {
                (self.life(secondary.as_ref()) == *life).then(|| secondary.clone())
            }
            ScheduledEvent::Remembered { life, .. } | ScheduledEvent::Compared { life, .. } => {
                (self.life(None) == *life).then_some(None)
            }
        }
    }

    fn time_out(&mut self) {
        let now = self.instant();
        let is_due = |node: &dyn AnyNode| node.next_deadline().is_some_and(|at| at <= now);
        if self.node(None).is_some_and(is_due) {
            self.let_time_out(None);
        }
        self.drain(None);
        let secondaries = self.secondaries.iter().filter(|(_, node)| is_due(*node));
        let due: Vec<NodeName> = secondaries.map(|(name, _)| name.clone()).collect();
        for name in due {
            self.let_time_out(Some(&name));
            self.drain(Some(&name));
        }
    }

    /// Lets a node (`None`: the master) handle its timeout.
    fn let_time_out(&mut self, name: Option<&NodeName>) {
        let (now, at) = (self.instant(), self.now);
        let node: Option<&mut dyn AnyNode> = match name {
            None => self.master.as_mut().map(|node| node as _),
            Some(name) => self.secondaries.get_mut(name).map(|node| node as _),
        };
        let (links, positions) = (&self.links, &mut self.positions);
        let mut look = |session: SessionId| {
            let view = Self::view_of(links, at, session, name.is_none());
            if name.is_none() && view.is_within_frame {
                positions.note_busy(at, session.get());
            }
            view
        };
        node.into_iter().for_each(|node| node.time_out(now, &mut look));
    }

    /// Carries out an event for a node at once.
    pub(super) fn happen(&mut self, event: ScheduledEvent) {
        let node = self.node_of(&event);
        self.take_in(event);
        self.drain(node.flatten().as_ref());
    }

    /// Passes an event to its node, without carrying out its effects yet.
    fn take_in(&mut self, event: ScheduledEvent) {
        let Some(to) = self.node_of(&event) else { return };
        // A node that is paused by its faults continues with its disk and with HTTP, one that hangs
        // with nothing.
        let is_own = matches!(
            event,
            ScheduledEvent::Synced { .. }
                | ScheduledEvent::Remembered { .. }
                | ScheduledEvent::DiskBroke { .. }
        );
        let is_paused = !is_own && self.is_paused(to.as_ref());
        if let Some(stalled) = self.stalled(to.as_ref())
            && (stalled.is_hung || is_paused)
        {
            stalled.events.push_back(event);
            return;
        }
        match event {
            ScheduledEvent::Synced { .. }
            | ScheduledEvent::Remembered { .. }
            | ScheduledEvent::DiskBroke { .. } => {
                self.report_disk(to.as_ref(), event);
            }
            event => self.happen_to(to.as_ref(), event),
        }
        if to.is_none() {
            self.note_turn();
        }
    }

    /// Passes an event of a connection to a node (`None`: the master).
    fn happen_to(&mut self, name: Option<&NodeName>, event: ScheduledEvent) {
        let (now, is_master) = (self.instant(), name.is_none());
        let input = match event {
            ScheduledEvent::Down { link, .. } => {
                let Some(state) = self.links.get_mut(&link).filter(|link| link.is_open(is_master))
                else {
                    return;
                };
                state.end_at(is_master);
                let (session, reason) = (SessionId::new(link), SessionEnd::Lost("cut".to_owned()));
                Input::SessionDown { session, reason }
            }
            ScheduledEvent::Arrive { link, bytes, .. } => {
                let frame = frame::decode(bytes).expect("what was encoded is decoded");
                // Frames that came before the state machine closed the connection wait in a
                // mailbox, and are still passed to it.
                if is_master && self.is_open_at_master(link) {
                    self.positions.note_frame(self.now, link, &frame);
                }
                Input::Frame { session: SessionId::new(link), frame }
            }
            ScheduledEvent::Part { link, .. } => {
                if is_master && self.is_open_at_master(link) {
                    self.positions.note_contact(self.now, link);
                }
                Input::Heard(SessionId::new(link))
            }
            ScheduledEvent::Read { link, order } => {
                let Some(node) = self.node(name) else { return };
                let found = read(&node.log().reader, order);
                Input::Read { session: SessionId::new(link), found }
            }
            event => return self.happen_to_role(name, event),
        };
        if let Some(node) = self.node_mut(name) {
            node.step(now, input);
        }
    }

    /// Passes an event of one role to a node (`None`: the master).
    fn happen_to_role(&mut self, name: Option<&NodeName>, event: ScheduledEvent) {
        let now = self.instant();
        match (name, event) {
            (None, ScheduledEvent::Accepted { link }) if self.is_open_at_master(link) => {
                let (session, address) = (SessionId::new(link), format!("link {link}"));
                self.step_master(LeaderInput::SessionUp { session, address }.into());
            }
            (None, ScheduledEvent::Compared { link, is_same, .. }) => {
                self.positions.note_compared(self.now, link);
                let session = SessionId::new(link);
                self.step_master(LeaderInput::Compared { session, is_same }.into());
            }
            (Some(name), ScheduledEvent::Dialed { link, .. }) => {
                let input = match link {
                    Some(link) => FollowerInput::Connected(SessionId::new(link)),
                    None => FollowerInput::DialFailed { reason: "unreachable".to_owned() },
                };
                if let Some(node) = self.secondaries.get_mut(name) {
                    node.machine.step(now, input.into());
                }
            }
            _ => {}
        }
    }

    /// Passes an input to the master, without carrying out its effects yet.
    pub(super) fn step_master(&mut self, input: Input<LeaderInput>) {
        let now = self.instant();
        if let Some(master) = &mut self.master {
            master.machine.step(now, input);
        }
    }

    fn is_open_at_master(&self, link: u64) -> bool {
        self.links.get(&link).is_some_and(|link| link.master_open)
    }

    /// If the master takes in several events at once, notes the positions before the next one hides
    /// them.
    fn note_turn(&mut self) {
        if self.options.turn_events > 1 {
            self.note_positions();
        }
    }

    pub(super) fn look(&mut self) {
        if let Some(master) = &self.master {
            let log = Some(master.machine.get_ref().log_id());
            self.checker.look_at(&self.master_name, &self.master_name, log, &master.log.reader);
        }
        for (name, node) in &self.secondaries {
            let log = node.machine.get_ref().log_id();
            self.checker.look_at(name, &node.registers_as, log, &node.log.reader);
        }
        self.judge_secondaries_reads();
    }

    /// Compares all messages that the nodes show once more, now that nothing is damaged.
    ///
    /// # Panics
    /// When one of them is another message by now, or cannot be read.
    pub fn read_all_again(&mut self) {
        self.checker.begin_again();
        self.look();
    }

    pub(super) fn life(&self, name: Option<&NodeName>) -> u64 {
        self.lives.get(&name.cloned()).copied().unwrap_or_default()
    }
}

/// Returns whether the master may admit a secondary by this event. Responses to earlier frames are
/// judged before, since the position in a handshake may be lower.
fn may_admit(event: &ScheduledEvent) -> bool {
    matches!(
        event,
        ScheduledEvent::Arrive { kind: FrameKind::Handshake, .. }
            | ScheduledEvent::Remembered { .. }
            | ScheduledEvent::Compared { .. }
    )
}
