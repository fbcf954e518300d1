//! Nodes of a simulated cluster: a state machine with its log.

use std::collections::VecDeque;
use std::time::Instant;

use super::cluster::Event;
use crate::log::{LogReader, LogWriter, in_memory};
use crate::protocol::{
    Master, MasterHealth, MasterOptions, RestoredMaster, RestoredSecondary, Secondary,
    SecondaryHealth, SecondaryOptions, SecondaryPhase,
};
use crate::types::NodeName;

/// A master with its log.
#[derive(Debug)]
pub struct MasterNode {
    pub(super) machine: Master<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) stalled: Stalled,
    pub(super) disk_is_broken: bool,
}

/// A secondary with its log.
#[derive(Debug)]
pub struct SecondaryNode {
    /// The name that it tells its master.
    pub(super) registers_as: NodeName,
    pub(super) machine: Secondary<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) stalled: Stalled,
    pub(super) disk_is_broken: bool,
}

/// What a hung node has not taken in yet. Its own timers stand still too.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    pub(super) is_hung: bool,
    pub(super) events: VecDeque<Event>,
}

impl MasterNode {
    pub(super) fn new(now: Instant, options: MasterOptions) -> Self {
        let (writer, reader) = in_memory();
        let machine = Master::new(now, options, RestoredMaster::default(), reader.clone());
        Self { machine, writer, reader, stalled: Stalled::default(), disk_is_broken: false }
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
        &self.reader
    }
}

impl SecondaryNode {
    pub(super) fn new(now: Instant, options: SecondaryOptions) -> Self {
        let (writer, reader) = in_memory();
        let registers_as = options.name.clone();
        let restored = RestoredSecondary::default();
        let machine = Secondary::new(now, options, restored, reader.clone());
        Self {
            registers_as,
            machine,
            writer,
            reader,
            stalled: Stalled::default(),
            disk_is_broken: false,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_hung)
    }

    /// How far it is, as it says itself.
    pub fn phase(&self) -> SecondaryPhase {
        self.machine.health().phase
    }

    /// What it shows as its health.
    pub fn health(&self) -> SecondaryHealth {
        self.machine.health()
    }

    /// The secondary's log.
    pub fn log(&self) -> &LogReader {
        &self.reader
    }
}
