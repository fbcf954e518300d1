//! A node of a simulated cluster: a state machine with its log.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use acklog_log::SimDisk;
use acklog_log::disk::{Committer, DiskOptions, OpenError, Recovered, Scrubber, recover};
use acklog_log::{LogReader, LogWriter, Opened};
use acklog_protocol::{
    Detail, Effect, FaultHooks, Faulty, FollowerEffect, Input, LeaderEffect, LineView, Machine,
    Master, MasterOptions, RestoredMaster, RestoredSecondary, Secondary, SecondaryOptions,
    SecondaryPhase,
};
use acklog_types::{
    Damage, DiskChange, DiskFault, Faults, KeyHash, LogEnd, LogId, Losses, MessageId, NodeName,
    SessionId,
};

use super::event::ScheduledEvent;

/// A node: its state machine with its log.
#[derive(Debug)]
pub struct SimNode<M> {
    /// Name of the state machine. A secondary may register under the name of another node.
    pub(super) registers_as: NodeName,
    pub(super) machine: Faulty<M>,
    pub(super) log: NodeLog,
    pub(super) stalled: Stalled,
}

/// A master with its log.
pub type MasterNode = SimNode<Master<LogReader>>;

/// A secondary with its log.
pub type SecondaryNode = SimNode<Secondary<LogReader>>;

/// Log of a node, in memory or on a simulated disk.
#[derive(Debug)]
pub(super) struct NodeLog {
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    /// Group-commit writer and scrubber; none in memory.
    committer: Option<Committer>,
    scrubber: Option<Scrubber>,
    /// Version of the newest list of members that was handed to the log.
    pub(super) members_version: u64,
    /// Whether the scrubber wants to try again what fails for the moment.
    pub(super) retries: bool,
    /// Damage that was reported to the node.
    pub(super) damage: Option<Damage>,
    /// Fault of the disk that was reported to the node.
    pub(super) fault: Option<DiskFault>,
}

impl NodeLog {
    /// Opens the log on a disk, or an empty one in memory.
    ///
    /// # Panics
    /// When the log on the disk is damaged: nothing damages it here.
    pub(super) fn open(disk: Option<(&SimDisk, DiskOptions)>) -> (Self, Found) {
        let (committer, scrubber, opened) = match disk {
            None => (None, None, Opened::in_memory()),
            Some((disk, options)) => {
                let Recovered { committer, scrubber, opened, .. } = start_from(disk, options);
                (Some(committer), Some(scrubber), opened)
            }
        };
        let Opened { writer, reader, log, is_old, members, losses, keys } = opened;
        let (end, on_disk) = (reader.durable_end(), committer.is_some());
        let found = Found { log, end, is_old, members, losses, keys, on_disk };
        let (retries, damage, fault) = (false, None, None);
        let members_version = reader.members_version();
        let log =
            Self { writer, reader, committer, scrubber, members_version, retries, damage, fault };
        (log, found)
    }

    /// Writes the appended records, so that a crash may tear them. Does nothing in memory.
    pub(super) fn write(&mut self) {
        if let Some(committer) = &mut self.committer {
            self.writer.flush();
            committer.write();
        }
    }

    /// Makes the appended records durable, if the disk can. Returns the state of the disk if it
    /// changed.
    pub(super) fn commit(&mut self) -> Option<DiskChange> {
        if self.committer.is_none() && self.fault.is_some() {
            return None;
        }
        self.writer.flush();
        if let Some(committer) = &mut self.committer {
            committer.write();
            committer.sync();
        }
        if let Some(scrubber) = &mut self.scrubber {
            self.retries = scrubber.repair().is_some();
            scrubber.note_damage();
        }
        let is_damage = |fault: &DiskFault| matches!(fault, DiskFault::Damaged { .. });
        let fault = self.reader.disk_fault().filter(|fault| !is_damage(fault));
        let change = DiskChange::between(self.fault.as_ref(), fault.as_ref());
        if change.is_some() {
            self.fault = fault;
        }
        change
    }

    /// Returns the damage of the log if it changed.
    pub(super) fn damage_news(&mut self) -> Option<Option<Damage>> {
        let damage = self.reader.damage();
        (damage != self.damage).then(|| {
            self.damage.clone_from(&damage);
            damage
        })
    }

    /// Reads all old segments, as the scrubber does from time to time.
    pub(super) fn scrub(&mut self, segments: usize) {
        if let Some(scrubber) = &mut self.scrubber {
            for _ in 0..segments {
                scrubber.scrub_next();
            }
        }
    }
}

/// Recovers a log. If the disk fails meanwhile, heals the disk and tries once more, as an operator
/// would.
fn start_from(disk: &SimDisk, options: DiskOptions) -> Recovered {
    match recover(Arc::new(disk.mounted()), options) {
        Ok(recovered) => recovered,
        Err(OpenError::Unusable { .. }) => {
            disk.kill();
            disk.heal();
            let again = recover(Arc::new(disk.mounted()), options);
            again.unwrap_or_else(|error| panic!("the second start: {error}"))
        }
        Err(error) => panic!("{error}"),
    }
}

/// State with which a log was opened, for either role.
pub(super) struct Found {
    pub(super) log: Option<LogId>,
    pub(super) end: LogEnd,
    is_old: bool,
    pub(super) members: Vec<NodeName>,
    losses: Losses,
    keys: Vec<(KeyHash, MessageId)>,
    on_disk: bool,
}

/// Events that a hung or paused node has not taken in yet. The timers of a hung node stand still
/// too.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    pub(super) is_hung: bool,
    pub(super) events: VecDeque<ScheduledEvent>,
}

impl<M: FaultHooks> SimNode<M> {
    fn around(
        machine: M,
        registers_as: NodeName,
        now: Instant,
        faults: Faults,
        log: NodeLog,
    ) -> Self {
        let mut machine = Faulty::new(now, machine, faults);
        machine.events().set_detail(Detail::Heartbeats);
        Self { registers_as, machine, log, stalled: Stalled::default() }
    }

    /// Returns the health that the node reports.
    pub fn health(&self, now: Instant) -> M::Health {
        self.machine.health(now)
    }

    /// Returns the log of the node.
    pub fn log(&self) -> &LogReader {
        &self.log.reader
    }
}

impl MasterNode {
    pub(super) fn new(
        now: Instant,
        options: MasterOptions,
        faults: Faults,
        log: NodeLog,
        found: Found,
    ) -> Self {
        let name = options.name.clone();
        let Found { end, is_old, members, losses, keys, on_disk, .. } = found;
        let restored = RestoredMaster { end, members, keys, on_disk, is_old, losses };
        let machine = Master::new(now, options, restored, log.reader.clone());
        Self::around(machine, name, now, faults, log)
    }
}

impl SecondaryNode {
    pub(super) fn new(
        now: Instant,
        options: SecondaryOptions,
        faults: Faults,
        log: NodeLog,
        found: Found,
    ) -> Self {
        let name = options.name.clone();
        let Found { log: id, end, on_disk, .. } = found;
        let restored = RestoredSecondary { log: id, end, on_disk };
        let machine = Secondary::new(now, options, restored, log.reader.clone());
        Self::around(machine, name, now, faults, log)
    }

    /// Returns the phase that the node itself reports.
    pub fn phase(&self) -> SecondaryPhase {
        self.machine.get_ref().phase()
    }
}

/// An effect that nodes of one role only have.
#[derive(Debug)]
pub(super) enum RoleEffect {
    Leader(LeaderEffect),
    Follower(FollowerEffect),
}

impl From<LeaderEffect> for RoleEffect {
    fn from(effect: LeaderEffect) -> Self {
        Self::Leader(effect)
    }
}

impl From<FollowerEffect> for RoleEffect {
    fn from(effect: FollowerEffect) -> Self {
        Self::Follower(effect)
    }
}

/// A node of either role, so that the cluster treats both alike.
pub(super) trait AnyNode {
    fn log(&self) -> &NodeLog;
    fn log_mut(&mut self) -> &mut NodeLog;
    fn stalled(&mut self) -> &mut Stalled;
    fn faults(&self) -> Faults;
    fn set_faults(&mut self, now: Instant, faults: Faults);
    fn is_paused(&self) -> bool;
    fn disconnect(&mut self, now: Instant);
    /// Returns when its state machine has something to do; none while it hangs.
    fn next_deadline(&self) -> Option<Instant>;
    fn time_out(&mut self, now: Instant, look: &mut dyn FnMut(SessionId) -> LineView);
    /// Passes an input of both roles to its state machine.
    fn step(&mut self, now: Instant, input: Input<Infallible>);
    fn poll_effect(&mut self) -> Option<Effect<RoleEffect>>;
    fn poll_event(&mut self) -> Option<acklog_protocol::Event>;
}

impl<M: FaultHooks<Effect: Into<RoleEffect>>> AnyNode for SimNode<M> {
    fn log(&self) -> &NodeLog {
        &self.log
    }

    fn log_mut(&mut self) -> &mut NodeLog {
        &mut self.log
    }

    fn stalled(&mut self) -> &mut Stalled {
        &mut self.stalled
    }

    fn faults(&self) -> Faults {
        self.machine.faults()
    }

    fn set_faults(&mut self, now: Instant, faults: Faults) {
        self.machine.set_faults(now, faults);
    }

    fn is_paused(&self) -> bool {
        self.machine.is_paused()
    }

    fn disconnect(&mut self, now: Instant) {
        self.machine.disconnect(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_hung)
    }

    fn time_out(&mut self, now: Instant, look: &mut dyn FnMut(SessionId) -> LineView) {
        self.machine.look(now, look);
        self.machine.handle_timeout(now);
        let (later, name) = (self.next_deadline(), &self.registers_as);
        assert!(later.is_none_or(|at| at > now), "{name}'s deadline stays in the past");
    }

    fn step(&mut self, now: Instant, input: Input<Infallible>) {
        let input = match input {
            Input::Frame { session, frame } => Input::Frame { session, frame },
            Input::Heard(session) => Input::Heard(session),
            Input::Read { session, found } => Input::Read { session, found },
            Input::SessionDown { session, reason } => Input::SessionDown { session, reason },
            Input::Durable(end) => Input::Durable(end),
            Input::DiskFault(fault) => Input::DiskFault(fault),
            Input::DiskWell => Input::DiskWell,
            Input::Damage(damage) => Input::Damage(damage),
            Input::Shutdown => Input::Shutdown,
            Input::Role(never) => match never {},
        };
        self.machine.step(now, input);
    }

    fn poll_effect(&mut self) -> Option<Effect<RoleEffect>> {
        Some(match self.machine.poll_effect()? {
            Effect::Send { session, frame } => Effect::Send { session, frame },
            Effect::Read { session, order } => Effect::Read { session, order },
            Effect::Mend { peer, run } => Effect::Mend { peer, run },
            Effect::Close { session, reason } => Effect::Close { session, reason },
            Effect::Role(effect) => Effect::Role(effect.into()),
        })
    }

    fn poll_event(&mut self) -> Option<acklog_protocol::Event> {
        self.machine.poll_event()
    }
}
