//! A connection to the master: the handshake, requests in flight, and liveness.

use std::time::{Duration, Instant};

use acklog_types::{LogEnd, RequestId, SessionId};
use rand_chacha::ChaCha8Rng;

use super::liveness::Liveness;
use super::request_retry::request_retry;
use crate::CloseReason;
use crate::backoff::Retry;
use crate::events::{ConnectionEvent, Detail, Events};
use crate::frame::FrameKind;
use crate::in_flight::{Completed, InFlight};
use crate::line::{Line, LineView};
use crate::page_tries::PageTries;

/// A connection to the master. It knows nothing of the log.
#[derive(Debug)]
pub(super) struct LinkToMaster {
    session: SessionId,
    stage: Stage,
    liveness: Liveness,
    in_flight: InFlight<FrameKind>,
    line: Line,
    /// The master's request for a page that is being read, and where that begins.
    reading_for: Option<(RequestId, LogEnd)>,
    pages_given: PageTries,
}

/// Stages of a connection.
#[derive(Debug)]
enum Stage {
    /// The handshake is not answered yet.
    Handshake(Retry),
    /// The master has accepted this node.
    Joined,
}

impl LinkToMaster {
    /// Creates a connection on which nothing was sent yet.
    pub(super) fn new(now: Instant, session: SessionId, request_timeout: Duration) -> Self {
        Self {
            session,
            stage: Stage::Handshake(request_retry()),
            liveness: Liveness::new(now),
            in_flight: InFlight::new(request_timeout),
            line: Line::new(request_timeout),
            reading_for: None,
            pages_given: PageTries::default(),
        }
    }

    /// Returns the session that frames are sent on.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Returns whether the master has accepted this node's handshake.
    pub(super) fn has_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined)
    }

    /// Ends the handshake: the master accepted this node, and its heartbeats come at this interval.
    pub(super) fn join(&mut self, heartbeat_interval: Duration) {
        self.stage = Stage::Joined;
        self.liveness.on_welcome(heartbeat_interval);
    }

    /// Returns whether to send a handshake: none is accepted or in flight, and no pause goes on.
    pub(super) fn wants_handshake(&self) -> bool {
        let Stage::Handshake(retry) = &self.stage else { return false };
        let in_flight = self.in_flight.count(|kind| *kind == FrameKind::Handshake);
        retry.retry_at().is_none() && in_flight == 0
    }

    /// Returns how often the handshake was made, with the next one.
    pub(super) fn handshake_attempt(&self) -> u32 {
        match &self.stage {
            Stage::Handshake(retry) => retry.failures().saturating_add(1),
            Stage::Joined => 1,
        }
    }

    /// Takes in that a request failed before the master accepted this node. A pause follows.
    pub(super) fn on_error(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if let Stage::Handshake(retry) = &mut self.stage {
            retry.restart(now, rng);
        }
    }

    /// Takes in that a request timed out before the master accepted this node. A pause follows.
    /// Returns it; none once the master has accepted this node.
    pub(super) fn on_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) -> Option<Duration> {
        match &mut self.stage {
            Stage::Handshake(retry) => Some(retry.back_off(now, rng)),
            Stage::Joined => None,
        }
    }

    /// Returns the number of the next request.
    pub(super) fn next_request(&self) -> RequestId {
        self.in_flight.next_id()
    }

    /// Notes a request as in flight. Returns its number.
    pub(super) fn make_request(&mut self, now: Instant, kind: FrameKind) -> RequestId {
        self.in_flight.make(now, kind)
    }

    /// Takes out a request that timed out. Call until it returns none.
    #[must_use]
    pub(super) fn expire(&mut self, now: Instant) -> Option<(RequestId, FrameKind)> {
        self.in_flight.expire(now)
    }

    /// Takes out the request that a response belongs to.
    pub(super) fn complete(&mut self, now: Instant, request: RequestId) -> Completed<FrameKind> {
        self.in_flight.complete(now, request)
    }

    /// Notes that the master was heard from.
    pub(super) fn note_contact(&mut self, now: Instant) {
        self.liveness.note_contact(now);
    }

    /// Returns why the connection is given up now, if it is.
    pub(super) fn overdue(&mut self, now: Instant, events: &mut Events) -> Option<CloseReason> {
        if self.liveness.is_handshake_late(now) {
            return Some(CloseReason::HandshakeTimeout);
        }
        if let Some(late) = self.liveness.note_local_stall(now) {
            events.emit(Detail::Changes, || ConnectionEvent::LocalStall { late });
        }
        self.liveness.is_silent(now).then_some(CloseReason::Silent)
    }

    /// Looks at how far this node's requests have got, if that is due.
    pub(super) fn look(&mut self, now: Instant, look: impl FnOnce(SessionId) -> LineView) {
        let (session, awaits) = (self.session, self.in_flight.next_deadline().is_some());
        if let Some(seen) = self.line.look(now, awaits, || look(session))
            && let Some(first) = seen.view.request
        {
            self.in_flight.postpone(first, now);
        }
    }

    /// Notes that a request or a page is sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.line.sent(now);
    }

    /// Notes that a page from `from` on is read for this request of the master.
    pub(super) fn start_read(&mut self, request: RequestId, from: LogEnd) {
        self.reading_for = Some((request, from));
    }

    /// Returns whether a page is read or sent for the master.
    pub(super) fn is_giving_page(&self) -> bool {
        self.reading_for.is_some() || self.line.view().has_page
    }

    /// Ends the read of a page. Returns the request that it is for, and where it begins.
    pub(super) fn finish_read(&mut self) -> Option<(RequestId, LogEnd)> {
        self.reading_for.take()
    }

    /// Counts a page from `from` on that is sent to the master. Returns how often it was in a row.
    pub(super) fn count_given(&mut self, from: LogEnd) -> u32 {
        self.pages_given.count(from, 0)
    }

    /// Ends a pause whose time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        if let Stage::Handshake(retry) = &mut self.stage {
            retry.wake(now);
        }
    }

    /// Returns when something is due on this connection next.
    pub(super) fn next_deadline(&self) -> Instant {
        let retry_at = match &self.stage {
            Stage::Handshake(retry) => retry.retry_at(),
            Stage::Joined => None,
        };
        [self.line.next_look(), self.in_flight.next_deadline(), retry_at]
            .into_iter()
            .flatten()
            .fold(self.liveness.next_deadline(), Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn link(now: Instant) -> (LinkToMaster, ChaCha8Rng) {
        let link = LinkToMaster::new(now, SessionId::new(1), TIMEOUT);
        (link, ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn a_handshake_is_made_again_after_a_pause_if_it_is_lost() {
        let mut now = Instant::now();
        let (mut link, mut rng) = link(now);
        assert!(link.wants_handshake());
        let request = link.make_request(now, FrameKind::Handshake);
        assert!(!link.wants_handshake(), "it is in flight");
        now += TIMEOUT;
        assert_eq!(link.expire(now), Some((request, FrameKind::Handshake)));
        let pause = link.on_timeout(now, &mut rng).unwrap();
        assert!(!link.wants_handshake(), "a pause");
        assert_eq!(link.next_deadline(), now + pause);
        now += pause;
        link.wake(now);
        assert!(link.wants_handshake());
        link.join(TIMEOUT);
        assert!(link.has_joined() && !link.wants_handshake());
        assert_eq!(link.on_timeout(now, &mut rng), None, "no concern of the handshake");
    }

    #[test]
    fn a_late_response_is_told_from_one_to_no_request() {
        let now = Instant::now();
        let (mut link, _) = link(now);
        let next = link.next_request();
        assert_eq!(link.complete(now, next), Completed::Unknown);
        assert_eq!(link.make_request(now, FrameKind::Handshake), next);
        let took = TIMEOUT / 2;
        let what = FrameKind::Handshake;
        assert_eq!(link.complete(now + took, next), Completed::InTime { what, took });
        assert_eq!(link.complete(now + took, next), Completed::Late { what: Some(what) });
    }

    #[test]
    fn a_page_is_read_for_one_request_at_a_time() {
        let (mut link, _) = link(Instant::now());
        assert!(!link.is_giving_page());
        let page = (RequestId::new(7), LogEnd::new(3));
        link.start_read(page.0, page.1);
        assert!(link.is_giving_page());
        assert_eq!(link.finish_read(), Some(page));
        assert!(!link.is_giving_page());
        assert_eq!(link.finish_read(), None);
    }

    #[test]
    fn the_next_deadline_is_that_of_the_oldest_request_or_else_of_the_master_s_silence() {
        let now = Instant::now();
        let (mut link, _) = link(now);
        link.join(TIMEOUT);
        let silent_at = link.next_deadline();
        assert!(silent_at > now + TIMEOUT);
        let request = link.make_request(now, FrameKind::GetMessages);
        assert_eq!(link.next_deadline(), now + TIMEOUT);
        link.complete(now, request);
        assert_eq!(link.next_deadline(), silent_at);
        let mut events = Events::default();
        assert_eq!(link.overdue(silent_at, &mut events), Some(CloseReason::Silent));
    }
}
