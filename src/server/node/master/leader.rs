//! What a master's core task does beside driving its machine.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_log::LogReader;
use acklog_protocol::{ForgetError, Input, LeaderEffect, LeaderInput, Machine, Master};
use acklog_types::SessionId;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::comparing::{Compared, Comparing};
use super::large::Large;
use crate::server::node::commands::{Command, Forgotten, Queued};
use crate::server::node::driver::{CarriedOut, Core, Inbox, Role};
use crate::server::node::now;
use crate::server::node::protocol_log::LogRole;
use crate::server::node::releases::{Mailboxes, Releases};

/// A master's part of its core task.
pub(super) struct Leader {
    pub(super) releases: Releases,
    pub(super) comparing: Comparing,
    pub(super) large: Large,
    /// When the messages of this turn were accepted, in milliseconds since 1970; none before the first.
    pub(super) accepted_ms: Option<u64>,
    /// Who is answered when the list of names of that version is written down.
    forgetting: Vec<(u64, Forgotten)>,
    /// Who is answered when no sender waits any more.
    stopping: Vec<oneshot::Sender<()>>,
}

impl Leader {
    /// A master whose senders get their answers through these mailboxes.
    pub(super) fn new(mailboxes: Mailboxes, comparing: Comparing) -> Self {
        Self {
            releases: Releases::new(mailboxes),
            comparing,
            large: Large::new(now()),
            accepted_ms: None,
            forgetting: Vec::new(),
            stopping: Vec::new(),
        }
    }
}

impl Role for Leader {
    type Machine = Master<LogReader>;
    type Command = Command;
    type Connection = (TcpStream, String);
    type Done = Compared;

    const LOGS_AS: LogRole = LogRole::Master;

    fn connected(core: &mut Core<Self>, (stream, address): (TcpStream, String)) {
        if let Some(session) = core.sessions.open(stream) {
            core.machine.step(now(), LeaderInput::SessionUp { session, address }.into());
        }
    }

    fn done(core: &mut Core<Self>, now: Instant, done: Compared) {
        core.compared(now, done);
    }

    fn obey(core: &mut Core<Self>, now: Instant, command: Command) -> usize {
        match command {
            Command::Append { waiter, append } => return core.take_append(now, waiter, append),
            Command::Wait { waiter, id, wait } => core.join(now, waiter, id, wait),
            Command::Cancel(waiter) => {
                if !core.role.large.cancel(waiter) {
                    core.machine.step(now, LeaderInput::Cancel(waiter).into());
                }
            }
            Command::Health(answer) => {
                let _ = answer.send(core.machine.health(now));
            }
            Command::Forget(name, answer) => match core.machine.get_mut().forget(&name) {
                Ok(version) => core.role.forgetting.push((version, answer)),
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
            Command::Shutdown(answer) => {
                core.machine.step(now, Input::Shutdown);
                core.refuse_large(now);
                core.role.stopping.push(answer);
            }
            Command::GiveUp(answer) => {
                // Whatever is durable by now is told as such.
                core.hear_log(now);
                core.give_up(now);
                core.role.stopping.push(answer);
            }
        }
        0
    }

    fn take_waiting(core: &mut Core<Self>, now: Instant) {
        if let Some((waiter, append)) = core.role.large.pop_due(now) {
            core.append(now, waiter, append);
            core.role.large.note_taken(now, core.writer.end());
        }
    }

    fn flushed(core: &mut Core<Self>) {
        core.sessions.note_append();
    }

    fn hear_log(core: &mut Core<Self>, now: Instant) {
        let remembered = core.reader.members_version();
        if remembered > core.machine.get_ref().remembered_version() {
            core.machine.step(now, LeaderInput::Remembered(remembered).into());
        }
    }

    fn log_is_whole(core: &mut Core<Self>) {
        core.sessions.expect_no_messages();
    }

    fn carry_out(core: &mut Core<Self>, effect: LeaderEffect) -> CarriedOut {
        match effect {
            LeaderEffect::Release { waiter, outcome } => {
                core.role.releases.push(waiter, outcome);
                CarriedOut::Released
            }
            LeaderEffect::Compare { session, end, told } => {
                core.role.comparing.begin_log(core.reader.clone(), session, end, told);
                CarriedOut::Done
            }
            LeaderEffect::Remember { version, names, losses } => {
                core.writer.persist_members(version, names, losses);
                CarriedOut::Wrote
            }
        }
    }

    fn hung_up(&mut self, session: SessionId) {
        self.comparing.forget_log(session);
    }

    fn drained(core: &mut Core<Self>, now: Instant) {
        core.role.accepted_ms = None;
        core.role.releases.flush();
        if !core.role.forgetting.is_empty() {
            core.answer_forgetting(now);
        }
        let is_waited_for = core.machine.get_ref().has_waiters() || !core.role.large.is_empty();
        if !core.role.stopping.is_empty() && !is_waited_for {
            for answer in core.role.stopping.drain(..) {
                let _ = answer.send(());
            }
        }
        core.role.large.note_durable(crate::server::node::now(), core.reader.durable_end());
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.large.next_deadline()
    }

    fn end(core: Core<Self>, inbox: Inbox<Self>, commands: VecDeque<Queued<Command>>) {
        core.end(inbox, commands);
    }
}

impl Core<Leader> {
    /// Answers those whose secondary is forgotten for good, or never will be.
    fn answer_forgetting(&mut self, now: Instant) {
        let written = self.machine.get_ref().remembered_version();
        for (version, answer) in std::mem::take(&mut self.role.forgetting) {
            if version <= written {
                let _ = answer.send(Ok(self.machine.health(now)));
            } else if let Some(fault) = self.news.fault().filter(|fault| !fault.is_passing()) {
                let _ = answer.send(Err(ForgetError::DiskFault(fault.clone())));
            } else {
                self.role.forgetting.push((version, answer));
            }
        }
    }
}
