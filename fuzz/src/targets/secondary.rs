//! A secondary whose master sends anything.

use std::time::Duration;

use acklog_protocol::{
    FollowerEffect, FollowerInput, Input, Machine, RestoredSecondary, Secondary, SecondaryOptions,
};
use acklog_types::{InstanceId, LogEnd, Records};

use crate::bytes_in::BytesIn;
use crate::frames::{LOG, some_frame};
use crate::node::{ColdLog, HAPPENINGS, Node};

/// Whatever happens, the secondary does not panic; a deadline never stays in the past; what it
/// appends continues its log, and is of a log that it knows; and nothing that it tells or shows is
/// beyond what is durable.
///
/// Input: the options, then what happens, one after the other, each as a kind and what it needs.
pub fn secondary(data: &[u8]) {
    let mut input = BytesIn::new(data);
    let (bits, messages) = (input.byte(), input.below(4));
    let options = SecondaryOptions {
        name: "bonnie".parse().expect("a name"),
        instance: InstanceId::new(1),
        http_port: None,
        request_timeout: Duration::from_secs(1),
        reconnect_delay: Duration::from_secs(2),
        seed: u64::from(bits),
    };
    let restored = RestoredSecondary {
        log: (messages > 0).then_some(LOG),
        end: LogEnd::new(messages),
        on_disk: bits & 1 != 0,
    };
    let node = Node::new(messages, |now, log| Secondary::new(now, options, restored, log));
    let mut case = SecondaryCase { node, is_dialing: false };
    case.settle();
    while !input.is_empty() {
        case.happen(&mut input);
        case.settle();
        case.check_health();
    }
}

struct SecondaryCase {
    node: Node<Secondary<ColdLog>>,
    is_dialing: bool,
}

impl SecondaryCase {
    fn happen(&mut self, input: &mut BytesIn<'_>) {
        match input.below(HAPPENINGS + 12) {
            0 | 1 if self.is_dialing && !self.node.machine.is_paused() => self.end_dial(input),
            0..=11 => self.receive(input),
            kind => self.node.happen(kind - 12, input),
        }
    }

    fn end_dial(&mut self, input: &mut BytesIn<'_>) {
        self.is_dialing = false;
        if input.below(8) == 0 {
            let reason = "some reason".to_owned();
            self.node.step(FollowerInput::DialFailed { reason }.into());
        } else {
            let session = self.node.open_session();
            self.node.step(FollowerInput::Connected(session).into());
        }
    }

    fn receive(&mut self, input: &mut BytesIn<'_>) {
        let Some(session) = self.node.some_session(input) else { return };
        let positions = self.node.positions();
        let known = self.node.known(&positions);
        let frame = some_frame(&known, input);
        self.node.step(Input::Frame { session, frame });
    }

    /// Carries out all effects.
    fn settle(&mut self) {
        while let Some(effect) = self.node.next_effect() {
            match self.node.carry_out(effect) {
                Some(FollowerEffect::Dial) => {
                    assert!(!self.is_dialing, "it dials twice at a time");
                    self.is_dialing = true;
                }
                Some(FollowerEffect::Append(run)) => self.append(&run),
                None => {}
            }
        }
    }

    fn append(&mut self, run: &Records) {
        let (range, end) = (run.range(), self.node.writer.end());
        assert!(!range.is_empty() && range.start() == end, "{range} behind {end}");
        let log = self.node.machine.get_ref().log_id().expect("messages come from a log");
        self.node.writer.append_run(log, run);
    }

    fn check_health(&self) {
        let health = self.node.machine.health(self.node.now);
        assert_eq!(health.log_end, self.node.durable_end, "{health:?}");
        let machine = self.node.machine.get_ref();
        for end in [machine.committed_end().unwrap_or_default(), machine.all_end()] {
            assert!(end <= health.log_end, "{end} is beyond what it has: {health:?}");
        }
        assert_eq!(machine.held_end(1), health.log_end, "{health:?}");
        let size = machine.cluster_size().unwrap_or_default().into();
        assert!((2..=size).all(|nodes| machine.held_end(nodes) <= health.log_end), "{health:?}");
        assert_eq!(machine.held_end(size.max(1) + 1), LogEnd::ZERO, "{health:?}");
    }
}
