//! Progress of the frames that were written to a connection.
//!
//! A frame that is on its way cannot have been lost: TCP delivers it, or the connection ends. So
//! its timeout does not run yet, and it is not sent again. And a peer whose kernel takes a long
//! frame piece by piece is alive, although it cannot answer before it has the whole frame.

use std::time::{Duration, Instant};

use acklog_types::RequestId;

/// The state of one connection's sending direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineView {
    /// Bytes that the peer's kernel has taken since the connection began.
    pub taken: u64,
    /// Whether some bytes of a frame are taken and others are not.
    pub is_within_frame: bool,
    /// The oldest request whose frame is not completely taken; none if each is.
    pub request: Option<RequestId>,
    /// Whether a page is not completely taken.
    pub has_page: bool,
    /// Whether a frame of more than [`LONG_FRAME_BYTES`] is not completely taken.
    pub has_long_frame: bool,
}

impl LineView {
    /// Returns whether a request or a page is not completely taken.
    pub(super) fn is_busy(&self) -> bool {
        self.request.is_some() || self.has_page
    }
}

/// Size above which a frame does not fit into one packet of a path whose MTU is too small for
/// Ethernet, in bytes. Lower: ordinary paths carry such packets. Higher: a path that drops packets
/// of 1,300 bytes would go unnoticed.
pub const LONG_FRAME_BYTES: u64 = 1200;

/// Longest pause between two looks at a line that carries something. Shorter: more system calls.
/// Longer: `lastSeenMs` is coarse, and a run's timeout starts later.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(100);

/// Connections in a row that end with a long frame on its way before the path's MTU is suspected.
/// Fewer: ordinary outages look like that. More: an operator waits for longer for the hint.
const MTU_LOSSES: u32 = 3;

/// One connection's sending direction at the last look.
#[derive(Debug)]
pub(super) struct Line {
    pause: Duration,
    look_at: Option<Instant>,
    view: LineView,
}

/// The findings of a look at a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The line's state.
    pub(super) view: LineView,
    /// Whether the peer's kernel took a further part of a frame that it does not have completely.
    pub(super) is_alive: bool,
    /// Whether a long frame that was on its way at the look before no longer is.
    pub(super) long_frame_passed: bool,
}

impl Line {
    /// Creates the line of a new connection whose requests have this timeout.
    pub(super) fn new(request_timeout: Duration) -> Self {
        // So that it is looked at several times before a request times out.
        let pause = LOOK_PAUSE_MAX.min(request_timeout / 4).max(Duration::from_millis(1));
        Self { pause, look_at: None, view: LineView::default() }
    }

    /// Notes that a request or a page is sent.
    pub(super) fn sent(&mut self, now: Instant) {
        self.look_at.get_or_insert(now + self.pause);
    }

    /// Returns the line's state at the last look.
    pub(super) fn view(&self) -> LineView {
        self.view
    }

    /// Returns when the next look is due.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look_at
    }

    /// Looks at the line, if that is due. `awaits_answer`: a request waits for its answer.
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

/// Counts connections in a row that ended with a long frame on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LongFrameLosses(u32);

impl LongFrameLosses {
    /// Notes that a long frame passed.
    pub(super) fn passed(&mut self) {
        self.0 = 0;
    }

    /// Notes that a connection ended with a long frame on its way, while short ones had passed.
    /// Returns whether to suspect the path's MTU, which is once a series.
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
