//! One copy of the log on a peer: what it acked, what it is sent, and what is read for it.

use std::time::{Duration, Instant};

use acklog_types::{IdRange, LogEnd, LogView, NodeName, Storage, Unreadable};
use rand_chacha::ChaCha8Rng;

use super::end_times::EndTimes;
use super::reads::{PeerReads, ReadPage};
use super::sent_counts::SentCounts;
use crate::events::{Detail, Events, MessageEvent};
use crate::progress::{NextRun, Progress, SendFailure, SentRun};

/// A replica of the log.
#[derive(Debug)]
pub(super) struct Replica {
    name: NodeName,
    /// The place where the peer keeps its log; none while it did not tell.
    storage: Option<Storage>,
    /// The peer's name is persisted, and so its acks count.
    counts: bool,
    /// The peer is ready and healthy, so that new messages are sent to it.
    is_live: bool,
    /// The peer reported a position since the master started.
    is_position_known: bool,
    /// The longest backoff.
    pause_max: Duration,
    progress: Progress,
    reads: PeerReads,
    retries: u64,
    acked: EndTimes,
    sent: SentCounts,
}

impl Replica {
    /// Creates the replica of a peer of which nothing is known; its backoff ends at `pause_max`,
    /// and the master's log at `log_end`.
    pub(super) fn new(name: NodeName, pause_max: Duration, log_end: LogEnd) -> Self {
        Self {
            name,
            storage: None,
            counts: false,
            is_live: false,
            is_position_known: false,
            pause_max,
            progress: Progress::new(LogEnd::ZERO, pause_max),
            reads: PeerReads::new(LogEnd::ZERO),
            retries: 0,
            acked: EndTimes::new(LogEnd::ZERO),
            sent: SentCounts::new(log_end),
        }
    }

    /// Takes in that the peer has a new connection. A position that is lower counts at once: the
    /// node lost what it had. A higher one counts with the first request behind the handshake,
    /// which may be of a process that is gone, with what it had.
    pub(super) fn join(&mut self, end: LogEnd, storage: Option<Storage>) {
        self.storage = storage;
        if end < self.acked_end() {
            self.acked.fell(end);
        }
        self.progress = Progress::new(end.min(self.acked_end()), self.pause_max);
        self.reads = PeerReads::new(end);
    }

    /// Takes in that the connection is gone. What was acked stays acked.
    pub(super) fn leave(&mut self) {
        self.progress = Progress::new(self.acked_end(), self.pause_max);
        self.reads = PeerReads::new(self.acked_end());
    }

    /// Lets the acks count from now on.
    pub(super) fn count(&mut self) {
        self.counts = true;
    }

    /// Takes in whether the peer is ready and healthy.
    pub(super) fn set_live(&mut self, is_live: bool) {
        self.is_live = is_live;
        if is_live {
            self.progress.resume();
        }
    }

    /// Notes a position that the peer reported. Returns whether it is news.
    pub(super) fn ack(&mut self, now: Instant, end: LogEnd, events: &mut Events) -> bool {
        let before = self.acked_end();
        self.is_position_known = true;
        let is_news = self.progress.ack(end);
        if is_news {
            self.acked.grew(end, now);
            events.emit(Detail::Messages, || {
                let (peer, ids) = (self.name.clone(), IdRange::new(before, end));
                MessageEvent::Acked { peer, ids }
            });
        }
        is_news
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    /// Returns where the peer keeps its log; none where it did not tell.
    pub(super) fn storage(&self) -> Option<Storage> {
        self.storage
    }

    /// Returns whether the acks count.
    pub(super) fn is_counted(&self) -> bool {
        self.counts
    }

    /// Returns whether the peer is ready and healthy, and has everything before `end`.
    pub(super) fn can_give(&self, end: LogEnd) -> bool {
        self.is_live && self.acked_end() >= end
    }

    /// Returns the end of what the peer acked, as far as is known.
    pub(super) fn acked_end(&self) -> LogEnd {
        self.progress.acked_end()
    }

    /// Returns the end of what the peer acked; none while it has reported no position.
    pub(super) fn known_end(&self) -> Option<LogEnd> {
        self.is_position_known.then(|| self.acked_end())
    }

    /// Returns when the peer acked what lies before `end`; none where it has not, or where that is
    /// older than what is remembered.
    pub(super) fn acked_at(&self, end: LogEnd) -> Option<Instant> {
        self.acked.reached(end)
    }

    /// Notes messages that are sent in a page. Returns how often that was sent by now.
    pub(super) fn note_page(&mut self, page: &ReadPage) -> u32 {
        self.sent.fetched(page.run);
        self.reads.note_page(page, self.is_live)
    }

    /// Returns how often the message before `end` was sent; none where that is older than what is
    /// remembered, or where the peer fetched it in a page.
    pub(super) fn attempts(&self, end: LogEnd) -> Option<u32> {
        self.sent.of(end)
    }

    /// Returns how many runs wait for an answer.
    pub(super) fn runs_in_flight(&self) -> usize {
        self.progress.runs_in_flight()
    }

    /// Returns how many runs were sent again since the master started.
    pub(super) fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns the next run to be sent or read, if fewer than `runs_max` are in flight.
    #[must_use]
    pub(super) fn next_run(
        &mut self,
        now: Instant,
        log: &impl LogView,
        durable_end: LogEnd,
        runs_max: usize,
    ) -> Option<NextRun> {
        let mut next = self.progress.next_run(now, log, durable_end, runs_max)?;
        if let NextRun::Run(plan) = &mut next {
            self.retries += u64::from(plan.is_retry);
            plan.attempt = self.sent.sent(plan.range).max(plan.attempt);
        }
        Some(next)
    }

    /// Takes in that a run was answered: the peer has it.
    pub(super) fn settle(&mut self, now: Instant, run: SentRun, rng: &mut ChaCha8Rng) {
        self.progress.settle(now, run, rng);
    }

    /// Takes in that a run failed. It is sent again after a backoff.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        run: SentRun,
        failure: SendFailure,
        rng: &mut ChaCha8Rng,
    ) {
        self.progress.fail(now, run, failure, rng);
    }

    /// Takes in that a run was lost. It is sent again next.
    pub(super) fn lose(&mut self, run: SentRun) {
        self.progress.lose(run);
    }

    /// Takes in a run that was read, or that could not be.
    pub(super) fn note_read(
        &mut self,
        now: Instant,
        found: Result<(IdRange, usize), Unreadable>,
        rng: &mut ChaCha8Rng,
    ) {
        match found {
            Ok((range, bytes)) => self.progress.note_read(range, bytes),
            Err(Unreadable(_)) => self.progress.note_unreadable(now, rng),
        }
    }

    /// Returns what is read for the peer.
    pub(super) fn reads(&mut self) -> &mut PeerReads {
        &mut self.reads
    }

    /// Returns when a backoff ends that keeps something from being sent.
    pub(super) fn next_deadline(&self, durable_end: LogEnd) -> Option<Instant> {
        self.progress.next_wakeup(durable_end).filter(|_| self.is_live)
    }
}
