//! Nodes of a simulated cluster: a state machine with its log.

use std::collections::VecDeque;
use std::time::Instant;

use super::cluster::Event;
use crate::log::{LogReader, LogWriter, in_memory};
use crate::protocol::{Master, MasterOptions, Secondary, SecondaryOptions, SecondaryPhase};

/// A master with its log.
#[derive(Debug)]
pub struct MasterNode {
    pub(super) machine: Master<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) stalled: Stalled,
}

/// A secondary with its log.
#[derive(Debug)]
pub struct SecondaryNode {
    pub(super) machine: Secondary<LogReader>,
    pub(super) writer: LogWriter,
    pub(super) reader: LogReader,
    pub(super) stalled: Stalled,
}

/// What a hung node has not taken in yet. Its own timers stand still too.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    pub(super) is_paused: bool,
    pub(super) events: VecDeque<Event>,
}

impl MasterNode {
    pub(super) fn new(options: MasterOptions) -> Self {
        let (writer, reader) = in_memory();
        let machine = Master::new(options, reader.clone());
        Self { machine, writer, reader, stalled: Stalled::default() }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_paused)
    }

    /// The master's log.
    pub fn log(&self) -> &LogReader {
        &self.reader
    }
}

impl SecondaryNode {
    pub(super) fn new(now: Instant, options: SecondaryOptions) -> Self {
        let (writer, reader) = in_memory();
        let machine = Secondary::new(now, options, reader.clone());
        Self { machine, writer, reader, stalled: Stalled::default() }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.machine.next_deadline().filter(|_| !self.stalled.is_paused)
    }

    /// How far it is, as it says itself.
    pub fn phase(&self) -> SecondaryPhase {
        self.machine.health().phase
    }

    /// The secondary's log.
    pub fn log(&self) -> &LogReader {
        &self.reader
    }
}
