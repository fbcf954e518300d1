//! Disks that return other bytes than were written.

use acklog_log::SimDisk;
use acklog_log::storage::Storage;
use acklog_types::NodeName;
use rand::RngExt;

use super::Cluster;
use crate::node::SecondaryNode;

/// A bit of a node's disk that was flipped.
#[derive(Debug)]
pub(super) struct Flipped {
    /// The node (`None`: the master).
    node: Option<NodeName>,
    file: String,
    bit: u64,
    /// Header of the file as it is now, which no other file has.
    header: Vec<u8>,
}

/// Bytes of a file's header.
const HEADER_BYTES: usize = 64;

impl Cluster {
    /// Flips a bit in an old segment of a node (`None`: the master), and lets the node read its old
    /// segments. Damages one node at a time, so that another one has what is damaged. Returns
    /// whether there was something to damage.
    pub fn damage(&mut self, name: Option<&NodeName>) -> bool {
        // A read that fails for the moment can keep a node from finding the damage before.
        if self.is_damaged() || self.flipped.as_ref().is_some_and(|flipped| self.is_there(flipped))
        {
            return false;
        }
        let Some(disk) = self.disk(name).cloned() else { return false };
        let mut files = segments(&disk);
        // The last one is being written.
        files.pop();
        if files.is_empty() || self.node(name).is_none() {
            return false;
        }
        let file = files.swap_remove(self.disk_rng.random_range(0..files.len()));
        let bit = self.disk_rng.random_range(0..disk.bytes(&file).len() as u64 * 8);
        disk.flip_bit(&file, bit);
        let header = disk.bytes(&file).into_iter().take(HEADER_BYTES).collect();
        let shown = name.unwrap_or(&self.master_name);
        self.note(&format!("{shown}'s disk damages {file}"));
        self.flipped = Some(Flipped { node: name.cloned(), file, bit, header });
        self.checker.let_reads_fail();
        self.scrub(name);
        true
    }

    /// Lets a node (`None`: the master) read its old segments. What it finds is reported to it.
    pub fn scrub(&mut self, name: Option<&NodeName>) {
        let Some(segments) = self.disk(name).map(|disk| segments(disk).len()) else { return };
        self.node_mut(name).into_iter().for_each(|node| node.log_mut().scrub(segments));
        self.sync(name);
    }

    /// Returns whether a node that runs has damage that is not repaired.
    pub fn is_damaged(&self) -> bool {
        let logs = self.secondaries.values().map(|node| &node.log);
        let mut logs = logs.chain(self.master.iter().map(|node| &node.log));
        logs.any(|log| log.reader.damage().is_some())
    }

    /// Returns whether something of the master's log is damaged that it cannot get: no secondary
    /// that runs has it, or only one that it cannot admit, since the records to compare are
    /// damaged.
    pub fn is_only_copy_damaged(&self) -> bool {
        let Some(master) = &self.master else { return false };
        let Some(damage) = master.log.reader.damage() else { return false };
        let log = Some(master.machine.get_ref().log_id());
        let has_it = |node: &SecondaryNode| {
            let end = node.log.reader.durable_end();
            let is_comparable = || master.log.reader.running_checksum(end).is_ok();
            node.machine.get_ref().log_id() == log && end >= damage.until && is_comparable()
        };
        !self.secondaries.values().any(has_it)
    }

    /// Undoes damage that was not repaired, as an operator does from a copy: a node would refuse to
    /// start with it.
    pub(super) fn put_damaged_file_back(&mut self, name: Option<&NodeName>) {
        let Some(flipped) = self.flipped.take_if(|flipped| flipped.node.as_ref() == name) else {
            return;
        };
        if self.is_there(&flipped)
            && let Some(disk) = self.disk(name)
        {
            disk.flip_bit(&flipped.file, flipped.bit);
        }
    }

    /// Returns whether the file with the flipped bit was neither repaired nor removed.
    fn is_there(&self, flipped: &Flipped) -> bool {
        self.disk(flipped.node.as_ref()).is_some_and(|disk| {
            segments(disk).contains(&flipped.file)
                && disk.bytes(&flipped.file).starts_with(&flipped.header)
        })
    }
}

/// Returns the names of a disk's segment files, in order.
fn segments(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list().unwrap_or_default();
    names.retain(|name| name.ends_with(".log"));
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_types::WriteConcern;

    use super::*;
    use crate::ClusterOptions;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_disk_damages_is_repaired_from_another_node_and_messages_are_taken_all_the_while() {
        for seed in 0..20 {
            let options = ClusterOptions { seed, on_disk: true, ..ClusterOptions::default() };
            let mut cluster = Cluster::new(options);
            let names = ["bonnie", "clyde"].map(name);
            names.iter().for_each(|name| cluster.start_secondary(name));
            cluster.run_for(Duration::from_secs(2));
            let long = "x".repeat(200);
            let append = |cluster: &mut Cluster| {
                let appended = cluster.append(&long, Some(WriteConcern::Nodes(2)), None);
                appended.unwrap_or_else(|refusal| panic!("seed {seed}: {refusal}"));
                cluster.run_for(Duration::from_millis(30));
            };
            (0..60).for_each(|_| append(&mut cluster));
            for node in [None, Some(&names[0]), Some(&names[1]), None] {
                assert!(cluster.damage(node), "seed {seed}");
                assert!(cluster.is_damaged(), "seed {seed}: it is found");
                (0..20).for_each(|_| append(&mut cluster));
                let is_whole = |cluster: &Cluster| !cluster.is_damaged();
                let repaired = cluster.run_until(Duration::from_secs(30), is_whole);
                assert!(repaired, "seed {seed}\n{}", cluster.summary());
            }
            // What was repaired is on the disk.
            cluster.restart_master();
            names.iter().for_each(|name| cluster.start_secondary(name));
            let converged = cluster.run_until(Duration::from_secs(30), Cluster::has_converged);
            assert!(converged, "seed {seed}\n{}", cluster.summary());
        }
    }
}
