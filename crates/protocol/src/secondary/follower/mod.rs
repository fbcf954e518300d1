//! The follower: one log of a secondary, which becomes the same as the master's.
//!
//! It knows no connection, only that one begins ([`Follower::join`]) and ends
//! ([`Follower::leave`]). All that dies with a connection is one value in it, the [`Intake`], which
//! is dropped as a whole.
//!
//! - In: runs, pages, answers and errors, and what the log reports.
//! - Out: the next request ([`Follower::poll_request`]), and what else is to be done
//!   ([`Follower::poll_action`]), each called until it returns none.

mod buffer;
mod catch_up;
mod disk_condition;
mod gap_buffer;
mod master_positions;
mod pending_answers;
mod store;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::{
    Checksum, Damage, DiskFault, Faults, IdRange, LogEnd, LogId, LogView, Records, RequestId,
};
use rand_chacha::ChaCha8Rng;

use self::buffer::Buffer;
pub use self::buffer::HELD_BYTES_MAX;
use self::catch_up::{CatchUp, LocalLog};
use self::disk_condition::DiskCondition;
pub use self::gap_buffer::GapBuffer;
use self::master_positions::MasterPositions;
use self::pending_answers::PendingAnswers;
pub(super) use self::store::PageAnswer;
use super::io::RestoredSecondary;
use crate::ProtocolError;
use crate::events::{ConnectionEvent, Detail, Events};
use crate::faults::StoreFaults;
use crate::frame::{FrameKind, Positions, Request, Response};
use crate::status::{DiskHealth, SecondaryPhase};

/// A log that follows the master's. `L` is a view of it.
#[derive(Debug)]
pub(super) struct Follower<L> {
    log: L,
    log_id: Option<LogId>,
    /// The end of what was appended, durable or not.
    log_end: LogEnd,
    /// The contiguous end: what is durable, visible and acked. Invariant: `durable_end <= log_end`.
    durable_end: LogEnd,
    /// The positions of the master's log that the master told.
    master: MasterPositions,
    disk: DiskCondition,
    store_faults: StoreFaults,
    /// None while the master has not accepted this node on the current connection.
    intake: Option<Intake>,
    actions: VecDeque<FollowerAction>,
}

/// The part of a follower that dies with a connection.
#[derive(Debug)]
struct Intake {
    catch_up: CatchUp,
    /// Runs and pages that have arrived and are not in the log yet.
    buffer: Buffer,
    pending_answers: PendingAnswers,
}

/// Actions that a follower wants to be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FollowerAction {
    /// Append a run to the log and report when it is durable.
    Append(Records),
    /// Give the log these messages in place of its damaged ones.
    Mend(Records),
    /// Answer a request of the master.
    Answer(RequestId, Response<IdRange>),
}

/// The part of a handshake that describes a log.
#[derive(Debug)]
pub(super) struct Introduction {
    /// The identity of the log; none while it never had one.
    pub(super) log: Option<LogId>,
    /// Its durable end.
    pub(super) end: LogEnd,
    /// The checksum of the last message below that; none in an empty log.
    pub(super) checksum: Option<Checksum>,
}

impl<L: LogView> Follower<L> {
    /// Creates a follower that goes on where its log ends. `seed`: what faults are drawn from.
    pub(super) fn new(log: L, restored: RestoredSecondary, seed: u64) -> Self {
        Self {
            log,
            log_id: restored.log,
            log_end: restored.end,
            durable_end: restored.end,
            master: MasterPositions::default(),
            disk: DiskCondition::new(restored.on_disk),
            store_faults: StoreFaults::new(Faults::default(), seed),
            intake: None,
            actions: VecDeque::new(),
        }
    }

    /// Returns the part of a handshake that describes the log; none while some of it is not
    /// durable, or if its last message is unreadable.
    pub(super) fn introduction(&self, events: &mut Events) -> Option<Introduction> {
        let end = self.durable_end;
        if end != self.log_end {
            return None;
        }
        match self.log.checksum_below(end) {
            Ok(checksum) => Some(Introduction { log: self.log_id, end, checksum }),
            Err(error) => {
                // The log reports the fault too, and that ends the connection.
                let event = || ConnectionEvent::HandshakeUnreadable { end, error };
                events.emit(Detail::Changes, event);
                None
            }
        }
    }
}

impl<L> Follower<L> {
    /// Checks that a master with this log may accept this node.
    ///
    /// # Errors
    /// When this node has messages of another log, or joined another one on this connection.
    pub(super) fn check_identity(&self, log: LogId) -> Result<(), ProtocolError> {
        let is_bound = self.intake.is_some() || self.durable_end != LogEnd::ZERO;
        if is_bound && self.log_id != Some(log) {
            return Err(ProtocolError::ChangedIdentity);
        }
        Ok(())
    }

    /// Begins to catch up: the master, whose log this is and ends at `master_end`, accepted the
    /// node. Call [`check_identity`](Self::check_identity) before.
    pub(super) fn join(&mut self, log: LogId, master_end: LogEnd, request_timeout: Duration) {
        if self.log_id.replace(log) != Some(log) {
            self.master = MasterPositions::default();
        }
        self.master.begin(master_end, self.durable_end);
        self.intake = Some(Intake {
            catch_up: CatchUp::new(request_timeout),
            buffer: Buffer::new(),
            pending_answers: PendingAnswers::default(),
        });
    }

    /// Drops what belongs to a connection that ended, if there is one.
    pub(super) fn leave(&mut self) {
        debug_assert!(self.actions.is_empty(), "actions are carried out as they arise");
        self.intake = None;
    }

    /// Notes that the master's log reaches up to `end`.
    pub(super) fn note_master_end(&mut self, end: LogEnd) {
        self.master.note_end(end);
    }

    /// Notes positions of the log that the master told.
    pub(super) fn note_positions(&mut self, told: Positions) {
        self.master.note(told);
    }

    /// Notes that the master takes this node for a ready one: runs may come from here on.
    ///
    /// # Errors
    /// When this node has not reported that it is ready: no such response to `request` can come.
    pub(super) fn note_ready(
        &mut self,
        request: RequestId,
        events: &mut Events,
    ) -> Result<(), ProtocolError> {
        let catch_up = self.intake.as_mut().map(|intake| &mut intake.catch_up);
        let Some(catch_up) = catch_up.filter(|catch_up| catch_up.may_be_ready()) else {
            return Err(ProtocolError::UnexpectedResponse(request));
        };
        if catch_up.on_ready() {
            let end = self.durable_end;
            events.emit(Detail::Changes, || ConnectionEvent::Ready { peer: None, end });
        }
        Ok(())
    }

    /// Returns the next request to the master, if one is due, and how often it was made in a row by
    /// now. It counts as in flight from here on, under the number `id`. Call until it returns none.
    #[must_use]
    pub(super) fn poll_request(&mut self, id: RequestId) -> Option<(Request<IdRange>, u32)> {
        let Intake { catch_up, buffer, .. } = self.intake.as_mut()?;
        let local = LocalLog {
            log_end: self.log_end,
            durable_end: self.durable_end,
            buffered: buffer.buffered(self.log_end),
            damaged_from: self.disk.damaged_from(),
        };
        catch_up.poll_request(id, local)
    }

    /// Takes in that a request was answered, other than by an error. `answered`: what it was and
    /// how long it took, if it was still in flight.
    pub(super) fn on_answer(&mut self, answered: Option<(FrameKind, Duration)>) {
        if let Some(intake) = &mut self.intake {
            intake.catch_up.on_answer(answered);
        }
    }

    /// Takes in that a request in flight was answered with an error. A pause follows.
    pub(super) fn on_error(&mut self, now: Instant, kind: FrameKind, rng: &mut ChaCha8Rng) {
        let Some(intake) = &mut self.intake else { return };
        intake.catch_up.on_error(now, kind, rng);
        self.on_failed_request(now, kind, rng);
    }

    /// Takes in that a request in flight timed out. A pause follows. Returns it; none without a
    /// connection.
    pub(super) fn on_timeout(
        &mut self,
        now: Instant,
        kind: FrameKind,
        rng: &mut ChaCha8Rng,
    ) -> Option<Duration> {
        let pause = self.intake.as_mut()?.catch_up.on_timeout(now, kind, rng);
        self.on_failed_request(now, kind, rng);
        Some(pause)
    }

    /// A ready node requests pages for damaged messages only.
    fn on_failed_request(&mut self, now: Instant, kind: FrameKind, rng: &mut ChaCha8Rng) {
        if kind == FrameKind::GetMessages && self.is_ready() {
            self.disk.on_failed_request(now, rng);
        }
    }

    /// Takes in that bytes of an unfinished frame came. A timed-out page gets a grace period.
    pub(super) fn on_partial(&mut self, now: Instant) {
        if let Some(intake) = &mut self.intake {
            intake.catch_up.on_partial(now, self.log_end, self.disk.log_state());
        }
    }

    /// Notes that the disk takes nothing, for the moment or until a restart.
    pub(super) fn note_disk_fault(&mut self, fault: DiskFault) {
        self.disk.note_fault(fault);
    }

    /// Notes that the disk can be used again. Returns whether that ends a fault.
    pub(super) fn note_disk_recovery(&mut self) -> bool {
        self.disk.note_recovery()
    }

    /// Notes which messages are damaged, or how far their repair is; none: the log is whole again.
    pub(super) fn note_damage(
        &mut self,
        now: Instant,
        damage: Option<Damage>,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) {
        self.disk.note_damage(now, damage, rng, events);
    }

    /// Replaces the injected faults. If the store delay changes, all delays that have begun end: a
    /// page is not requested again while it is delayed here, and a delay may be a year.
    pub(super) fn set_faults(&mut self, now: Instant, faults: Faults, seed: u64) {
        if let Some(intake) = &mut self.intake
            && self.store_faults.delays_otherwise(&faults)
        {
            intake.buffer.make_due(now);
        }
        self.store_faults = StoreFaults::new(faults, seed);
    }

    /// Ends pauses whose time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.disk.wake(now);
        if let Some(intake) = &mut self.intake {
            intake.catch_up.wake(now);
        }
    }

    /// Returns when a pause or a store delay ends next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let of_intake = self
            .intake
            .iter()
            .flat_map(|intake| [intake.catch_up.next_deadline(), intake.buffer.next_deadline()]);
        of_intake.chain([self.disk.next_deadline()]).flatten().min()
    }

    /// Returns the next thing to do. Call until it returns none.
    #[must_use]
    pub(super) fn poll_action(&mut self) -> Option<FollowerAction> {
        self.actions.pop_front()
    }

    /// Returns the identity of the log; none while it never had one.
    pub(super) fn log_id(&self) -> Option<LogId> {
        self.log_id
    }

    /// Returns the end of what was appended, durable or not.
    pub(super) fn log_end(&self) -> LogEnd {
        self.log_end
    }

    /// Returns the contiguous end: what is durable, visible and acked.
    pub(super) fn durable_end(&self) -> LogEnd {
        self.durable_end
    }

    /// Returns the end of the master's log, as far as the master reported it.
    pub(super) fn master_log_end(&self) -> Option<LogEnd> {
        self.master.log_end()
    }

    /// Returns the end of what a majority of the cluster holds, as far as this node has it and the
    /// master told that.
    pub(super) fn committed_end(&self) -> Option<LogEnd> {
        self.master.committed_end().map(|end| end.min(self.durable_end))
    }

    /// Returns the end of what all nodes hold, as far as the master told that.
    pub(super) fn all_end(&self) -> LogEnd {
        self.master.all_end().min(self.durable_end)
    }

    /// Returns the number of nodes of the cluster, as the master told it last.
    pub(super) fn cluster_size(&self) -> Option<u16> {
        self.master.cluster_size()
    }

    /// Returns an end of what this node has and at least `nodes` nodes hold, as far as the master
    /// told that.
    pub(super) fn held_end(&self, nodes: u64) -> LogEnd {
        match nodes {
            0 | 1 => self.durable_end,
            _ => self.master.held_end(nodes).min(self.durable_end),
        }
    }

    /// Returns whether the log is on disk.
    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_on_disk()
    }

    /// Returns how many messages are above a gap.
    pub(super) fn messages_above_gap(&self) -> u64 {
        self.intake.as_ref().map_or(0, |intake| intake.buffer.messages_above_gap())
    }

    /// Returns the phase that `/health` shows; none while the master has not accepted this node.
    pub(super) fn phase(&self) -> Option<SecondaryPhase> {
        self.intake.as_ref().map(|intake| match intake.catch_up.is_ready() {
            true => SecondaryPhase::Ready,
            false => SecondaryPhase::CatchingUp,
        })
    }

    /// Returns whether the master sends new messages to this node.
    pub(super) fn is_ready(&self) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.catch_up.is_ready())
    }

    /// Returns whether the master may take this node for a ready one.
    pub(super) fn may_be_ready(&self) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.catch_up.may_be_ready())
    }

    /// Returns whether the master accepted this node and no page has come since.
    pub(super) fn lacks_first_page(&self) -> bool {
        self.intake.as_ref().is_some_and(|intake| intake.catch_up.lacks_first_page())
    }

    /// Returns whether the disk takes nothing now.
    pub(super) fn is_disk_faulty(&self) -> bool {
        self.disk.is_faulty()
    }

    /// Returns whether the disk takes nothing until a restart.
    pub(super) fn has_disk_failed(&self) -> bool {
        self.disk.has_failed()
    }

    /// Returns what `/health` shows of the disk; none where the log is in memory.
    pub(super) fn disk_health(&self) -> Option<DiskHealth> {
        self.disk.health()
    }
}

#[cfg(test)]
mod tests;
