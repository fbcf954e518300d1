//! Nodes of a simulated cluster: a state machine with its log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use acklog_log::SimDisk;
use acklog_log::disk::{Committer, DiskOptions, OpenError, Recovered, Scrubber, recover};
use acklog_log::{LogReader, LogWriter, Opened};
use acklog_protocol::{
    Faulty, Machine, Master, MasterHealth, MasterOptions, RestoredMaster, RestoredSecondary,
    Secondary, SecondaryHealth, SecondaryOptions, SecondaryPhase,
};
use acklog_types::{
    Damage, DiskChange, DiskFault, Faults, KeyHash, LogEnd, LogId, Losses, MessageId, NodeName,
};

use super::cluster::Event;

/// A master with its log.
#[derive(Debug)]
pub struct MasterNode {
    pub(super) machine: Faulty<Master<LogReader>>,
    pub(super) log: NodeLog,
    pub(super) stalled: Stalled,
}

/// A secondary with its log.
#[derive(Debug)]
pub struct SecondaryNode {
    /// The name that it tells its master.
    pub(super) registers_as: NodeName,
    pub(super) machine: Faulty<Secondary<LogReader>>,
    pub(super) log: NodeLog,
    pub(super) stalled: Stalled,
}

/// A node's log, in memory or on a simulated disk.
#[derive(Debug)]
pub(super) struct NodeLog {
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    /// What puts it on the disk, and what repairs it there; none in memory.
    committer: Option<Committer>,
    scrubber: Option<Scrubber>,
    /// Whether the scrubber wants to try again what passes.
    pub(super) retries: bool,
    /// The damage that the node was told of.
    pub(super) damage: Option<Damage>,
    /// The disk's fault, where there is one that the node was told.
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
        (Self { writer, reader, committer, scrubber, retries, damage, fault }, found)
    }

    /// Writes what was appended, so that a crash may tear it. In memory there is nothing to write.
    pub(super) fn write(&mut self) {
        if let Some(committer) = &mut self.committer {
            self.writer.flush();
            committer.write();
        }
    }

    /// Makes durable what was appended, if the disk can. Returns how the disk is, if that is news.
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

    /// What of the log is damaged, where that is news.
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

/// Recovers a log. A start that meets a failing disk is tried again, as a person would, once the disk is well.
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

/// What a log was opened with, for either kind of node.
pub(super) struct Found {
    pub(super) log: Option<LogId>,
    pub(super) end: LogEnd,
    is_old: bool,
    pub(super) members: Vec<NodeName>,
    losses: Losses,
    keys: Vec<(KeyHash, MessageId)>,
    on_disk: bool,
}

/// What a hung node has not taken in yet. Its own timers stand still too.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    pub(super) is_hung: bool,
    pub(super) events: VecDeque<Event>,
}

impl MasterNode {
    pub(super) fn new(
        now: Instant,
        options: MasterOptions,
        faults: Faults,
        log: NodeLog,
        found: Found,
    ) -> Self {
        let Found { end, is_old, members, losses, keys, on_disk, .. } = found;
        let restored = RestoredMaster { end, members, keys, on_disk, is_old, losses };
        let machine = Master::new(now, options, restored, log.reader.clone());
        let machine = Faulty::new(now, machine, faults);
        Self { machine, log, stalled: Stalled::default() }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_hung)
    }

    /// What it shows as its health.
    pub fn health(&self, now: Instant) -> MasterHealth {
        self.machine.health(now)
    }

    /// The master's log.
    pub fn log(&self) -> &LogReader {
        &self.log.reader
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
        let registers_as = options.name.clone();
        let Found { log: id, end, on_disk, .. } = found;
        let restored = RestoredSecondary { log: id, end, on_disk };
        let machine = Secondary::new(now, options, restored, log.reader.clone());
        let machine = Faulty::new(now, machine, faults);
        Self { registers_as, machine, log, stalled: Stalled::default() }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_hung)
    }

    /// How far it is, as it says itself.
    pub fn phase(&self) -> SecondaryPhase {
        self.machine.get_ref().phase()
    }

    /// What it shows as its health.
    pub fn health(&self, now: Instant) -> SecondaryHealth {
        self.machine.health(now)
    }

    /// The secondary's log.
    pub fn log(&self) -> &LogReader {
        &self.log.reader
    }
}
