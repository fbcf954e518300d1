//! Watches a node's log for changes that its state machine must know.

use std::time::Duration;

use acklog_log::LogReader;
use acklog_types::{Damage, DiskChange, DiskFault, LogEnd};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Interval between two checks whether the disk answers.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Checks after which a read, write or sync that is still in progress has not been answered for
/// more than 5 s: the disk hangs. Fewer: a busy disk counts as one that hangs. More: the cluster
/// waits longer for a node that cannot store anything. Checks are counted rather than time, so that
/// a node that was stalled itself does not blame its disk.
const STALLED_AFTER_CHECKS: u32 = 6;

/// The state of a log as its machine knows it.
#[derive(Debug)]
pub(super) struct LogWatch {
    reader: LogReader,
    end: LogEnd,
    /// The fault that was reported last: a failure may follow damage.
    fault: Option<DiskFault>,
    /// The damage that was reported last.
    damage: Option<Damage>,
    /// The timer of the disk checks; none in memory.
    check: Option<Interval>,
    /// The oldest call in progress at the last check, and how many checks have seen it.
    under_way: Option<(u64, u32)>,
}

/// Changes of the log, to be passed to the machine in this order.
#[derive(Debug)]
pub(super) struct LogChanges {
    /// The new durable end.
    pub(super) durable: Option<LogEnd>,
    /// The new state of the disk.
    pub(super) disk: Option<DiskChange>,
    /// The new damage of the log; none inside: it is whole again.
    pub(super) damage: Option<Option<Damage>>,
}

impl LogWatch {
    /// Creates a watch on a log of whose present state the machine knows.
    pub(super) fn new(reader: LogReader) -> Self {
        let check = reader.is_on_disk().then(|| {
            let mut check = interval(CHECK_EVERY);
            // After a pause of the whole process, one check proves nothing.
            check.set_missed_tick_behavior(MissedTickBehavior::Delay);
            check
        });
        Self {
            end: reader.durable_end(),
            reader,
            fault: None,
            damage: None,
            check,
            under_way: None,
        }
    }

    /// Waits until the log may have changed. Cancel safe.
    pub(super) async fn changed(&mut self) {
        let Some(check) = &mut self.check else { return self.reader.changed().await };
        tokio::select! {
            () = self.reader.changed() => {}
            _ = check.tick() => self.check_calls(),
        }
    }

    fn check_calls(&mut self) {
        let oldest = self.reader.oldest_disk_call();
        self.under_way = oldest.map(|(call, _)| match self.under_way {
            Some((before, checks)) if before == call => (call, checks + 1),
            _ => (call, 1),
        });
    }

    /// Returns the fault of a disk that hangs.
    fn stalled(&self) -> Option<DiskFault> {
        let (call, _) = self.under_way.filter(|(_, checks)| *checks >= STALLED_AFTER_CHECKS)?;
        let (oldest, what) = self.reader.oldest_disk_call()?;
        let detail = format!("the disk has not answered for more than 5 s: cannot {what}");
        (oldest == call).then_some(DiskFault::Stalled { detail })
    }

    /// Returns the changes since the last call.
    pub(super) fn changes(&mut self) -> LogChanges {
        // Damage is reported apart: beside it the log accepts messages.
        let is_other = |fault: &DiskFault| !matches!(fault, DiskFault::Damaged { .. });
        let fault = || self.reader.disk_fault().filter(is_other).or_else(|| self.stalled());
        let (fault, end) = fault_then_end(fault, || self.reader.durable_end());
        let durable = (end > self.end).then_some(end);
        self.end = end;
        let disk = DiskChange::between(self.fault.as_ref(), fault.as_ref());
        if disk.is_some() {
            self.fault = fault;
        }
        let damage = self.reader.damage();
        let damage = (damage != self.damage).then(|| {
            self.damage.clone_from(&damage);
            damage
        });
        LogChanges { durable, disk, damage }
    }

    /// Returns the disk's fault, as last reported.
    pub(super) fn fault(&self) -> Option<&DiskFault> {
        self.fault.as_ref()
    }
}

/// Reads the fault first: what became durable before it is seen with it, and reported before it.
fn fault_then_end(
    fault: impl FnOnce() -> Option<DiskFault>,
    end: impl FnOnce() -> LogEnd,
) -> (Option<DiskFault>, LogEnd) {
    let fault = fault();
    (fault, end())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::thread::yield_now;

    use acklog_log::disk::DiskOptions;
    use acklog_log::{Background, FreezingDisk, Opened, open_on};
    use acklog_types::Batch;
    use tokio::time::{Instant, timeout};

    use super::*;

    fn frozen_log() -> (FreezingDisk, Opened, Background) {
        let disk = FreezingDisk::default();
        let (mut opened, background) = open_on(disk.clone(), DiskOptions::OF_TESTS).unwrap();
        disk.freeze(true);
        opened.writer.append(1, None, &Batch::from("Msg1"));
        opened.writer.flush();
        // The write before the sync is answered; the sync is not.
        let syncs = |(_, what): (_, String)| what.starts_with("sync");
        while !opened.reader.oldest_disk_call().is_some_and(syncs) {
            yield_now();
        }
        (disk, opened, background)
    }

    async fn next_change(watch: &mut LogWatch) -> DiskChange {
        loop {
            watch.changed().await;
            if let Some(change) = watch.changes().disk {
                return change;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_answer_is_told_and_so_is_that_it_does_again() {
        let (disk, opened, background) = frozen_log();
        let mut watch = LogWatch::new(opened.reader.clone());
        let begun = Instant::now();
        let DiskChange::Fault(fault) = next_change(&mut watch).await else { panic!("well") };
        let waited = begun.elapsed();
        assert!((5..=7).contains(&waited.as_secs()), "told after {waited:?}");
        assert!(matches!(fault, DiskFault::Stalled { .. }) && fault.is_passing());
        assert!(fault.to_string().contains("cannot sync 00000000000000000000.log"), "{fault}");
        assert_eq!(watch.fault(), Some(&fault));
        // It is reported once.
        assert!(timeout(Duration::from_secs(60), next_change(&mut watch)).await.is_err());
        disk.freeze(false);
        assert_eq!(next_change(&mut watch).await, DiskChange::Well);
        while opened.reader.durable_end() < LogEnd::new(1) {
            yield_now();
        }
        background.close();
    }

    #[test]
    fn what_becomes_durable_before_a_fault_is_seen_with_it() {
        let failed = DiskFault::Failed { detail: "no space".to_owned() };
        // Whichever is read first, between the two reads message 0 becomes durable and the disk
        // fails.
        let looks = Cell::new(0);
        let is_later = || looks.replace(looks.get() + 1) > 0;
        let fault = || is_later().then(|| failed.clone());
        let end = || LogEnd::new(u64::from(is_later()));
        let (fault, end) = fault_then_end(fault, end);
        assert!(
            fault.is_none() || end == LogEnd::new(1),
            "the fault is seen, and not what it follows"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stood_still_does_not_blame_its_disk() {
        let (disk, opened, background) = frozen_log();
        let mut watch = LogWatch::new(opened.reader.clone());
        watch.changed().await;
        // All of its own time passes at once, as after a SIGSTOP.
        tokio::time::advance(Duration::from_secs(60)).await;
        watch.changed().await;
        assert_eq!(watch.changes().disk, None);
        disk.freeze(false);
        background.close();
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_does_not_hold_up_the_end() {
        let (disk, _opened, background) = frozen_log();
        assert!(timeout(Duration::from_secs(1), background.end()).await.is_err());
        disk.freeze(false);
    }
}
