//! The event loop: the shell that production has in threads and sockets, in virtual time.

use super::*;
use crate::positions::told_by;

/// Time within which what comes to a node is taken in together, where a turn takes more than one event.
const TURN_TIME: Duration = Duration::from_millis(1);

impl Cluster {
    /// Does the next thing, if it happens before `end`. Returns whether there was one.
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
        true
    }

    fn take_event(&mut self, until: Duration) -> Option<Event> {
        self.events.first_entry().filter(|entry| entry.key().0 <= until).map(|entry| entry.remove())
    }

    /// Lets an event happen, and with it those for the same node that come next and soon.
    fn take_turn(&mut self, event: Event) {
        let (node, mut left) = (self.node_of(&event), self.options.turn_events);
        let mut event = Some(event);
        while let Some(next) = event.take() {
            self.take_in(next);
            left -= 1;
            if left == 0 {
                break;
            }
            let soon = self.now + TURN_TIME;
            let is_next = |event: &Event| self.node_of(event) == node && !may_admit(event);
            let follows = self.events.first_key_value().is_some_and(|(_, event)| is_next(event));
            event = follows.then(|| self.take_event(soon)).flatten();
        }
        match node.flatten() {
            None => self.drain_master(),
            Some(name) => self.drain_secondary(&name),
        }
    }

    /// The node that an event happens to (inside, none: the master); none where it is void.
    fn node_of(&self, event: &Event) -> Option<Option<NodeName>> {
        match event {
            Event::Arrive { link, at_master, .. }
            | Event::Part { link, at_master }
            | Event::Down { link, at_master } => {
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
            Event::Accepted { link } | Event::Read { link, .. } => {
                let (master, _) = self.links.get(link)?.lives;
                (self.life(None) == master).then_some(None)
            }
            Event::Dialed { secondary, life, .. } => {
                (self.life(Some(secondary)) == *life).then(|| Some(secondary.clone()))
            }
            Event::Synced { secondary, life } | Event::DiskBroke { secondary, life } => {
                (self.life(secondary.as_ref()) == *life).then(|| secondary.clone())
            }
            Event::Remembered { life, .. } | Event::Compared { life, .. } => {
                (self.life(None) == *life).then_some(None)
            }
        }
    }

    fn time_out(&mut self) {
        let now = self.instant();
        if let Some(master) = &mut self.master
            && master.next_deadline().is_some_and(|at| at <= now)
        {
            let (links, positions, at) = (&self.links, &mut self.positions, self.now);
            master.machine.look(now, |session| {
                let view = Self::view_of(links, at, session, true);
                if view.is_within_frame {
                    positions.is_busy(at, session.get());
                }
                view
            });
            master.machine.handle_timeout(now);
            let later = master.machine.next_deadline();
            assert!(later.is_none_or(|at| at > now), "the master's deadline stays in the past");
        }
        self.drain_master();
        let is_due = |(name, node): (&NodeName, &SecondaryNode)| {
            node.next_deadline().is_some_and(|at| at <= now).then(|| name.clone())
        };
        let due: Vec<NodeName> = self.secondaries.iter().filter_map(is_due).collect();
        for name in due {
            if let Some(node) = self.secondaries.get_mut(&name) {
                let (links, at) = (&self.links, self.now);
                node.machine.look(now, |session| Self::view_of(links, at, session, false));
                node.machine.handle_timeout(now);
                let later = node.machine.next_deadline();
                assert!(later.is_none_or(|at| at > now), "{name}'s deadline stays in the past");
            }
            self.drain_secondary(&name);
        }
    }

    /// Lets something happen to a node at once.
    pub(super) fn happen(&mut self, event: Event) {
        let node = self.node_of(&event);
        self.take_in(event);
        match node.flatten() {
            None => self.drain_master(),
            Some(name) => self.drain_secondary(&name),
        }
    }

    /// Lets a node take in an event, without acting on it yet.
    fn take_in(&mut self, event: Event) {
        let Some(to) = self.node_of(&event) else { return };
        // A node that is paused on demand goes on with its disk and with HTTP, one that hangs with nothing.
        let is_own = matches!(
            event,
            Event::Synced { .. } | Event::Remembered { .. } | Event::DiskBroke { .. }
        );
        let is_paused = !is_own && self.is_paused(to.as_ref());
        if let Some(stalled) = self.stalled(to.as_ref())
            && (stalled.is_hung || is_paused)
        {
            stalled.events.push_back(event);
            return;
        }
        match to {
            None => self.happen_to_master(event),
            Some(name) => self.happen_to_secondary(&name, event),
        }
    }

    fn happen_to_master(&mut self, event: Event) {
        let now = self.instant();
        let Some(master) = &mut self.master else { return };
        let input = match event {
            Event::Synced { .. } | Event::Remembered { .. } | Event::DiskBroke { .. } => {
                self.tell_master_of_disk(event);
                return self.note_turn();
            }
            Event::Accepted { link } => {
                if !self.links.get(&link).is_some_and(|link| link.master_open) {
                    return;
                }
                let session = SessionId::new(link);
                LeaderInput::SessionUp { session, address: format!("link {link}") }.into()
            }
            Event::Read { link, order } => {
                let found = read(&master.log.reader, order);
                Input::Read { session: SessionId::new(link), found }
            }
            Event::Down { link, .. } => {
                let Some(state) = self.links.get_mut(&link).filter(|link| link.master_open) else {
                    return;
                };
                state.master_open = false;
                Input::SessionDown {
                    session: SessionId::new(link),
                    reason: SessionEnd::Lost("cut".to_owned()),
                }
            }
            Event::Arrive { link, bytes, .. } => {
                let frame = frame::decode(bytes).expect("what was encoded is decoded");
                // What came before the machine closed the connection waits in a mailbox, and is still handed in.
                if self.links.get(&link).is_some_and(|link| link.master_open) {
                    self.positions.received(self.now, link, &frame);
                }
                Input::Frame { session: SessionId::new(link), frame }
            }
            Event::Part { link, .. } => {
                if self.links.get(&link).is_some_and(|link| link.master_open) {
                    self.positions.heard(self.now, link);
                }
                Input::Heard(SessionId::new(link))
            }
            Event::Compared { link, is_same, .. } => {
                self.positions.compared(self.now, link);
                LeaderInput::Compared { session: SessionId::new(link), is_same }
            }
            .into(),
            Event::Dialed { .. } => return,
        };
        master.machine.step(now, input);
        self.note_turn();
    }

    /// Where a turn takes more, what this event changed is noted before the next one hides it.
    fn note_turn(&mut self) {
        if self.options.turn_events > 1 {
            self.note_positions();
        }
    }

    fn happen_to_secondary(&mut self, name: &NodeName, event: Event) {
        let now = self.instant();
        let Some(node) = self.secondaries.get_mut(name) else { return };
        let input = match event {
            Event::Synced { .. } | Event::DiskBroke { .. } => {
                return self.tell_secondary_of_disk(name, &event);
            }
            Event::Dialed { link: Some(link), .. } => {
                FollowerInput::Connected(SessionId::new(link)).into()
            }
            Event::Dialed { link: None, .. } => {
                FollowerInput::DialFailed { reason: "unreachable".to_owned() }.into()
            }
            Event::Down { link, .. } => {
                let Some(state) = self.links.get_mut(&link).filter(|link| link.secondary_open)
                else {
                    return;
                };
                state.secondary_open = false;
                Input::SessionDown {
                    session: SessionId::new(link),
                    reason: SessionEnd::Lost("cut".to_owned()),
                }
            }
            Event::Arrive { link, bytes, .. } => {
                let frame = frame::decode(bytes).expect("what was encoded is decoded");
                Input::Frame { session: SessionId::new(link), frame }
            }
            Event::Part { link, .. } => Input::Heard(SessionId::new(link)),
            Event::Accepted { .. }
            | Event::Remembered { .. }
            | Event::Compared { .. }
            | Event::Read { .. } => return,
        };
        node.machine.step(now, input);
    }

    pub(super) fn drain_master(&mut self) {
        while let Some(effect) = self.master.as_mut().and_then(|node| node.machine.poll_effect()) {
            match effect {
                Effect::Send { session, frame } => {
                    let Some(master) = &self.master else { return };
                    let log = master.log.reader.clone();
                    let Ok(frame) = frame.try_map(|range| log.read_range(range)) else {
                        // What cannot be read is not sent, and the node is told why.
                        self.sync(None);
                        continue;
                    };
                    self.transmit(session.get(), true, &frame);
                }
                Effect::Read { session, order } => self.begin_read(session, order),
                Effect::Role(LeaderEffect::Release { waiter, outcome }) => {
                    self.release(waiter, &outcome)
                }
                Effect::Mend { peer, run } => {
                    self.note(&format!(
                        "master gets id={} from {peer} for its repair",
                        run.range()
                    ));
                    self.master.iter().for_each(|node| node.log.reader.mend(&peer, &run));
                    self.sync(None);
                }
                Effect::Role(LeaderEffect::Remember { version, names, losses }) => {
                    let event = Event::Remembered { version, names, losses, life: self.life(None) };
                    self.write_down(None, event);
                }
                Effect::Role(LeaderEffect::Compare { session, end, told }) => {
                    self.compare(session, end, told)
                }
                Effect::Close { session, reason } => {
                    self.judge_close(session, &reason);
                    self.note(&format!("master closes connection {session}: {reason}"));
                    self.hang_up(session.get(), true);
                }
            }
        }
        self.look();
        self.judge_master();
    }

    /// Reads what the master asked for: at once, or as soon as its disk got to it.
    fn begin_read(&mut self, session: SessionId, order: ReadOrder) {
        let event = Event::Read { link: session.get(), order };
        let max = self.options.disk_delay_max.as_micros() as u64;
        if self.options.on_disk && max > 0 {
            let delay = Duration::from_micros(self.disk_rng.random_range(0..=max));
            self.schedule(delay, event);
        } else {
            self.take_in(event);
        }
    }

    pub(super) fn drain_secondary(&mut self, name: &NodeName) {
        let now = self.instant();
        loop {
            let node = self.secondaries.get_mut(name);
            let Some(node) = node else { return };
            let Some(effect) = node.machine.poll_effect() else { break };
            match effect {
                Effect::Role(FollowerEffect::Dial) => self.dial(name),
                Effect::Send { session, frame } => {
                    let log = node.log.reader.clone();
                    let Ok(frame) = frame.try_map(|range| log.read_range(range)) else {
                        self.sync(Some(name));
                        continue;
                    };
                    if let Some(told) = told_by(&frame) {
                        let end = node.log.reader.durable_end();
                        assert!(told <= end, "{name} tells {told} and has {end}");
                    }
                    self.transmit(session.get(), false, &frame);
                }
                Effect::Read { session, order } => {
                    let found = read(&node.log.reader, order);
                    node.machine.step(now, Input::Read { session, found });
                }
                Effect::Mend { peer, run } => {
                    node.log.reader.mend(&peer, &run);
                    self.note(&format!(
                        "{name} gets id={} from {peer} for its repair",
                        run.range()
                    ));
                    self.sync(Some(name));
                }
                Effect::Role(FollowerEffect::Append(run)) => {
                    let log = node.machine.get_ref().log_id().expect("messages come from a log");
                    node.log.writer.append_run(log, &run);
                    self.note(&format!("{name} appends id={}", run.range()));
                    self.sync(Some(name));
                }
                Effect::Close { session, reason } => {
                    self.note(&format!("{name} closes connection {session}: {reason}"));
                    self.hang_up(session.get(), false);
                }
            }
        }
        self.look();
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
    }

    /// Compares all that the nodes show once more, now that nothing is damaged.
    ///
    /// # Panics
    /// When something of it is another message by now, or cannot be read.
    pub fn read_all_again(&mut self) {
        self.checker.begin_again();
        self.look();
    }

    pub(super) fn life(&self, name: Option<&NodeName>) -> u64 {
        self.lives.get(&name.cloned()).copied().unwrap_or_default()
    }
}

fn read(log: &LogReader, order: ReadOrder) -> Result<(IdRange, usize), Unreadable> {
    let records = log.read(order.from, order.until, order.max_bytes);
    records
        .map(|records| (records.range(), records.bytes()))
        .map_err(|error| Unreadable::from(&error))
}

/// Whether the master may let a secondary in by this event. What answers to earlier frames say is judged before: the
/// position that a handshake tells may be a lower one.
fn may_admit(event: &Event) -> bool {
    matches!(
        event,
        Event::Arrive { kind: FrameKind::Handshake, .. }
            | Event::Remembered { .. }
            | Event::Compared { .. }
    )
}
