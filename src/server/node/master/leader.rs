//! The master's role in its core task.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_log::LogReader;
use acklog_protocol::{ForgetError, Input, LeaderEffect, LeaderInput, Machine, Master};
use acklog_types::SessionId;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::comparisons::{Compared, Comparisons};
use super::large_appends::{LargeAppend, LargeAppends};
use super::stalled_lines::StalledLines;
use crate::server::node::commands::{Forgotten, LeaderCommand, LeaderControl, Queued};
use crate::server::node::completions::{Completions, Mailboxes, Released};
use crate::server::node::driver::{CarriedOut, Core, Inbox, NodeRole};
use crate::server::node::now;
use crate::server::node::peer_place::PeerPlace;
use crate::server::node::protocol_log::LogRole;
use crate::server::node::read_positions::KnownEnds;

/// The master's role in its core task.
pub(super) struct LeaderDriver {
    pub(super) completions: Completions,
    pub(super) comparisons: Comparisons,
    pub(super) large: LargeAppends,
    pub(super) stalled: StalledLines,
    /// The time at which the messages of this iteration were accepted, in milliseconds since 1970;
    /// none before the first.
    pub(super) accepted_ms: Option<u64>,
    /// Requests to forget a secondary, answered when the membership of that version is persisted.
    forgetting: Vec<(u64, Forgotten)>,
    /// Requests to stop, answered when no client is pending any more.
    stopping: Vec<oneshot::Sender<()>>,
}

impl LeaderDriver {
    /// Creates the role of a master whose clients get their outcomes through these mailboxes.
    pub(super) fn new(mailboxes: Mailboxes, comparisons: Comparisons) -> Self {
        Self {
            completions: Completions::new(mailboxes),
            comparisons,
            large: LargeAppends::new(now()),
            stalled: StalledLines::default(),
            accepted_ms: None,
            forgetting: Vec::new(),
            stopping: Vec::new(),
        }
    }
}

impl NodeRole for LeaderDriver {
    type Machine = Master<LogReader>;
    type Control = LeaderControl;
    type Command = LeaderCommand;
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

    fn control(core: &mut Core<Self>, now: Instant, request: LeaderControl) {
        match request {
            LeaderControl::Health(answer) => {
                let _ = answer.send(core.machine.health(now));
            }
            LeaderControl::Copies(end, answer) => {
                let _ = answer.send(core.machine.get_ref().copies(end));
            }
            LeaderControl::Peers(answer) => {
                let peers = core.machine.get_ref().peer_facts().map(PeerPlace::from);
                let _ = answer.send(peers.collect());
            }
            LeaderControl::Forget(name, answer) => match core.machine.get_mut().forget(&name) {
                Ok(version) => core.role.forgetting.push((version, answer)),
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
        }
    }

    fn execute(core: &mut Core<Self>, now: Instant, command: LeaderCommand) -> usize {
        match command {
            LeaderCommand::Append { waiter, append } => {
                return core.take_append(now, waiter, append);
            }
            LeaderCommand::AppendLines(batch) => return core.take_lines(now, batch),
            LeaderCommand::CancelLines { first, count } => {
                core.role.large.cancel_lines(first, count);
                core.role.stalled.cancel(first, count);
                core.machine.step(now, LeaderInput::CancelSeries { first, count }.into());
            }
            LeaderCommand::Wait { waiter, id, wait } => core.join(now, waiter, id, wait),
            LeaderCommand::Cancel(waiter) => {
                if !core.role.large.cancel(waiter) {
                    core.machine.step(now, LeaderInput::Cancel(waiter).into());
                }
            }
            LeaderCommand::Shutdown(answer) => {
                core.machine.step(now, Input::Shutdown);
                core.refuse_deferred(now);
                core.role.stopping.push(answer);
            }
            LeaderCommand::GiveUp(answer) => {
                // What is durable by now is reported as such.
                core.take_log_changes(now);
                core.give_up(now);
                core.role.stopping.push(answer);
            }
        }
        0
    }

    fn take_deferred(core: &mut Core<Self>, now: Instant) {
        if let Some(due) = core.role.large.pop_due(now) {
            let is_taken = match due {
                LargeAppend::Single(waiter, append) => {
                    core.append(now, waiter, append);
                    true
                }
                LargeAppend::Lines(batch) => core.take_large_line(now, batch),
            };
            if is_taken {
                core.role.large.note_taken(now, core.writer.end());
            }
        }
        core.take_stalled(now);
    }

    fn flushed(core: &mut Core<Self>) {
        core.sessions.note_append();
    }

    fn take_log_changes(core: &mut Core<Self>, now: Instant) {
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
            LeaderEffect::Release { waiter, count, outcome } => {
                core.role.completions.push(Released { waiter, count, outcome });
                CarriedOut::Released
            }
            LeaderEffect::Compare { session, end, told } => {
                core.role.comparisons.begin_log(core.reader.clone(), session, end, told);
                CarriedOut::Done
            }
            LeaderEffect::Remember { version, names, losses } => {
                core.writer.persist_members(version, names, losses);
                CarriedOut::Wrote
            }
        }
    }

    fn session_closed(&mut self, session: SessionId) {
        self.comparisons.forget_log(session);
    }

    fn publish(core: &mut Core<Self>) {
        let machine = core.machine.get_ref();
        let known = KnownEnds {
            log: Some(machine.log_id()),
            majority: machine.committed_end().unwrap_or_default(),
            all: machine.all_end(),
            log_end: core.reader.durable_end(),
            cluster_size: Some(machine.cluster_size()),
        };
        core.positions.publish(known, |nodes| machine.held_end(nodes.into()));
    }

    fn effects_done(core: &mut Core<Self>, now: Instant) {
        core.role.accepted_ms = None;
        core.role.completions.flush();
        if !core.role.forgetting.is_empty() {
            core.answer_forgetting(now);
        }
        let is_deferred = !core.role.large.is_empty() || !core.role.stalled.is_empty();
        let is_waited_for = is_deferred || core.machine.get_ref().has_waiters();
        if !core.role.stopping.is_empty() && !is_waited_for {
            for answer in core.role.stopping.drain(..) {
                let _ = answer.send(());
            }
        }
        core.note_room();
        core.role.large.note_durable(crate::server::node::now(), core.reader.durable_end());
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.large.next_deadline()
    }

    fn has_more(&self) -> bool {
        self.stalled.is_due()
    }

    fn end(core: Core<Self>, inbox: Inbox<Self>, commands: VecDeque<Queued<LeaderCommand>>) {
        core.end(inbox, commands);
    }
}

impl Core<LeaderDriver> {
    /// Answers the requests whose secondary is forgotten for good, or never will be.
    fn answer_forgetting(&mut self, now: Instant) {
        let written = self.machine.get_ref().remembered_version();
        for (version, answer) in std::mem::take(&mut self.role.forgetting) {
            if version <= written {
                let _ = answer.send(Ok(self.machine.health(now)));
            } else if let Some(fault) = self.log_watch.fault().filter(|fault| !fault.is_passing()) {
                let _ = answer.send(Err(ForgetError::DiskFault(fault.clone())));
            } else {
                self.role.forgetting.push((version, answer));
            }
        }
    }
}
