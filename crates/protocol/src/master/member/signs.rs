//! Signs of life of a secondary, and what follows from them.

use std::time::{Duration, Instant};

use acklog_types::{RequestId, SessionId};
use tracing::{info, trace};

use super::{Asked, Member};
use crate::line::LineView;

impl Member {
    /// A frame arrived, or a part of a long one, either way. Returns whether that changes the status.
    pub(in crate::master) fn hear(&mut self, now: Instant) -> bool {
        self.last_seen = Some(now);
        let Some(link) = &mut self.link else { return false };
        let Some(before) = link.health.hear(now) else { return false };
        link.give_up_at = None;
        link.silent_until = Some(link.in_flight.next_id());
        info!(peer = %self.name, before = before.as_str(), "healthy again");
        self.progress.resume();
        true
    }

    /// A heartbeat was answered.
    pub(super) fn note_rtt(&mut self, request: RequestId, took: Duration) {
        trace!(peer = %self.name, %request, ?took, "Heartbeat answered");
        self.rtt = Some(took);
    }

    /// Looks at how far the frames to it have got, if that is due.
    pub(in crate::master) fn look(
        &mut self,
        now: Instant,
        look: impl FnOnce(SessionId) -> LineView,
    ) {
        let Some(link) = &mut self.link else { return };
        let (session, awaits) = (link.session, self.progress.runs_in_flight() > 0);
        let Some(seen) = link.line.look(now, awaits, || look(session)) else { return };
        if let Some(first) = seen.view.request {
            link.in_flight.postpone(first, now);
        }
        if seen.long_frame_passed {
            self.long_frame_losses.passed();
        }
        if seen.is_alive {
            self.hear(now);
        }
    }

    /// Whether it was unhealthy for so long that its connection is given up: whatever this node sent is acknowledged by
    /// the peer's kernel and nothing comes back, or not even that.
    pub(in crate::master) fn is_given_up(&self, now: Instant) -> bool {
        let give_up_at = self.link.as_ref().and_then(|link| link.give_up_at);
        give_up_at.is_some_and(|at| at <= now)
    }

    /// It answered a heartbeat. Frames arrive in order, so what was sent before that heartbeat, in a silence that is
    /// over now, and is not answered has been lost. Waiting for it to time out would serve the secondary late.
    pub(in crate::master) fn send_lost_again(&mut self, heartbeat: RequestId) {
        let Some(link) = &mut self.link else { return };
        let Some(silent_until) = link.silent_until else { return };
        let end = silent_until.min(heartbeat);
        for asked in link.in_flight.drain(end, |asked| matches!(asked, Asked::Run(_))) {
            if let Asked::Run(run) = asked {
                self.progress.lose(run);
            }
        }
        link.silent_until = Some(silent_until).filter(|&until| heartbeat < until);
    }
}
