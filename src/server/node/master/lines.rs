//! Lines of append streams: taken in order, and kept where senders that wait leave no room.

use std::time::Instant;

use acklog_protocol::AppendRequest;

use super::appends::append_work;
use super::large_appends::{LargeAppend, is_large};
use super::leader::LeaderDriver;
use crate::server::node::driver::Core;
use crate::server::node::line_batch::{LineAppend, LineBatch};

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

impl Core<LeaderDriver> {
    /// Takes lines of a stream, or keeps those that cannot be taken now. Returns how much work it
    /// was.
    pub(super) fn take_lines(&mut self, now: Instant, batch: LineBatch) -> usize {
        self.take_some(now, batch, Take::Next)
    }

    /// Takes lines whose first one is large and due.
    pub(super) fn take_large_line(&mut self, now: Instant, batch: LineBatch) {
        self.take_some(now, batch, Take::Large);
    }

    /// Takes all lines: the node stops, and refuses them.
    pub(super) fn refuse_lines(&mut self, now: Instant, batch: LineBatch) {
        self.take_some(now, batch, Take::All);
    }

    /// Refuses the lines that are kept: the node stops.
    pub(super) fn refuse_stalled(&mut self, now: Instant) {
        for batch in self.role.stalled.take() {
            self.refuse_lines(now, batch);
        }
    }

    /// Takes the lines for which there is room now, of each stream in turn.
    pub(super) fn take_stalled(&mut self, now: Instant) {
        if self.role.stalled.is_due(now) {
            for batch in self.role.stalled.take() {
                self.take_lines(now, batch);
            }
        }
    }

    /// Notes whether there is room for lines that are kept.
    pub(super) fn note_room(&mut self, now: Instant) {
        let has_room = self.role.stalled.next().is_some_and(|next| self.room_for(next) > 0);
        self.role.stalled.set_due(has_room.then_some(now));
    }

    fn room_for(&self, line: &LineAppend) -> usize {
        self.machine.get_ref().room_to_wait(line.append.wait)
    }

    fn take_some(&mut self, now: Instant, mut batch: LineBatch, take: Take) -> usize {
        let (mut work, mut may_be_large) = (0, take != Take::Next);
        while let Some(line) = batch.lines.front_mut() {
            let line_work = append_work(&line.append);
            let is_large = is_large(line_work);
            if is_large && !may_be_large {
                self.role.large.push(LargeAppend::Lines(batch));
                return work;
            }
            may_be_large = take == Take::All;
            let room = self.machine.get_ref().room_to_wait(line.append.wait);
            let next = if take == Take::All || line.count() as usize <= room {
                batch.lines.pop_front()
            } else if room == 0 {
                self.role.stalled.push(batch);
                return work;
            } else {
                Some(line.take_front(room))
            };
            if let Some(line) = next {
                if !is_large {
                    self.role.large.note_small(now);
                }
                self.take_line(now, line);
            }
            work += line_work;
        }
        work
    }

    fn take_line(&mut self, now: Instant, line: LineAppend) {
        let LineAppend { waiter, append, is_series } = line;
        if !is_series {
            return self.append(now, waiter, append);
        }
        let request = AppendRequest {
            wait: append.wait,
            key: None,
            expected_end: None,
            messages: append.batch.len() as u64,
            bytes: append.record_bytes(),
        };
        match self.machine.get_mut().append_series(now, waiter, request) {
            Ok(id) => self.write_each(id, &append.batch),
            Err(refusal) => self.refuse_series(waiter, append.batch.len() as u64, refusal),
        }
    }
}
