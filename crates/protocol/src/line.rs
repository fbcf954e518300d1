//! How far the frames that were written to a connection have got.
//!
//! A frame that is under way cannot have been lost: TCP delivers it, or the connection ends. So its time limit does not
//! run yet, and it is not sent again. And a peer whose kernel takes a long frame piece by piece is alive, although it
//! cannot answer before the frame is whole.

use std::time::{Duration, Instant};

use acklog_types::RequestId;

/// The state of one connection's sending direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineView {
    /// Bytes that the peer's kernel has taken since the connection began.
    pub taken: u64,
    /// Whether some bytes of a frame are taken and others are not.
    pub is_within_frame: bool,
    /// The oldest request whose frame is not taken as a whole. None where each is.
    pub request: Option<RequestId>,
    /// Whether a page is not taken as a whole.
    pub has_page: bool,
    /// Whether a frame of more than [`LONG_FRAME_BYTES`] is not taken as a whole.
    pub has_long_frame: bool,
}

impl LineView {
    /// Returns whether a request or a page is not taken as a whole.
    pub(super) fn is_busy(&self) -> bool {
        self.request.is_some() || self.has_page
    }
}

/// Frames above this do not fit into one packet of a path whose MTU is too small for Ethernet. Lower: ordinary paths
/// carry such packets. Higher: a path that drops packets of 1,300 bytes would not be told by its frames.
pub const LONG_FRAME_BYTES: u64 = 1200;

/// Longest pause between two looks at a line on which something is under way. Shorter costs system calls; longer makes
/// `lastSeenMs` coarse and starts a run's time limit later.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(100);

/// Connections in a row that end with a long frame under way before the path's MTU is suspected. Fewer: ordinary
/// outages look like that.
const MTU_LOSSES: u32 = 3;

/// One connection's sending direction as its owner last saw it.
#[derive(Debug)]
pub(super) struct Line {
    pause: Duration,
    look_at: Option<Instant>,
    view: LineView,
}

/// What a look at a line tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// What is seen.
    pub(super) view: LineView,
    /// Whether the peer's kernel took a further part of a frame that is not whole yet.
    pub(super) is_alive: bool,
    /// Whether a long frame was under way at the look before and is not any more.
    pub(super) long_frame_passed: bool,
}

impl Line {
    /// Creates the line of a new connection whose requests have this time limit.
    pub(super) fn new(request_timeout: Duration) -> Self {
        // Before a request's time is up it is looked at several times.
        let pause = LOOK_PAUSE_MAX.min(request_timeout / 4).max(Duration::from_millis(1));
        Self { pause, look_at: None, view: LineView::default() }
    }

    /// Notes that a request or a page is sent.
    pub(super) fn sent(&mut self, now: Instant) {
        self.look_at.get_or_insert(now + self.pause);
    }

    /// Returns the line as it was seen last.
    pub(super) fn view(&self) -> LineView {
        self.view
    }

    /// Returns when to look next.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look_at
    }

    /// Takes in a look, if one is due. `awaits_answer`: requests wait for an answer.
    pub(super) fn look(
        &mut self,
        now: Instant,
        awaits_answer: bool,
        look: impl FnOnce() -> LineView,
    ) -> Option<Look> {
        if self.look_at.is_none_or(|at| at > now) {
            return None;
        }
        let view = look();
        let before = std::mem::replace(&mut self.view, view);
        self.look_at = (view.is_busy() || awaits_answer).then_some(now + self.pause);
        Some(Look {
            view,
            is_alive: view.is_within_frame && view.taken > before.taken,
            long_frame_passed: before.has_long_frame && !view.has_long_frame,
        })
    }
}

/// Counts connections in a row that ended with a long frame under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LongFrameLosses(u32);

impl LongFrameLosses {
    /// Notes that a long frame passed.
    pub(super) fn passed(&mut self) {
        self.0 = 0;
    }

    /// Notes that a connection ended with a long frame under way, while short ones had passed. Returns whether to
    /// suspect the path's MTU; once a series.
    pub(super) fn lost(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        self.0 == MTU_LOSSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(1500);

    fn view(taken: u64, is_within_frame: bool) -> LineView {
        let request = Some(RequestId::new(3));
        LineView { taken, is_within_frame, request, has_long_frame: true, ..LineView::default() }
    }

    #[test]
    fn only_a_further_part_of_an_unfinished_frame_is_a_sign_of_life() {
        let mut now = Instant::now();
        let mut line = Line::new(TIMEOUT);
        line.sent(now);
        let mut alive = |view| {
            now += LOOK_PAUSE_MAX;
            line.look(now, true, || view).unwrap().is_alive
        };
        assert!(alive(view(10, true)), "a first part");
        assert!(!alive(view(10, true)), "nothing more");
        assert!(alive(view(20, true)), "a further part");
        assert!(
            !alive(view(30, false)),
            "whole frames: the kernel of a stopped node takes them too"
        );
    }

    #[test]
    fn a_line_is_looked_at_while_something_is_under_way_or_unanswered() {
        let now = Instant::now();
        let mut line = Line::new(TIMEOUT);
        assert_eq!(line.next_look(), None);
        line.sent(now);
        line.sent(now + LOOK_PAUSE_MAX / 2);
        assert_eq!(line.next_look(), Some(now + LOOK_PAUSE_MAX));
        assert!(line.look(now, true, LineView::default).is_none(), "not due");
        let now = now + LOOK_PAUSE_MAX;
        line.look(now, false, || view(1, true)).unwrap();
        assert_eq!(line.next_look(), Some(now + LOOK_PAUSE_MAX), "under way");
        let now = now + LOOK_PAUSE_MAX;
        let look = line.look(now, true, LineView::default).unwrap();
        assert!(look.long_frame_passed);
        assert_eq!(line.next_look(), Some(now + LOOK_PAUSE_MAX), "unanswered");
        line.look(now + LOOK_PAUSE_MAX, false, LineView::default).unwrap();
        assert_eq!(line.next_look(), None);
    }

    #[test]
    fn a_short_time_limit_is_looked_at_before_it_is_up() {
        let now = Instant::now();
        let mut line = Line::new(Duration::from_millis(40));
        line.sent(now);
        assert_eq!(line.next_look(), Some(now + Duration::from_millis(10)));
    }

    #[test]
    fn the_mtu_is_suspected_once_after_three_losses_in_a_row() {
        let mut losses = LongFrameLosses::default();
        assert_eq!([losses.lost(), losses.lost()], [false, false]);
        losses.passed();
        let told: Vec<bool> = (0..5).map(|_| losses.lost()).collect();
        assert_eq!(told, [false, false, true, false, false]);
    }
}
