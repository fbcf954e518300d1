//! Carries out the effects of the state machines in the simulated cluster.

use std::time::Duration;

use acklog_log::LogReader;
use acklog_protocol::frame::Frame;
use acklog_protocol::{Effect, FollowerEffect, Input, LeaderEffect, ReadOrder};
use acklog_types::{IdRange, NodeName, SessionId, Unreadable, WaiterId};
use rand::RngExt;

use super::Cluster;
use crate::event::ScheduledEvent;
use crate::node::RoleEffect;
use crate::positions::reported_by;

impl Cluster {
    /// Carries out all effects of a node (`None`: the master).
    pub(super) fn drain(&mut self, name: Option<&NodeName>) {
        let shown = name.unwrap_or(&self.master_name).clone();
        loop {
            let effect = self.node_mut(name).and_then(|node| node.poll_effect());
            self.count_events(name);
            let Some(effect) = effect else { break };
            match effect {
                Effect::Send { session, frame } => self.send_frame(name, session, frame),
                Effect::Read { session, order } => self.begin_read(name, session, order),
                Effect::Mend { peer, run } => {
                    let id = run.range();
                    self.note(&format!("{shown} gets id={id} from {peer} for its repair"));
                    self.node(name).iter().for_each(|node| node.log().reader.mend(&peer, &run));
                    self.sync(name);
                }
                Effect::Close { session, reason } => {
                    if name.is_none() {
                        self.judge_close(session, &reason);
                    }
                    self.note(&format!("{shown} closes connection {session}: {reason}"));
                    self.hang_up(session.get(), name.is_none());
                }
                Effect::Role(RoleEffect::Leader(effect)) => self.lead(effect),
                Effect::Role(RoleEffect::Follower(effect)) => self.follow(&shown, effect),
            }
        }
        self.look();
        if name.is_none() {
            self.judge_master();
        }
    }

    /// Counts the events of a node, and records them (`None`: the master).
    fn count_events(&mut self, name: Option<&NodeName>) {
        while let Some(event) = self.node_mut(name).and_then(|node| node.poll_event()) {
            *self.event_counts.entry(event.kind().as_str()).or_default() += 1;
            self.tell_event(name, event);
        }
    }

    /// Sends a frame with the records of its run. If they cannot be read, sends nothing and reports
    /// the disk to the node.
    fn send_frame(&mut self, name: Option<&NodeName>, session: SessionId, frame: Frame<IdRange>) {
        let Some(node) = self.node(name) else { return };
        let log = node.log().reader.clone();
        let Ok(frame) = frame.try_map(|range| log.read_range(range)) else {
            return self.sync(name);
        };
        if let Some(name) = name
            && let Some(reported) = reported_by(&frame)
        {
            let end = log.durable_end();
            assert!(reported <= end, "{name} reports {reported} and has {end}");
        }
        self.transmit(session.get(), name.is_none(), &frame);
    }

    /// Reads what a node requested: at once, or after a delay of the master's disk.
    fn begin_read(&mut self, name: Option<&NodeName>, session: SessionId, order: ReadOrder) {
        let max = self.options.disk_delay_max.as_micros() as u64;
        if name.is_none() && self.options.on_disk && max > 0 {
            let delay = Duration::from_micros(self.disk_rng.random_range(0..=max));
            return self.schedule(delay, ScheduledEvent::Read { link: session.get(), order });
        }
        let now = self.instant();
        if let Some(node) = self.node_mut(name) {
            let found = read(&node.log().reader, order);
            node.step(now, Input::Read { session, found });
        }
    }

    fn lead(&mut self, effect: LeaderEffect) {
        match effect {
            LeaderEffect::Release { waiter, count, outcome } => {
                for n in 0..count {
                    self.release(WaiterId::new(waiter.get() + n), &outcome.clone().nth(n));
                }
            }
            LeaderEffect::Remember { version, names, losses } => {
                let event =
                    ScheduledEvent::Remembered { version, names, losses, life: self.life(None) };
                self.write_down(None, event);
            }
            LeaderEffect::Compare { session, end, told } => self.compare(session, end, told),
        }
    }

    fn follow(&mut self, name: &NodeName, effect: FollowerEffect) {
        match effect {
            FollowerEffect::Dial => self.dial(name),
            FollowerEffect::Append(run) => {
                let Some(node) = self.secondaries.get_mut(name) else { return };
                let log = node.machine.get_ref().log_id().expect("messages come from a log");
                node.log.writer.append_run(log, &run);
                self.note(&format!("{name} appends id={}", run.range()));
                self.sync(Some(name));
            }
        }
    }
}

/// Reads what a state machine requested.
pub(super) fn read(log: &LogReader, order: ReadOrder) -> Result<(IdRange, usize), Unreadable> {
    let records = log.read(order.from, order.until, order.max_bytes);
    records
        .map(|records| (records.range(), records.bytes()))
        .map_err(|error| Unreadable::from(&error))
}
