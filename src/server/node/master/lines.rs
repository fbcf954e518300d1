//! Lines of append streams: taken in order, and kept where there is no room for them.

use std::time::Instant;

use acklog_protocol::Refusal;
use acklog_types::WaiterId;

use super::appends::{append_request, append_work};
use super::large_appends::{LargeAppend, is_large};
use super::leader::LeaderDriver;
use super::stalled_lines::Shortage;
use crate::server::node::ClientAppend;
use crate::server::node::driver::{Core, ITERATION_WORK_MAX};
use crate::server::node::line_batch::{LineAppend, LineBatch, StreamTurn};

/// Which lines of a batch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    /// As many as there is room for, up to one that is large.
    Next,
    /// The first one, though it is large, and then as with [`Next`](Self::Next).
    Large,
    /// All of them: the node stops, so they are refused, but for those that were sent before.
    All,
}

/// The bounds within which lines are taken.
#[derive(Debug)]
struct Turn {
    /// The work that was done; the turn ends at one iteration's.
    work: usize,
    /// The places among the senders that wait for secondaries that the lines of one stream may
    /// still take.
    places: usize,
}

impl Turn {
    /// Returns a turn in which nothing was done, and in which a stream may take all places.
    const fn unbounded() -> Self {
        Self { work: 0, places: usize::MAX }
    }
}

/// Lines that are left of a batch, to be kept.
#[derive(Debug)]
struct RestOfBatch {
    batch: LineBatch,
    lacks: Shortage,
    /// Whether all of the batch is left.
    is_whole: bool,
}

impl Core<LeaderDriver> {
    /// Takes lines of a stream, after those that are kept, and keeps those that cannot be taken
    /// now. Returns how much work it was.
    pub(super) fn take_lines(&mut self, now: Instant, batch: LineBatch) -> usize {
        self.take_stalled(now);
        let mut turn = Turn::unbounded();
        self.take_or_keep(now, batch, Take::Next, &mut turn);
        turn.work
    }

    /// Takes lines whose first one is large and due. Returns whether that was taken.
    pub(super) fn take_large_line(&mut self, now: Instant, batch: LineBatch) -> bool {
        let mut turn = Turn::unbounded();
        self.take_or_keep(now, batch, Take::Large, &mut turn);
        turn.work > 0
    }

    /// Takes all lines: the node stops, and refuses them.
    pub(super) fn refuse_lines(&mut self, now: Instant, batch: LineBatch) {
        let mut turn = Turn::unbounded();
        self.take_or_keep(now, batch, Take::All, &mut turn);
    }

    /// Refuses the lines that are kept: the node stops.
    pub(super) fn refuse_stalled(&mut self, now: Instant) {
        for batch in self.role.stalled.take() {
            self.refuse_lines(now, batch);
        }
    }

    /// Takes the lines that are kept and for which there is room now: once in an iteration, and at
    /// most one iteration's work. Each stream takes its share of the places among the senders that
    /// wait, and those that are left have their turn before it has another one.
    pub(super) fn take_stalled(&mut self, now: Instant) {
        if !self.role.stalled.is_due() {
            return;
        }
        self.role.stalled.set_due(false);
        let share = (self.places() / self.role.stalled.of(Shortage::Places).len().max(1)).max(1);
        let mut turn = Turn { work: 0, places: share };
        for shortage in Shortage::ALL {
            for _ in 0..self.role.stalled.of(shortage).len() {
                if turn.work >= ITERATION_WORK_MAX {
                    return;
                }
                if shortage == Shortage::Places && !self.can_place_next() {
                    break;
                }
                let Some(batch) = self.role.stalled.of(shortage).pop_front() else { break };
                turn.places = share;
                let Some(rest) = self.take_some(now, batch, Take::Next, &mut turn) else {
                    continue;
                };
                if rest.is_whole && rest.lacks == shortage {
                    self.role.stalled.of(shortage).push_front(rest.batch);
                    break;
                }
                self.keep(rest);
            }
        }
    }

    /// Notes whether lines that are kept can be taken.
    pub(super) fn note_room(&mut self) {
        let (role, machine) = (&mut self.role, self.machine.get_ref());
        let has_time = role.stalled.next(Shortage::Time).is_some();
        let has_disk = role.stalled.next(Shortage::Disk).is_some()
            && (machine.disk_takes_lines() || machine.refuses_appends());
        let is_due = has_time || has_disk || self.can_place_next();
        self.role.stalled.set_due(is_due);
    }

    /// Returns whether the next line that is kept for lack of a place has one now, or is refused
    /// for another reason.
    fn can_place_next(&mut self) -> bool {
        let (role, machine) = (&mut self.role, self.machine.get_ref());
        role.stalled.next(Shortage::Places).is_some_and(|next| {
            machine.room_to_wait(next.append.wait) > 0
                || (!next.is_replay && machine.refuses_appends())
        })
    }

    /// Returns how many lines that are kept for lack of a place may be taken now; as many as may be
    /// where there are none.
    fn places(&mut self) -> usize {
        let (role, machine) = (&mut self.role, self.machine.get_ref());
        let next = role.stalled.next(Shortage::Places);
        next.map_or(usize::MAX, |next| machine.room_to_wait(next.append.wait))
    }

    fn take_or_keep(&mut self, now: Instant, batch: LineBatch, take: Take, turn: &mut Turn) {
        if let Some(rest) = self.take_some(now, batch, take, turn) {
            self.keep(rest);
        }
    }

    fn keep(&mut self, mut rest: RestOfBatch) {
        rest.batch.shrink();
        self.role.stalled.of(rest.lacks).push_back(rest.batch);
    }

    /// Takes lines of a batch within a turn. Returns those that are to be kept. One that is large,
    /// and those behind it, are deferred.
    fn take_some(
        &mut self,
        now: Instant,
        mut batch: LineBatch,
        take: Take,
        turn: &mut Turn,
    ) -> Option<RestOfBatch> {
        let (mut is_whole, mut may_be_large) = (true, take != Take::Next);
        while let Some(line) = batch.lines.front_mut() {
            let room = self.machine.get_ref().room_to_wait(line.append.wait);
            // Those that wait for no secondary need no places.
            let places = if room < usize::MAX { room.min(turn.places) } else { room };
            if take != Take::All {
                let is_share_used = places == 0 && room > 0;
                let is_over = turn.work >= ITERATION_WORK_MAX;
                let lacks = is_over.then_some(Shortage::Time);
                if let Some(lacks) = lacks.or(is_share_used.then_some(Shortage::Places)) {
                    return Some(RestOfBatch { batch, lacks, is_whole });
                }
            }
            let is_large = is_large(append_work(&line.append));
            if is_large && !may_be_large {
                batch.shrink();
                self.role.large.push(LargeAppend::Lines(batch));
                return None;
            }
            may_be_large = take == Take::All;
            // Without room the machine says what becomes of them: it knows a key, or refuses them.
            // Where lines are split, the rest is copied.
            let work = append_work(&line.append);
            let next = match places {
                1.. if take != Take::All && places < line.count() as usize => {
                    line.take_front(places)
                }
                _ => batch.lines.pop_front()?,
            };
            let wait = next.append.wait;
            if let Some((line, refusal)) = self.offer(now, next, &batch.turn) {
                if let Some(lacks) = Shortage::of(&refusal).filter(|_| take != Take::All) {
                    batch.lines.push_front(line);
                    return Some(RestOfBatch { batch, lacks, is_whole });
                }
                self.refuse_series(line.waiter, line.count(), refusal);
            }
            if !is_large {
                self.role.large.note_small(now);
            }
            let taken = room.saturating_sub(self.machine.get_ref().room_to_wait(wait));
            turn.places = turn.places.saturating_sub(taken);
            turn.work += work;
            is_whole = false;
        }
        None
    }

    /// Asks the machine about a line, or about plain ones in a row, and carries out its decision.
    /// Returns them where they are refused, and why.
    fn offer(
        &mut self,
        now: Instant,
        line: LineAppend,
        turn: &StreamTurn,
    ) -> Option<(LineAppend, Refusal)> {
        if !line.is_series {
            let (append, refusal) = self.append_line(now, line.waiter, line.append, turn)?;
            return Some((LineAppend { append, ..line }, refusal));
        }
        let request = append_request(&line.append);
        match self.machine.get_mut().append_series(now, line.waiter, request) {
            Ok(id) => {
                self.write_each(id, &line.append.batch);
                None
            }
            Err(refusal) => Some((line, refusal)),
        }
    }

    /// Keeps a line that was compared and is refused for lack of room, and so holds its stream up;
    /// or refuses it for good.
    pub(super) fn refuse_compared(
        &mut self,
        waiter: WaiterId,
        append: ClientAppend,
        turn: StreamTurn,
        refusal: Refusal,
    ) {
        match Shortage::of(&refusal) {
            Some(lacks) => {
                let line = LineAppend { waiter, append, is_series: false, is_replay: true };
                let batch = LineBatch::new([line].into(), turn);
                self.keep(RestOfBatch { batch, lacks, is_whole: true });
            }
            None => self.refuse_series(waiter, 1, refusal),
        }
    }
}
