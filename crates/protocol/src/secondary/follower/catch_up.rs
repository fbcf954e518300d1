//! Catch-up: which pages a secondary requests, when, and when it is ready for new messages.
//!
//! [`CatchUp`] is the twin of the master's `Progress`: a value that decides alone and does nothing
//! itself. Its verbs take in what happens to requests and to the log; [`CatchUp::poll_request`]
//! returns the next request. It begins when the master has accepted the handshake and ends with the
//! connection. A page is the response to `GetMessages`: a fetch response.
//!
//! A page request names the durable end, which the master takes as an ack. So it cannot say where
//! the next page begins: the master keeps a cursor for each connection, and sends one page behind
//! the other. Where a page was lost, a request with `again` moves that cursor back to the durable
//! end. Such a request is made only when no other is in flight.

mod window;

use std::time::{Duration, Instant};

use acklog_types::{IdRange, LogEnd, RequestId};
use rand_chacha::ChaCha8Rng;

use self::window::Window;
use super::buffer::Buffered;
use super::disk_condition::LogState;
use crate::backoff::Retry;
use crate::frame::{FrameKind, Request};
use crate::progress::WINDOW_BYTES_MAX;
use crate::secondary::request_retry::request_retry;

/// Grace period before a timed-out page is requested again while data still arrives: bytes of an
/// unfinished frame, or an older page. Shorter: a line that stutters carries pages twice. Longer:
/// what a broken line lost comes later.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The way of a secondary from its own end to the master's.
///
/// It decides when the next page is requested, how many requests are in flight (the AIMD
/// [`Window`]), how long a timed-out page is still waited for, and when the node is ready.
#[derive(Debug)]
pub(super) struct CatchUp {
    request_timeout: Duration,
    phase: Phase,
    window: Window,
    pages_in_flight: usize,
    /// The newest page request.
    newest_page: Option<RequestId>,
    /// Whether a requested page did not come, and was not requested again yet.
    has_lost_page: bool,
    /// The cursor: the highest end of a page since pages were requested from the log's end on.
    cursor: LogEnd,
    /// Time at which bytes of an unfinished frame came last; none once a frame came.
    partial_at: Option<Instant>,
    retry: Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Pages are fetched up to the goal, then the node reports that it is ready.
    Fetching {
        /// The master's end in the last page; none before the first page.
        goal: Option<LogEnd>,
        ready: ReadyNote,
    },
    /// The master sends new messages as they come. Pages are requested for damaged messages only.
    Ready,
}

/// State of the `SecondaryNodeReady` request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadyNote {
    NotSent,
    InFlight,
    /// It was sent, and timed out or failed. Its answer may still come.
    Unanswered,
}

/// The node's own log, as far as the next request depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalLog {
    /// The end of what was appended.
    pub(super) log_end: LogEnd,
    /// The end of what is durable.
    pub(super) durable_end: LogEnd,
    /// Runs that have arrived and are not appended yet.
    pub(super) buffered: Buffered,
    /// Start of the damaged messages that are to be fetched now; none if there are none.
    pub(super) damaged_from: Option<LogEnd>,
}

/// A page that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Its messages; none where the master has no more.
    pub(super) range: IdRange,
    /// Size of their records.
    pub(super) bytes: usize,
    /// The master's end when it sent the page.
    pub(super) master_end: LogEnd,
}

impl CatchUp {
    /// Creates the catch-up of a node that the master has just accepted.
    pub(super) fn new(request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            phase: Phase::Fetching { goal: None, ready: ReadyNote::NotSent },
            window: Window::new(),
            pages_in_flight: 0,
            newest_page: None,
            has_lost_page: false,
            cursor: LogEnd::ZERO,
            partial_at: None,
            retry: request_retry(),
        }
    }

    /// Returns the next request, if one is due, and how often it was made in a row by now. It
    /// counts as in flight from here on, under the number `id`. Call until it returns none.
    #[must_use]
    pub(super) fn poll_request(
        &mut self,
        id: RequestId,
        local: LocalLog,
    ) -> Option<(Request<IdRange>, u32)> {
        if self.retry.retry_at().is_some() {
            return None;
        }
        let failures = self.retry.failures();
        // How often something was requested that is requested again now: the failures since the
        // last answer, or once where it failed before that.
        let tries_before = |is_repeated: bool| if is_repeated { failures.max(1) } else { 0 };
        let (from, again, before) = match self.phase {
            Phase::Ready => {
                // On the wire `again` says where the page begins; it is no repetition.
                let damaged_from = local.damaged_from.filter(|_| self.pages_in_flight == 0)?;
                (damaged_from, true, failures)
            }
            Phase::Fetching { goal, .. } if self.wants_pages(local.log_end) => {
                let again = self.next_page(goal, local)?;
                (local.durable_end, again, tries_before(again))
            }
            Phase::Fetching { goal, ready } => {
                if ready == ReadyNote::InFlight || !is_flushed(local) {
                    return None;
                }
                self.phase = Phase::Fetching { goal, ready: ReadyNote::InFlight };
                let before = tries_before(ready == ReadyNote::Unanswered);
                return Some((
                    Request::SecondaryNodeReady { end: local.durable_end },
                    before.saturating_add(1),
                ));
            }
        };
        self.pages_in_flight += 1;
        self.newest_page = Some(id);
        Some((Request::GetMessages { from, again }, before.saturating_add(1)))
    }

    /// Decides whether a page is requested now, and if so, whether from the log's end on again.
    fn next_page(&mut self, goal: Option<LogEnd>, local: LocalLog) -> Option<bool> {
        // Buffered messages that are appended next need not be requested again.
        if local.buffered.continues_log {
            return None;
        }
        let reached = self.cursor.max(local.log_end);
        let missing = goal.map_or(1, |goal| goal.get().saturating_sub(reached.get()));
        let is_idle = self.pages_in_flight == 0;
        // A gap may still be closed by a page that is in flight.
        if self.has_lost_page || (is_idle && (local.buffered.gap_bytes > 0 || missing == 0)) {
            // Unflushed messages belong to this log already. A position below them could take this
            // node into another log, with them; and the lost page would be requested in vain, since
            // they would be requested with it.
            if !is_idle || !is_flushed(local) {
                return None;
            }
            self.cursor = LogEnd::ZERO;
            self.has_lost_page = false;
            return Some(true);
        }
        // Reserves the rest of the buffer for the page that fills the gap.
        if local.buffered.bytes > WINDOW_BYTES_MAX {
            return None;
        }
        (self.pages_in_flight < self.window.size(missing)).then_some(false)
    }

    /// Takes in that a request was answered, other than by an error. `answered`: what it was and
    /// how long it took, if it was still in flight.
    pub(super) fn on_answer(&mut self, answered: Option<(FrameKind, Duration)>) {
        if let Some((kind, took)) = answered {
            self.take_off(kind);
            if kind == FrameKind::GetMessages {
                self.window.on_answer(took, self.request_timeout);
            }
        }
        self.retry.reset();
        self.partial_at = None;
    }

    /// Takes in that a request in flight was answered with an error. A pause follows; it replaces a
    /// grace period, since what was waited for may be this answer.
    pub(super) fn on_error(&mut self, now: Instant, kind: FrameKind, rng: &mut ChaCha8Rng) {
        self.retry.restart(now, rng);
        self.take_off(kind);
        if kind == FrameKind::GetMessages {
            self.lose_page();
        }
    }

    /// Takes in that a request in flight timed out. A pause follows, and after a page request a
    /// grace period. Returns the pause.
    pub(super) fn on_timeout(
        &mut self,
        now: Instant,
        kind: FrameKind,
        rng: &mut ChaCha8Rng,
    ) -> Duration {
        let pause = self.retry.back_off(now, rng);
        self.take_off(kind);
        if kind == FrameKind::GetMessages {
            self.lose_page();
            if let Some(partial_at) = self.partial_at {
                self.retry.not_before(partial_at + GRACE_PERIOD);
            }
        }
        pause
    }

    /// Takes in that bytes of an unfinished frame came. Where a page has timed out, these are
    /// likely its bytes: requesting it again would send it twice over a line that is slow already.
    pub(super) fn on_partial(&mut self, now: Instant, log_end: LogEnd, state: LogState) {
        self.partial_at = Some(now);
        let wants_repair = self.is_ready() && state == LogState::Damaged;
        let wants_pages = self.wants_pages(log_end) || wants_repair;
        if self.has_lost_page && wants_pages {
            self.retry.not_before(now + GRACE_PERIOD);
        }
    }

    /// Takes in a page that was stored or buffered, in a log that ends at `log_end` now. `late`:
    /// its request, if that had timed out.
    pub(super) fn on_page(
        &mut self,
        now: Instant,
        page: Page,
        late: Option<RequestId>,
        log_end: LogEnd,
    ) {
        if let Phase::Fetching { goal, .. } = &mut self.phase {
            *goal = (*goal).max(Some(page.master_end));
        }
        self.cursor = self.cursor.max(page.range.end());
        if !page.range.is_empty() {
            self.window.on_page(page.bytes, page.range.len());
        }
        // Pages that were requested after a late one are likely on their way, and as late.
        if late.is_some_and(|late| Some(late) < self.newest_page) && self.wants_pages(log_end) {
            self.retry.not_before(now + GRACE_PERIOD);
        }
    }

    /// Takes in that a page was dropped, since the buffer is full. It is requested again after a
    /// pause.
    pub(super) fn on_buffer_full(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.lose_page();
        self.retry.back_off(now, rng);
    }

    /// Takes in that a run with this end was appended to the log.
    pub(super) fn on_append(&mut self, end: LogEnd, bytes: usize) {
        self.window.on_append(end, bytes);
    }

    /// Takes in that the log is durable up to `end`.
    pub(super) fn on_durable(&mut self, end: LogEnd) {
        self.window.on_durable(end);
    }

    /// Takes in that the master takes this node for a ready one. Returns whether that is news.
    pub(super) fn on_ready(&mut self) -> bool {
        std::mem::replace(&mut self.phase, Phase::Ready) != Phase::Ready
    }

    /// Ends a pause or grace period whose time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.retry.wake(now);
    }

    /// Returns when a pause or grace period ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.retry.retry_at()
    }

    /// Returns whether the master sends new messages to this node.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Returns whether the master may take this node for a ready one: its answer to
    /// `SecondaryNodeReady` may be on its way, or lost.
    pub(super) fn may_be_ready(&self) -> bool {
        !matches!(self.phase, Phase::Fetching { ready: ReadyNote::NotSent, .. })
    }

    /// Returns whether no page has come on this connection.
    pub(super) fn lacks_first_page(&self) -> bool {
        matches!(self.phase, Phase::Fetching { goal: None, .. })
    }

    /// Returns whether a log that ends at `log_end` lacks messages that pages bring.
    fn wants_pages(&self, log_end: LogEnd) -> bool {
        let Phase::Fetching { goal, .. } = self.phase else { return false };
        goal.is_none_or(|goal| log_end < goal)
    }

    fn lose_page(&mut self) {
        self.has_lost_page = true;
        self.window.on_loss();
    }

    /// Notes that a request is no longer in flight.
    fn take_off(&mut self, kind: FrameKind) {
        match (kind, &mut self.phase) {
            (FrameKind::GetMessages, _) => self.pages_in_flight -= 1,
            (FrameKind::SecondaryNodeReady, Phase::Fetching { ready, .. }) => {
                *ready = ReadyNote::Unanswered;
            }
            // A handshake that was made twice, or a second answer to the note.
            _ => {}
        }
    }
}

/// Returns whether everything appended is durable.
fn is_flushed(local: LocalLog) -> bool {
    local.durable_end == local.log_end
}

#[cfg(test)]
mod tests;
