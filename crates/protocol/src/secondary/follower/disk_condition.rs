//! The condition of a log's disk: whether it takes messages, and which of them are damaged.

use std::time::Instant;

use acklog_types::{Damage, DiskFault, IdRange, LogEnd, Records};
use rand_chacha::ChaCha8Rng;

use crate::events::{Detail, Events, NodeEvent};
use crate::repair::{self, Repair};
use crate::status::DiskHealth;

/// Whether messages of a log are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogState {
    /// None is known to be damaged.
    Whole,
    /// Some are damaged, and to be fetched from the master.
    Damaged,
}

/// The condition of a log's disk, as the log reports it.
#[derive(Debug)]
pub(super) struct DiskCondition {
    on_disk: bool,
    /// The fault because of which the log takes nothing more.
    fault: Option<DiskFault>,
    /// The repair of damaged messages.
    repair: Option<Repair>,
}

impl DiskCondition {
    /// Creates the condition of a log without faults. `on_disk`: it is not in memory only.
    pub(super) fn new(on_disk: bool) -> Self {
        Self { on_disk, fault: None, repair: None }
    }

    /// Returns whether the log is not in memory only.
    pub(super) fn is_on_disk(&self) -> bool {
        self.on_disk
    }

    /// Notes that the disk takes nothing, for the moment or until a restart.
    pub(super) fn note_fault(&mut self, fault: DiskFault) {
        self.fault = Some(fault);
    }

    /// Notes that the disk can be used again. Returns whether that ends a fault.
    pub(super) fn note_recovery(&mut self) -> bool {
        self.fault.take_if(|fault| fault.is_passing()).is_some()
    }

    /// Returns whether the disk takes nothing now.
    pub(super) fn is_faulty(&self) -> bool {
        self.fault.is_some()
    }

    /// Returns whether the disk takes nothing until a restart.
    pub(super) fn has_failed(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| !fault.is_passing())
    }

    /// Notes which messages are damaged, or how far their repair is; none: the log is whole again.
    pub(super) fn note_damage(
        &mut self,
        now: Instant,
        damage: Option<Damage>,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) {
        if let Some(begun) = repair::take_in(&mut self.repair, now, damage, rng, events) {
            let detail = || begun.damage().detail.clone();
            events.emit(Detail::Changes, || NodeEvent::Damaged { detail: detail() });
        }
    }

    /// Returns whether messages of the log are damaged.
    pub(super) fn log_state(&self) -> LogState {
        if self.repair.is_some() { LogState::Damaged } else { LogState::Whole }
    }

    /// Returns where the damaged messages begin that are to be fetched now.
    pub(super) fn damaged_from(&self) -> Option<LogEnd> {
        self.repair.as_ref().and_then(Repair::due).map(IdRange::start)
    }

    /// Takes the damaged messages out of a page, if it has them. If not, a pause follows.
    pub(super) fn repair_from(
        &mut self,
        now: Instant,
        page: &Records,
        rng: &mut ChaCha8Rng,
    ) -> Option<Records> {
        let repair = self.repair.as_mut()?;
        let run = repair.take(page);
        if run.is_none() {
            repair.failed(now, rng);
        }
        run
    }

    /// Notes that a request for damaged messages failed. A pause follows.
    pub(super) fn on_failed_request(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if let Some(repair) = &mut self.repair {
            repair.failed(now, rng);
        }
    }

    /// Ends a pause whose time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        if let Some(repair) = &mut self.repair {
            repair.wake(now);
        }
    }

    /// Returns when a pause ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.repair.as_ref().and_then(Repair::next_deadline)
    }

    /// Returns what `/health` shows of the disk. A fault is shown rather than damage.
    pub(super) fn health(&self) -> Option<DiskHealth> {
        let damage = || self.repair.as_ref().map(Repair::fault);
        DiskHealth::new(self.on_disk, self.fault.clone().or_else(damage))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;

    use super::*;

    fn damage(id: u64) -> Damage {
        let wanted = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
        let (detail, until) = ("offset 17".to_owned(), wanted.end());
        Damage { detail, until, wanted: Some(wanted), misfits: 0, version: 1 }
    }

    #[test]
    fn only_a_fault_that_passes_ends_without_a_restart() {
        let full = DiskFault::Full { detail: "sync 0.log".to_owned() };
        let failed = DiskFault::Failed { detail: "sync 0.log".to_owned() };
        let mut disk = DiskCondition::new(true);
        assert!(!disk.note_recovery(), "nothing was wrong");
        disk.note_fault(full);
        assert!(disk.is_faulty() && !disk.has_failed());
        assert!(disk.note_recovery() && !disk.is_faulty());
        disk.note_fault(failed.clone());
        assert!(!disk.note_recovery());
        assert!(disk.is_faulty() && disk.has_failed());
        assert_eq!(disk.health(), Some(DiskHealth::Faulty(failed)));
    }

    #[test]
    fn damaged_messages_are_requested_again_after_a_pause_until_the_log_is_whole() {
        let (mut now, mut rng) = (Instant::now(), ChaCha8Rng::seed_from_u64(1));
        let mut disk = DiskCondition::new(true);
        disk.note_damage(now, Some(damage(4)), &mut rng, &mut Events::default());
        assert_eq!(disk.damaged_from(), Some(LogEnd::new(4)));
        let other = Records::empty(LogEnd::new(5));
        assert_eq!(disk.repair_from(now, &other, &mut rng), None);
        assert_eq!(disk.damaged_from(), None, "a pause");
        now = disk.next_deadline().unwrap();
        disk.wake(now - Duration::from_nanos(1));
        assert_eq!(disk.damaged_from(), None);
        disk.wake(now);
        assert_eq!(disk.damaged_from(), Some(LogEnd::new(4)));
        disk.note_damage(now, None, &mut rng, &mut Events::default());
        assert_eq!(disk.log_state(), LogState::Whole);
        assert_eq!(disk.health(), Some(DiskHealth::Ok));
    }
}
