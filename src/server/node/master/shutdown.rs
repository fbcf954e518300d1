//! The end of a master's core task: every pending client is answered.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_protocol::{LeaderInput, Machine};

use super::large_appends::LargeAppend;
use super::leader::LeaderDriver;
use crate::server::node::commands::{LeaderCommand, Queued};
use crate::server::node::driver::{Core, Inbox};
use crate::server::node::now;

impl Core<LeaderDriver> {
    pub(super) fn give_up(&mut self, now: Instant) {
        self.machine.step(now, LeaderInput::GiveUp.into());
        self.refuse_deferred(now);
    }

    /// Passes the deferred appends to the machine, which refuses them since the node stops: their
    /// clients need not wait.
    pub(super) fn refuse_deferred(&mut self, now: Instant) {
        while let Some(large) = self.role.large.pop() {
            match large {
                LargeAppend::Single(waiter, append) => self.append(now, waiter, append),
                LargeAppend::Lines(batch) => self.refuse_lines(now, batch),
            }
        }
        self.refuse_stalled(now);
    }

    /// Ends the task: answers every client that is pending or sent something meanwhile, and closes
    /// the queue.
    pub(super) fn end(
        mut self,
        mut inbox: Inbox<LeaderDriver>,
        mut commands: VecDeque<Queued<LeaderCommand>>,
    ) {
        let now = now();
        self.take_log_changes(now);
        self.give_up(now);
        inbox.commands.close();
        commands.extend(std::iter::from_fn(|| inbox.commands.try_recv().ok()));
        for (command, _room) in commands {
            match command {
                // Refused, unless it was sent before: then it may be in the log, and its client is
                // told so.
                LeaderCommand::Append { waiter, append } => self.append(now, waiter, append),
                LeaderCommand::AppendLines(batch) => self.refuse_lines(now, batch),
                LeaderCommand::Wait { waiter, id, wait } => self.join(now, waiter, id, wait),
                _ => {}
            }
        }
        self.give_up(now);
        while self.drain(now) {}
    }
}
