//! Replication: what is sent to a peer, what is read for it, and what it acked.

use std::time::Instant;

use acklog_types::{IdRange, LogEnd, LogView, Unreadable};
use rand_chacha::ChaCha8Rng;

use super::Leader;
use super::reads::{NextPage, PageRequest, ReadFor, ReadPage};
use crate::ProtocolError;
use crate::events::{Detail, Events, FrameEvent, FrameStage, NodeEvent};
use crate::frame::FrameKind;
use crate::master::peers::{MemberId, PeerEvent, RunReply};
use crate::progress::{NextRun, SendFailure, SentRun};

/// A page whose messages were read, or could not be.
#[derive(Debug)]
pub(in crate::master) enum ReadResult {
    /// The page can be sent.
    Page(ReadPage),
    /// The request for the page is answered with this error.
    Unreadable(PageRequest, String),
    /// A run was read for later.
    Run,
}

impl<L: LogView> Leader<L> {
    /// Takes in what happened to a peer.
    pub(in crate::master) fn on_peer_event(&mut self, event: PeerEvent) {
        if matches!(event, PeerEvent::Joined { .. } | PeerEvent::Registered { .. }) {
            self.release_due = true;
        }
        self.replicas.on_event(event, self.own.durable_end());
    }

    /// Brings the ends that 1..n nodes hold up to date.
    pub(in crate::master) fn settle_held(&mut self) {
        self.replicas.held(self.own.durable_end());
    }

    /// Returns the end that `nodes` nodes hold, as of the last [settling](Self::settle_held).
    pub(in crate::master) fn held_end(&self, nodes: u16) -> LogEnd {
        self.known_end(nodes).unwrap_or_default()
    }

    /// Returns the end that `nodes` nodes hold, like [`held_end`](Self::held_end); none while fewer
    /// have reported a position.
    pub(in crate::master) fn known_end(&self, nodes: u16) -> Option<LogEnd> {
        self.replicas.settled().known(nodes)
    }

    /// Returns the end of what a peer acked, as far as is known.
    pub(in crate::master) fn acked_end(&self, peer: MemberId) -> LogEnd {
        self.replicas.get(peer).map_or(LogEnd::ZERO, |replica| replica.acked_end())
    }

    /// Takes in a position that a peer reported at `now`, outside time.
    ///
    /// # Errors
    /// When it lies beyond the durable end.
    pub(in crate::master) fn ack(
        &mut self,
        now: Instant,
        peer: MemberId,
        end: LogEnd,
        events: &mut Events,
    ) -> Result<(), ProtocolError> {
        let log_end = self.own.durable_end();
        if end > log_end {
            return Err(ProtocolError::AckBeyondEnd { told: end, log_end });
        }
        if self.replicas.ack(now, peer, end, events) {
            self.release_due = true;
        }
        Ok(())
    }

    /// Returns the next run to send to a peer, or to read for it, if fewer than `runs_max` are in
    /// flight. Call until it returns none, or something to be read.
    #[must_use]
    pub(in crate::master) fn next_run(
        &mut self,
        now: Instant,
        peer: MemberId,
        runs_max: usize,
    ) -> Option<NextRun> {
        let durable_end = self.own.durable_end();
        let replica = self.replicas.get_mut(peer)?;
        let next = replica.next_run(now, &self.view, durable_end, runs_max)?;
        let is_free = match next {
            NextRun::Run(_) => true,
            NextRun::Read(_) => replica.reads().begin_run(),
        };
        Some(next).filter(|_| is_free)
    }

    /// Takes in that a run was answered.
    pub(in crate::master) fn run_answered(
        &mut self,
        now: Instant,
        peer: MemberId,
        run: SentRun,
        reply: RunReply,
        rng: &mut ChaCha8Rng,
    ) {
        let Some(replica) = self.replicas.get_mut(peer) else { return };
        match reply {
            RunReply::Done => replica.settle(now, run, rng),
            RunReply::Failed => replica.fail(now, run, SendFailure::Answered, rng),
        }
    }

    /// Takes in that a run timed out.
    pub(in crate::master) fn run_timed_out(
        &mut self,
        now: Instant,
        peer: MemberId,
        run: SentRun,
        rng: &mut ChaCha8Rng,
    ) {
        if let Some(replica) = self.replicas.get_mut(peer) {
            replica.fail(now, run, SendFailure::TimedOut, rng);
        }
    }

    /// Takes in that a run was lost.
    pub(in crate::master) fn run_lost(&mut self, peer: MemberId, run: SentRun) {
        if let Some(replica) = self.replicas.get_mut(peer) {
            replica.lose(run);
        }
    }

    /// Returns whether runs to a peer wait for an answer.
    pub(in crate::master) fn has_runs_in_flight(&self, peer: MemberId) -> bool {
        self.replicas.get(peer).is_some_and(|replica| replica.runs_in_flight() > 0)
    }

    /// Notes a peer's request for a page. It gets none where it asks again for one that is still
    /// under way, on the line (`is_under_way`) or here: that one comes. Returns whether
    /// [`next_page`](Self::next_page) is to be asked.
    ///
    /// # Errors
    /// When too many requests wait.
    pub(in crate::master) fn want_page(
        &mut self,
        peer: MemberId,
        wanted: PageRequest,
        is_under_way: bool,
        events: &mut Events,
    ) -> Result<bool, ProtocolError> {
        let Some(replica) = self.replicas.get_mut(peer) else { return Ok(false) };
        let PageRequest { request, from, again } = wanted;
        if again && (is_under_way || replica.reads().has_pages()) {
            events.emit(Detail::Frames, || {
                let (frame, stage) = (FrameKind::GetMessages, FrameStage::StillUnderWay { from });
                FrameEvent::new(Some(replica.name()), request, (frame, None), stage)
            });
            return Ok(false);
        }
        replica.reads().push(wanted).map(|()| true)
    }

    /// Returns what comes next for a peer's requests for pages. Call until it returns none.
    #[must_use]
    pub(in crate::master) fn next_page(&mut self, peer: MemberId) -> Option<NextPage> {
        let durable_end = self.own.durable_end();
        self.replicas.get_mut(peer)?.reads().next_page(durable_end)
    }

    /// Notes that a page is sent to a peer.
    pub(in crate::master) fn note_page(
        &mut self,
        peer: MemberId,
        page: ReadPage,
        events: &mut Events,
    ) {
        let Some(replica) = self.replicas.get_mut(peer) else { return };
        let attempt = replica.note_page(&page);
        let PageRequest { request, from, .. } = page.wanted;
        events.emit(Detail::Frames, || {
            let stage = FrameStage::Sent { from: Some(from), attempt };
            let frame = (FrameKind::Page, Some(page.run));
            FrameEvent::new(Some(replica.name()), request, frame, stage)
        });
    }

    /// Takes in what was read for a peer, or could not be.
    ///
    /// # Panics
    /// When nothing was found and nothing was wrong, or nothing was to be read.
    pub(in crate::master) fn take_read(
        &mut self,
        now: Instant,
        peer: MemberId,
        found: Result<(IdRange, usize), Unreadable>,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) -> Option<ReadResult> {
        let replica = self.replicas.get_mut(peer)?;
        assert!(!matches!(&found, Ok((range, _)) if range.is_empty()), "{found:?}");
        Some(match (replica.reads().end(), found) {
            (Some(ReadFor::Page(wanted, log_end)), Ok((run, _))) => {
                ReadResult::Page(ReadPage { wanted, run, log_end })
            }
            (Some(ReadFor::Page(wanted, _)), Err(Unreadable(detail))) => {
                let PageRequest { request, from, again } = wanted;
                events.emit(Detail::Changes, || NodeEvent::CannotGive {
                    peer: Some(replica.name().clone()),
                    request: Some(request),
                    from: Some(from),
                    again: Some(again),
                    detail: detail.clone(),
                });
                ReadResult::Unreadable(wanted, detail)
            }
            (Some(ReadFor::Run), found) => {
                if let Err(Unreadable(detail)) = &found {
                    events.emit(Detail::Changes, || NodeEvent::CannotGive {
                        peer: Some(replica.name().clone()),
                        request: None,
                        from: None,
                        again: None,
                        detail: detail.clone(),
                    });
                }
                replica.note_read(now, found, rng);
                ReadResult::Run
            }
            (None, _) => unreachable!("what is read was asked for"),
        })
    }
}
