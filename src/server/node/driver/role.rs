//! The part of a core task that differs between the roles.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_protocol::{FaultHooks, Machine, SessionEnd};
use acklog_types::SessionId;

use super::{Core, Inbox};
use crate::server::node::commands::Queued;
use crate::server::node::protocol_log::LogRole;

/// The part of a core task that differs between the roles. Each function has the core at hand, with
/// the role in it.
pub(in crate::server::node) trait NodeRole: Sized {
    /// The state machine.
    type Machine: FaultHooks;
    /// A control request of HTTP, answered before any command.
    type Control;
    /// A command of HTTP, in order with the appends.
    type Command;
    /// A connection to a peer, or the reason why there is none.
    type Connection;
    /// The result of work on another thread.
    type Done;

    /// Whose log lines the machine's events become.
    const LOGS_AS: LogRole;

    /// Takes a connection that was accepted or dialed.
    fn connected(core: &mut Core<Self>, connection: Self::Connection);

    /// Adds to the reason why a connection ended.
    fn explain_end(&self, reason: SessionEnd) -> SessionEnd {
        reason
    }

    /// Takes the result of work on another thread.
    fn done(core: &mut Core<Self>, now: Instant, done: Self::Done);

    /// Answers a control request.
    fn control(core: &mut Core<Self>, now: Instant, request: Self::Control);

    /// Executes a command. Returns how much work that was, in the unit of [`ITERATION_WORK_MAX`].
    fn execute(core: &mut Core<Self>, now: Instant, command: Self::Command) -> usize;

    /// Executes deferred commands that are due. Called once per iteration, after the commands.
    fn take_deferred(_core: &mut Core<Self>, _now: Instant) {}

    /// Called when the appended records are on their way to the disk.
    fn flushed(_core: &mut Core<Self>) {}

    /// Passes further changes of the log to the machine.
    fn take_log_changes(_core: &mut Core<Self>, _now: Instant) {}

    /// Called when the log is whole again, after damage.
    fn log_is_whole(_core: &mut Core<Self>) {}

    /// Carries out an effect of this role.
    fn carry_out(core: &mut Core<Self>, effect: <Self::Machine as Machine>::Effect) -> CarriedOut;

    /// Forgets a session that is closed.
    fn session_closed(&mut self, _session: SessionId) {}

    /// Publishes the ends up to which reads may show the log.
    fn publish(core: &mut Core<Self>);

    /// Called when all effects of an iteration are carried out, or as many as one iteration carries
    /// out.
    fn effects_done(_core: &mut Core<Self>, _now: Instant) {}

    /// Returns when [`take_deferred`](Self::take_deferred) has something to do.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Returns whether [`take_deferred`](Self::take_deferred) has something to do at once.
    fn has_more(&self) -> bool {
        false
    }

    /// Ends the task.
    fn end(core: Core<Self>, inbox: Inbox<Self>, commands: VecDeque<Queued<Self::Command>>);
}

/// The result of carrying out an effect of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::node) enum CarriedOut {
    /// Nothing more to do.
    Done,
    /// A client was answered: an iteration answers a limited number.
    Released,
    /// The log was written to, and may have changed at once.
    Wrote,
}
