//! Disks of the nodes: how nodes start from them, and what the disks report.

use std::time::Duration;

use acklog_log::SimDisk;
use acklog_log::disk::{DiskOptions, Role, Sizes, accept_losses};
use acklog_protocol::{Input, LeaderInput, Machine};
use acklog_types::{
    Checksum, DiskChange, DiskFault, Fsync, LogEnd, LogId, NodeName, SessionId, Unreadable,
};
use rand::RngExt;

use super::Cluster;
use crate::event::ScheduledEvent;
use crate::node::{AnyNode, Found, MasterNode, NodeLog};

/// Pause before a node tries again what its disk could not do for the moment.
const DISK_RETRY: Duration = Duration::from_millis(200);

/// Sizes with which a few messages make several segments, and most reads go to files.
const SIZES: Sizes =
    Sizes { segment_bytes: 2000, recent_bytes: 500, chunk_bytes: 250, preallocate_bytes: 300 };

impl Cluster {
    /// Opens the log of a node (`None`: the master), on its disk if nodes have disks.
    pub(super) fn open_log(&mut self, name: Option<&NodeName>) -> (NodeLog, Found) {
        let seed = self.disk_rng.random();
        let (role, new_log, keys) = match name {
            None => {
                let log = LogId::new(self.rng.random());
                (Role::Master, log, self.options.idempotency_window)
            }
            Some(_) => (Role::Secondary, LogId::new(0), 0),
        };
        let (fsync, require_log, sizes) = (self.options.fsync, false, SIZES);
        let options = DiskOptions { role, fsync, new_log, keys, seed, require_log, sizes };
        self.put_damaged_file_back(name);
        let disk = self.disks.entry(name.cloned()).or_default();
        let (log, mut found) = NodeLog::open(self.options.on_disk.then_some((&*disk, options)));
        if name.is_none() {
            found.log.get_or_insert(new_log);
        }
        (log, found)
    }

    /// Kills the process that uses the disk of a node, or cuts the power.
    pub(super) fn crash_disk(&mut self, name: Option<&NodeName>) {
        if !self.options.on_disk {
            return;
        }
        let cut = self.disk_rng.random_bool(0.5) && self.options.fsync == Fsync::Always;
        if let Some(disk) = self.disks.get(&name.cloned()) {
            match cut {
                true => disk.crash(&mut self.disk_rng),
                false => disk.kill(),
            }
            // A new process may find space again.
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

    /// Kills the master, accepts its loss as `acklog log accept-loss` does, and starts it again.
    /// Returns whether there was a loss to accept.
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

    /// Kills a secondary and removes its disk, as `acklog log reset` does.
    pub fn wipe(&mut self, name: &NodeName) {
        self.crash(name);
        self.disks.remove(&Some(name.clone()));
        self.checker.started_empty(name);
    }

    /// Returns the disk of a node (`None`: the master), to let it fail.
    pub fn disk(&self, name: Option<&NodeName>) -> Option<&SimDisk> {
        self.disks.get(&name.cloned()).filter(|_| self.options.on_disk)
    }

    /// Returns whether the disk of a node (`None`: the master) failed, reported or not, so that the
    /// node has to be restarted.
    pub fn has_disk_fault(&self, name: Option<&NodeName>) -> bool {
        let log = self.node(name).map(AnyNode::log);
        let lasts = |fault: &DiskFault| matches!(fault, DiskFault::Failed { .. });
        log.is_some_and(|log| {
            log.fault.as_ref().is_some_and(lasts)
                || log.reader.disk_fault().is_some_and(|f| lasts(&f))
        })
    }

    /// Makes the appends of a node durable, at once or after a while.
    pub(super) fn sync(&mut self, name: Option<&NodeName>) {
        // A crash tears only what was written already.
        if self.options.on_disk && self.disk_rng.random_bool(0.5) {
            self.node_mut(name).into_iter().for_each(|node| node.log_mut().write());
        }
        let event = ScheduledEvent::Synced { secondary: name.cloned(), life: self.life(name) };
        self.write_down(name, event);
    }

    /// Passes an event to a node after the delay of its disk.
    pub(super) fn write_down(&mut self, name: Option<&NodeName>, event: ScheduledEvent) {
        let max = self.options.disk_delay_max.as_micros() as u64;
        if max == 0 {
            self.report_disk(name, event);
        } else {
            let delay = Duration::from_micros(self.rng.random_range(0..=max));
            self.schedule(delay, event);
        }
    }

    /// Compares the master's files with the log of a secondary. The result comes after the delay of
    /// the disk.
    pub(super) fn compare(&mut self, session: SessionId, end: LogEnd, told: Checksum) {
        self.note(&format!("master reads its files for connection {session}, up to {end}"));
        let Some(master) = &self.master else { return };
        let compared = master.log.reader.compare_below(end, told);
        let is_same = compared.map_err(|error| Unreadable::from(&error));
        let max = self.options.disk_delay_max.as_micros() as u64;
        let delay = Duration::from_micros(self.disk_rng.random_range(0..=max));
        let life = self.life(None);
        self.schedule(delay, ScheduledEvent::Compared { link: session.get(), is_same, life });
    }

    /// Reports to a node (`None`: the master) what its disk did.
    pub(super) fn report_disk(&mut self, name: Option<&NodeName>, event: ScheduledEvent) {
        let now = self.instant();
        let Some(node) = self.node_mut(name) else { return };
        let log = node.log_mut();
        let change = match event {
            ScheduledEvent::DiskBroke { .. } => {
                log.fault = Some(broken_disk());
                log.fault.clone().map(DiskChange::Fault)
            }
            ScheduledEvent::Remembered { .. }
                if log.fault.as_ref().is_some_and(|f| !f.is_passing()) =>
            {
                return;
            }
            // A later list may be persisted already, or wait for the disk.
            ScheduledEvent::Remembered { version, .. } if version <= log.members_version => None,
            ScheduledEvent::Remembered { version, names, losses, .. } => {
                log.members_version = version;
                log.writer.persist_members(version, names, losses);
                log.reader.is_on_disk().then(|| log.commit()).flatten()
            }
            _ => log.commit(),
        };
        let end = log.reader.durable_end();
        node.step(now, Input::Durable(end));
        if name.is_none() {
            self.report_members();
        }
        if let Some(change) = change {
            self.note_change(name, &change);
            let input = match change {
                DiskChange::Fault(fault) => Input::DiskFault(fault),
                DiskChange::Well => Input::DiskWell,
            };
            if let Some(node) = self.node_mut(name) {
                node.step(now, input);
            }
        }
        if let Some(node) = self.node_mut(name)
            && let Some(damage) = node.log_mut().damage_news()
        {
            node.step(now, Input::Damage(damage));
        }
        self.try_again(name);
    }

    /// Reports to the master which list of members is persisted.
    fn report_members(&mut self) {
        let now = self.instant();
        let Some(MasterNode { machine, log, .. }) = &mut self.master else { return };
        let version = log.reader.members_version();
        if version > machine.get_ref().remembered_version() {
            machine.step(now, LeaderInput::Remembered(version).into());
        }
        let shown = machine.health(now).log_end;
        assert_eq!(shown, log.reader.durable_end(), "the master shows another end than its log");
    }

    /// Lets a node try again what its disk could not do for the moment.
    fn try_again(&mut self, name: Option<&NodeName>) {
        let log = self.node(name).map(AnyNode::log);
        let tries =
            |log: &NodeLog| log.retries || log.fault.as_ref().is_some_and(DiskFault::is_passing);
        if log.is_some_and(tries) {
            let event = ScheduledEvent::Synced { secondary: name.cloned(), life: self.life(name) };
            self.schedule(DISK_RETRY, event);
        }
    }

    /// Notes a change of a simulated disk. For a node without one the line stands there already.
    fn note_change(&mut self, name: Option<&NodeName>, change: &DiskChange) {
        if self.options.on_disk {
            let shown = name.unwrap_or(&self.master_name).clone();
            let how = match change {
                DiskChange::Fault(fault) if fault.is_passing() => "takes nothing for the moment",
                DiskChange::Fault(_) => "failed",
                DiskChange::Well => "is well again",
            };
            self.note(&format!("{shown}'s disk {how}"));
        }
    }
}

fn broken_disk() -> DiskFault {
    DiskFault::Failed { detail: "a write failed: no space left".to_owned() }
}
