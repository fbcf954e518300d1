//! The nodes' disks: how nodes start from them, and what they tell.

use super::*;
use crate::log::disk::{DiskOptions, Role, Sizes, accept_losses};
use crate::sim::SimDisk;
use crate::sim::node::{Found, NodeLog};
use crate::types::{DiskFault, Fsync};

/// Sizes with which a few messages make several segments, and most reads go to files.
const SIZES: Sizes =
    Sizes { segment_bytes: 2000, recent_bytes: 500, chunk_bytes: 250, ahead_bytes: 300 };

impl Cluster {
    /// Opens a node's log (none: the master's), on its disk if nodes have disks.
    pub(super) fn open_log(&mut self, name: Option<&NodeName>) -> (NodeLog, Found) {
        let seed = self.disk_rng.random();
        let (role, new_log, keys) = match name {
            None => {
                let log = LogId::new(self.rng.random());
                (Role::Master, log, self.options.idempotency_window)
            }
            Some(_) => (Role::Secondary, LogId::new(0), 0),
        };
        let options = DiskOptions { role, fsync: Fsync::Always, new_log, keys, seed, sizes: SIZES };
        let disk = self.disks.entry(name.cloned()).or_default();
        let (log, mut found) = NodeLog::open(self.options.on_disk.then_some((&*disk, options)));
        if name.is_none() {
            found.log.get_or_insert(new_log);
        }
        (log, found)
    }

    /// Kills the process that has a node's disk, or cuts the power.
    pub(super) fn crash_disk(&mut self, name: Option<&NodeName>) {
        if !self.options.on_disk {
            return;
        }
        let cut = self.disk_rng.random_bool(0.5);
        if let Some(disk) = self.disks.get(&name.cloned()) {
            match cut {
                true => disk.crash(&mut self.disk_rng),
                false => disk.kill(),
            }
            // A new process may find room again.
            disk.heal();
        }
    }

    /// Kills the master and starts it again, from its disk if it has one.
    pub fn restart_master(&mut self) {
        self.note("master crashes");
        self.crash_disk(None);
        self.boot_master();
    }

    /// Keeps a copy of the master's disk as it is now.
    pub fn copy_master(&mut self) {
        self.copy = self.disk(None).map(SimDisk::snapshot);
    }

    /// Kills the master and starts it again from the copy of its disk, if there is one.
    pub fn put_master_back(&mut self) {
        let Some(copy) = self.copy.as_ref().map(SimDisk::snapshot) else { return };
        self.note("master is put back from the copy");
        self.crash_disk(None);
        self.disks.insert(None, copy);
        let name = self.master_name.clone();
        self.checker.put_back(&name);
        self.boot_master();
    }

    /// Kills the master, accepts its loss as `acklog log accept-loss` does, and starts it again. Returns whether there
    /// was a loss to accept.
    ///
    /// # Panics
    /// When the disk fails meanwhile.
    pub fn accept_loss(&mut self) -> bool {
        self.note("master crashes, and its loss is accepted");
        self.crash_disk(None);
        let accepted = self.disk(None).map(|disk| accept_losses(&disk.mounted()).expect("a disk"));
        self.boot_master();
        accepted.flatten().is_some()
    }

    /// Kills a secondary and takes its disk away: `acklog log reset`.
    pub fn wipe(&mut self, name: &NodeName) {
        self.crash(name);
        self.disks.remove(&Some(name.clone()));
        self.checker.started_empty(name);
    }

    /// A node's disk (none: the master's), to let it fail.
    pub fn disk(&self, name: Option<&NodeName>) -> Option<&SimDisk> {
        self.disks.get(&name.cloned()).filter(|_| self.options.on_disk)
    }

    /// Whether the disk of a node (none: the master) failed, told or not, so that it has to be started again.
    pub fn has_disk_fault(&self, name: Option<&NodeName>) -> bool {
        let log = match name {
            None => self.master.as_ref().map(|node| &node.log),
            Some(name) => self.secondaries.get(name).map(|node| &node.log),
        };
        log.is_some_and(|log| log.fault.is_some() || log.reader.disk_fault().is_some())
    }

    /// Makes a node's appends durable, at once or after a while.
    pub(super) fn sync(&mut self, name: Option<&NodeName>) {
        // A crash tears only what was written already.
        if self.options.on_disk && self.disk_rng.random_bool(0.5) {
            match name {
                None => self.master.iter_mut().for_each(|node| node.log.write()),
                Some(name) => {
                    self.secondaries.get_mut(name).into_iter().for_each(|node| node.log.write());
                }
            }
        }
        let event = Event::Synced { secondary: name.cloned(), life: self.life(name) };
        self.write_down(name, event);
    }

    /// Lets something happen to a node as soon as its disk got to it.
    pub(super) fn write_down(&mut self, name: Option<&NodeName>, event: Event) {
        let max = self.options.disk_delay_max.as_micros() as u64;
        if max == 0 {
            match name {
                None => self.tell_master_of_disk(event),
                Some(name) => self.tell_secondary_of_disk(name, &event),
            }
        } else {
            let delay = Duration::from_micros(self.rng.random_range(0..=max));
            self.schedule(delay, event);
        }
    }

    pub(super) fn tell_master_of_disk(&mut self, event: Event) {
        let now = self.instant();
        let Some(MasterNode { machine, log, .. }) = &mut self.master else { return };
        let mut fault = None;
        match event {
            Event::DiskBroke { .. } => {
                fault = Some(broken_disk());
                log.fault = fault.clone();
            }
            Event::Remembered { .. } if log.fault.is_some() => return,
            Event::Remembered { version, names, losses, .. } => {
                // A later list may be written already.
                if version > log.reader.remembered() {
                    log.writer.remember(version, names, losses);
                    if log.reader.is_on_disk() {
                        fault = log.commit();
                    }
                }
            }
            _ => fault = log.commit(),
        }
        machine.step(now, Input::Durable(log.reader.durable_end()));
        if log.reader.remembered() > machine.remembered_version() {
            machine.step(now, Input::Remembered(log.reader.remembered()));
        }
        let shown = machine.health(now).log_end;
        assert_eq!(shown, log.reader.durable_end(), "the master was told, and shows another end");
        if let Some(fault) = fault {
            machine.step(now, Input::DiskFault(fault));
            self.note_fault(None);
        }
    }

    pub(super) fn tell_secondary_of_disk(&mut self, name: &NodeName, event: &Event) {
        let now = self.instant();
        let Some(node) = self.secondaries.get_mut(name) else { return };
        let fault = match event {
            Event::DiskBroke { .. } => {
                node.log.fault = Some(broken_disk());
                node.log.fault.clone()
            }
            _ => node.log.commit(),
        };
        let end = node.log.reader.durable_end();
        node.machine.step(now, SecondaryInput::Durable(end));
        if let Some(fault) = fault {
            node.machine.step(now, SecondaryInput::DiskFault(fault));
            self.note_fault(Some(name));
        }
    }

    /// One without a simulated disk was told to fail by a line of its own.
    fn note_fault(&mut self, name: Option<&NodeName>) {
        if self.options.on_disk {
            let shown = name.unwrap_or(&self.master_name).clone();
            self.note(&format!("{shown}'s disk failed"));
        }
    }
}

fn broken_disk() -> DiskFault {
    DiskFault::Failed { detail: "a write failed: no space left".to_owned() }
}
