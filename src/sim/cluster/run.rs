//! The event loop: the shell that production has in threads and sockets, in virtual time.

use super::*;

impl Cluster {
    /// Does the next thing, if it happens before `end`. Returns whether there was one.
    pub(super) fn step_before(&mut self, end: Duration) -> bool {
        let event = self.events.first_key_value().map(|(&(at, _), _)| at);
        let master = self.master.as_ref().and_then(MasterNode::next_deadline);
        let secondaries = self.secondaries.values().filter_map(SecondaryNode::next_deadline);
        let deadline = secondaries.chain(master).min();
        let deadline = deadline.map(|at| at.saturating_duration_since(self.base).max(self.now));
        let Some(next) = event.into_iter().chain(deadline).min().filter(|&next| next <= end) else {
            return false;
        };
        self.now = next;
        match self.events.first_entry().filter(|entry| entry.key().0 <= next) {
            Some(entry) => {
                let event = entry.remove();
                self.happen(event);
            }
            None => self.time_out(),
        }
        true
    }

    fn time_out(&mut self) {
        let now = self.instant();
        if let Some(master) = &mut self.master
            && master.next_deadline().is_some_and(|at| at <= now)
        {
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
                node.machine.handle_timeout(now);
                let later = node.machine.next_deadline();
                assert!(later.is_none_or(|at| at > now), "{name}'s deadline stays in the past");
            }
            self.drain_secondary(&name);
        }
    }

    pub(super) fn happen(&mut self, event: Event) {
        let to = match &event {
            Event::Arrive { link, at_master, .. } | Event::Down { link, at_master } => {
                let Some(link) = self.links.get(link) else { return };
                (!at_master).then(|| link.peer.clone())
            }
            Event::Accepted { .. } => None,
            Event::Dialed { secondary, life, .. } if self.life(Some(secondary)) == *life => {
                Some(secondary.clone())
            }
            Event::Synced { secondary, life } | Event::DiskBroke { secondary, life }
                if self.life(secondary.as_ref()) == *life =>
            {
                secondary.clone()
            }
            Event::Remembered { life, .. } if self.life(None) == *life => None,
            // It happened to an earlier life.
            Event::Dialed { .. }
            | Event::Synced { .. }
            | Event::Remembered { .. }
            | Event::DiskBroke { .. } => return,
        };
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
            None => {
                self.happen_to_master(event);
                self.drain_master();
            }
            Some(name) => {
                self.happen_to_secondary(&name, event);
                self.drain_secondary(&name);
            }
        }
    }

    fn happen_to_master(&mut self, event: Event) {
        let now = self.instant();
        let Some(master) = &mut self.master else { return };
        let input = match event {
            Event::Synced { .. } | Event::Remembered { .. } | Event::DiskBroke { .. } => {
                return self.tell_master_of_disk(event);
            }
            Event::Accepted { link } => {
                if !self.links.get(&link).is_some_and(|link| link.master_open) {
                    return;
                }
                let session = SessionId::new(link);
                Input::SessionUp { session, address: format!("link {link}") }
            }
            Event::Down { link, .. } => {
                let Some(state) = self.links.get_mut(&link).filter(|link| link.master_open) else {
                    return;
                };
                state.master_open = false;
                Input::SessionDown { session: SessionId::new(link), reason: "cut".to_owned() }
            }
            Event::Arrive { link, bytes, .. } => {
                if !self.links.get(&link).is_some_and(|link| link.master_open) {
                    return;
                }
                let frame = frame::decode(bytes).expect("what was encoded is decoded");
                Input::Frame { session: SessionId::new(link), frame }
            }
            Event::Dialed { .. } => return,
        };
        master.machine.step(now, input);
    }

    fn happen_to_secondary(&mut self, name: &NodeName, event: Event) {
        let now = self.instant();
        let Some(node) = self.secondaries.get_mut(name) else { return };
        let input = match event {
            Event::Synced { .. } | Event::DiskBroke { .. } => {
                return self.tell_secondary_of_disk(name, &event);
            }
            Event::Dialed { link: Some(link), .. } => {
                SecondaryInput::Connected(SessionId::new(link))
            }
            Event::Dialed { link: None, .. } => {
                SecondaryInput::DialFailed { reason: "unreachable".to_owned() }
            }
            Event::Down { link, .. } => {
                let Some(state) = self.links.get_mut(&link).filter(|link| link.secondary_open)
                else {
                    return;
                };
                state.secondary_open = false;
                SecondaryInput::SessionDown {
                    session: SessionId::new(link),
                    reason: "cut".to_owned(),
                }
            }
            Event::Arrive { link, bytes, .. } => {
                if !self.links.get(&link).is_some_and(|link| link.secondary_open) {
                    return;
                }
                let frame = frame::decode(bytes).expect("what was encoded is decoded");
                SecondaryInput::Frame { session: SessionId::new(link), frame }
            }
            Event::Accepted { .. } | Event::Remembered { .. } => return,
        };
        node.machine.step(now, input);
    }

    pub(super) fn drain_master(&mut self) {
        while let Some(effect) = self.master.as_mut().and_then(|node| node.machine.poll_effect()) {
            match effect {
                Effect::Send { session, frame } => {
                    let Some(master) = &self.master else { return };
                    let log = master.log.reader.clone();
                    // What cannot be read is not sent; the disk's fault is told otherwise.
                    let Ok(frame) = frame.try_map(|range| log.read_range(range)) else { continue };
                    self.transmit(session.get(), true, &frame);
                }
                Effect::Release { waiter, outcome } => self.release(waiter, &outcome),
                Effect::Remember { version, names, losses } => {
                    let event = Event::Remembered { version, names, losses, life: self.life(None) };
                    self.write_down(None, event);
                }
                Effect::Close { session, reason } => {
                    self.note(&format!("master closes connection {session}: {reason}"));
                    self.hang_up(session.get(), true);
                }
            }
        }
        self.look();
    }

    pub(super) fn drain_secondary(&mut self, name: &NodeName) {
        loop {
            let node = self.secondaries.get_mut(name);
            let Some(node) = node else { return };
            let Some(effect) = node.machine.poll_effect() else { break };
            match effect {
                SecondaryEffect::Dial => self.dial(name),
                SecondaryEffect::Send { session, frame } => {
                    let empty = |range: IdRange| -> Result<Records, ()> {
                        unreachable!("a secondary sends no messages, but {range}")
                    };
                    let frame = frame.try_map(empty).expect("no run");
                    self.transmit(session.get(), false, &frame);
                }
                SecondaryEffect::Append(run) => {
                    let log = node.machine.log_id().expect("messages come from a log");
                    node.log.writer.append_run(log, &run);
                    self.note(&format!("{name} appends id={}", run.range()));
                    self.sync(Some(name));
                }
                SecondaryEffect::Close { session, reason } => {
                    self.note(&format!("{name} closes connection {session}: {reason}"));
                    self.hang_up(session.get(), false);
                }
            }
        }
        self.look();
    }

    fn release(&mut self, waiter: WaiterId, outcome: &Outcome) {
        self.look();
        self.checker.released(self.now, waiter, outcome);
        let (what, receipt) = match outcome {
            Outcome::Committed(receipt) => ("committed", receipt),
            Outcome::TimedOut(receipt) => ("timed out", receipt),
            Outcome::ShuttingDown(receipt) => ("shutting down", receipt),
            Outcome::DiskFailed(receipt, _) => ("the disk failed", receipt),
            Outcome::TooManyWaiting(receipt) => ("too many wait", receipt),
            Outcome::Refused(refusal) => panic!("refused after it was accepted: {refusal}"),
        };
        let nodes: Vec<_> = receipt.acked_by.iter().map(NodeName::as_str).collect();
        let (id, w, nodes) = (receipt.id, receipt.write_concern, nodes.join(", "));
        let replayed = if receipt.replayed { " (replayed)" } else { "" };
        let line = format!("sender {waiter}: {what}, id={id} w={w} acked by [{nodes}]{replayed}");
        self.note(&line);
    }

    fn look(&mut self) {
        if let Some(master) = &self.master {
            let log = Some(master.machine.log_id());
            self.checker.look_at(&self.master_name, &self.master_name, log, &master.log.reader);
        }
        for (name, node) in &self.secondaries {
            let log = node.machine.log_id();
            self.checker.look_at(name, &node.registers_as, log, &node.log.reader);
        }
    }

    pub(super) fn life(&self, name: Option<&NodeName>) -> u64 {
        self.lives.get(&name.cloned()).copied().unwrap_or_default()
    }

    fn dial(&mut self, name: &NodeName) {
        let (delay, life) = (self.network.delay(&mut self.rng), self.life(Some(name)));
        let secondary = name.clone();
        if self.partitioned.contains(name) {
            let event = Event::Dialed { secondary, life, link: None };
            return self.schedule(Duration::from_secs(1), event);
        }
        let link = self.number();
        let state = Link {
            peer: name.clone(),
            master_open: true,
            secondary_open: true,
            last_to_master: self.now + delay,
            last_to_secondary: self.now + delay,
        };
        self.links.insert(link, state);
        self.schedule(delay, Event::Accepted { link });
        self.schedule(delay, Event::Dialed { secondary, life, link: Some(link) });
    }

    /// One end closes a link; the other learns of it behind what is on its way.
    fn hang_up(&mut self, number: u64, by_master: bool) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let last = if by_master {
            link.master_open = false;
            link.last_to_secondary
        } else {
            link.secondary_open = false;
            link.last_to_master
        };
        if self.partitioned.contains(&link.peer) {
            return;
        }
        let delay = self.network.delay(&mut self.rng).max(last.saturating_sub(self.now));
        self.schedule(delay, Event::Down { link: number, at_master: !by_master });
    }

    /// Puts a frame on its way, as the network and the rules will have it.
    fn transmit(&mut self, number: u64, from_master: bool, frame: &Frame<Records>) {
        let Some(link) = self.links.get(&number) else { return };
        let (peer, kind) = (link.peer.clone(), frame.kind());
        let encoded = frame::encode(frame);
        let mut bytes = BytesMut::from(encoded.head.get(4..).unwrap_or_default());
        bytes.extend_from_slice(&encoded.records);
        let bytes = bytes.freeze();
        let rule = self.take_rule(&peer, kind);
        let lost = self.partitioned.contains(&peer)
            || matches!(rule, Some(RuleAction::Drop))
            || self.rng.random_bool(self.network.drop_rate);
        let twice = matches!(rule, Some(RuleAction::Duplicate))
            || self.rng.random_bool(self.network.duplicate_rate);
        // Heartbeats would drown what a trace is read for.
        if !matches!(kind, FrameKind::Heartbeat | FrameKind::Alive) {
            let fate = if lost {
                " (lost)"
            } else if twice {
                " (twice)"
            } else {
                ""
            };
            let (from, to) =
                if from_master { ("master", peer.as_str()) } else { (peer.as_str(), "master") };
            self.note(&format!("{from} -> {to}: {}{fate}", describe(frame)));
        }
        if lost {
            return;
        }
        for _ in 0..=usize::from(twice) {
            let mut at = self.now
                + match rule {
                    Some(RuleAction::Delay(delay)) => delay,
                    _ => self.network.delay(&mut self.rng),
                };
            if !self.network.reorder && !matches!(rule, Some(RuleAction::Delay(_))) {
                let Some(link) = self.links.get_mut(&number) else { return };
                let last = if from_master {
                    &mut link.last_to_secondary
                } else {
                    &mut link.last_to_master
                };
                at = at.max(*last);
                *last = at;
            }
            let event =
                Event::Arrive { link: number, at_master: !from_master, bytes: bytes.clone() };
            self.schedule(at.saturating_sub(self.now), event);
        }
    }

    fn take_rule(&mut self, peer: &NodeName, kind: FrameKind) -> Option<RuleAction> {
        let holds = |rule: &Rule| rule.peer == *peer && rule.kind == format!("{kind:?}");
        let at = self.rules.iter().position(holds)?;
        let rule = self.rules.get_mut(at)?;
        let action = rule.action;
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            self.rules.remove(at);
        }
        Some(action)
    }
}
