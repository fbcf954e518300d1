//! Paces catch-up reads while messages are appended, so that appends keep most of the time.
//!
//! A page costs more than the node's own work: it is written, read at the other end, checked and
//! stored, on a machine that may be the same. So no rate is set. While messages are appended, one
//! page is made after the other, and after each there is a rest of several times the time that the
//! page took: on a busy machine pages take longer, and so do the rests. Without appends, pages do
//! not wait. A peer that hardly gains on the end of the log, since messages are appended nearly as
//! fast as its pages arrive, gets the next one without a rest before it: appends get slower then,
//! and the secondary becomes ready.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acklog_protocol::ReadOrder;
use acklog_threads::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Rest for each unit of time that a page took. Less: several secondaries that catch up at once
/// leave appends too little time. More: they catch up later than they could.
const RESTS: u32 = 3;

/// Longest time that a page is charged for: one that takes longer waits for a disk or a slow line,
/// and not for this machine. Shorter: pages follow too closely on a busy machine. Longer: one slow
/// line delays the others.
const SLOT_MAX: Duration = Duration::from_millis(2);

/// Time without an append after which pages do not wait: a client that sends one message after the
/// other sends one within it.
const QUIET: Duration = Duration::from_millis(20);

/// Most time by which a page that is late lets the next one start sooner: timers have steps of a
/// millisecond.
const LATE_MAX: Duration = Duration::from_millis(2);

/// Least number of messages that a page brings for each one appended meanwhile, where the next page
/// has a rest before it. Fewer: a secondary needs many times as long to become ready. More: appends
/// lose more of their time to it.
const GAIN_MIN: u64 = 2;

/// Decides when the next page may be made. A clone is the same pacer.
#[derive(Clone, Debug)]
pub(in crate::server::node) struct PagePacer(Arc<PacerState>);

#[derive(Debug)]
struct PacerState {
    since: Instant,
    /// Time of the last append, in microseconds since `since`; 0: there was none.
    appended_us: AtomicU64,
    /// Grants one page at a time, in the order of the requests.
    in_turn: Arc<Semaphore>,
    rest_until: Mutex<Instant>,
}

/// The slot of one page. The rest begins when it is dropped.
#[derive(Debug)]
pub(super) struct PageSlot {
    pacer: PagePacer,
    began: Instant,
    rest: Rest,
    _permit: OwnedSemaphorePermit,
}

/// Whether a page has a rest: it then waits for the last one to end, and another one follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It has a rest, so that appends keep their time.
    Taken,
    /// It has none, so that the peer becomes ready.
    Skipped,
}

/// The progress of one peer towards the end of the log by what is read for it.
#[derive(Debug, Default)]
pub(super) struct Gain {
    /// The position at which the last read began, and the log's end at that time.
    last: Option<(u64, u64)>,
}

impl Gain {
    /// Records the next read. Returns whether it has a rest: the peer gained enough by the last
    /// one.
    pub(super) fn rest_of(&mut self, order: ReadOrder) -> Rest {
        let now = (order.from.get(), order.until.get());
        let last = self.last.replace(now);
        // A peer that asks for the same again gains nothing, and more of it does not help.
        let has_gained = last.is_none_or(|last| {
            now.0 <= last.0 || (now.1.saturating_sub(last.1)) * GAIN_MIN <= now.0 - last.0
        });
        if has_gained { Rest::Taken } else { Rest::Skipped }
    }
}

impl PagePacer {
    /// Creates a pacer that has seen no append.
    pub(super) fn new() -> Self {
        let since = Instant::now();
        Self(Arc::new(PacerState {
            since,
            appended_us: AtomicU64::new(0),
            in_turn: Arc::new(Semaphore::new(1)),
            rest_until: Mutex::new(since),
        }))
    }

    /// Notes that messages were appended.
    pub(in crate::server::node) fn note_append(&self) {
        let us = self.0.since.elapsed().as_micros() as u64;
        self.0.appended_us.store(us.max(1), Ordering::Relaxed);
    }

    /// Returns when appends count as having stopped; none where they have.
    fn quiet_at(&self) -> Option<Instant> {
        let us = self.0.appended_us.load(Ordering::Relaxed);
        let quiet_at = self.0.since + Duration::from_micros(us) + QUIET;
        (us > 0 && quiet_at > Instant::now()).then_some(quiet_at)
    }

    /// Waits for the slot of a page; none where it needs none. Where it has a
    /// rest, it waits for the end of the last one too, and another one follows. Cancel safe.
    pub(super) async fn slot(&self, rest: Rest) -> Option<PageSlot> {
        self.quiet_at()?;
        let permit = self.0.in_turn.clone().acquire_owned().await.ok()?;
        while let Some(quiet_at) = self.quiet_at() {
            let rest_until = *lock(&self.0.rest_until);
            if rest == Rest::Skipped || rest_until <= Instant::now() {
                return Some(PageSlot {
                    pacer: self.clone(),
                    began: Instant::now(),
                    rest,
                    _permit: permit,
                });
            }
            sleep_until(rest_until.min(quiet_at)).await;
        }
        None
    }
}

impl PageSlot {
    /// Returns the time at which it ends at the latest.
    pub(super) fn end(&self) -> Instant {
        self.began + SLOT_MAX
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        if self.rest == Rest::Skipped {
            return;
        }
        let took = self.began.elapsed().min(SLOT_MAX);
        let mut rest_until = lock(&self.pacer.0.rest_until);
        let due = (*rest_until).max(self.began.checked_sub(LATE_MAX).unwrap_or(self.began));
        *rest_until = due + took * (1 + RESTS);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use acklog_types::LogEnd;
    use tokio::time::{advance, pause};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Appends, and holds a slot for that long. Returns how long it was waited for.
    async fn page(pacer: &PagePacer, long: Duration) -> Duration {
        pacer.note_append();
        let asked = Instant::now();
        let slot = pacer.slot(Rest::Taken).await.unwrap();
        let waited = asked.elapsed();
        advance(long).await;
        drop(slot);
        waited
    }

    #[tokio::test]
    async fn after_a_page_there_is_a_rest_while_messages_come() {
        pause();
        let pacer = PagePacer::new();
        advance(MS).await;
        assert!(page(&pacer, MS).await <= MS);
        for _ in 0..20 {
            page(&pacer, MS).await;
        }
        let begun = Instant::now();
        for _ in 0..20 {
            page(&pacer, MS).await;
        }
        let (took, rests) = (20 * MS, begun.elapsed() - 20 * MS);
        assert!(rests >= took * (RESTS - 1) && rests <= took * (RESTS + 1), "{rests:?}");
    }

    #[tokio::test]
    async fn where_no_message_comes_pages_do_not_wait() {
        pause();
        let pacer = PagePacer::new();
        assert!(pacer.slot(Rest::Taken).await.is_none(), "none ever came");
        // Long rests are due; the last append is long ago before they are over.
        page(&pacer, MS).await;
        *pacer.0.rest_until.lock().unwrap() = Instant::now() + 10 * QUIET;
        let asked = Instant::now();
        assert!(pacer.slot(Rest::Taken).await.is_none());
        assert!(asked.elapsed() <= QUIET + MS);
    }

    #[tokio::test]
    async fn all_peers_get_to_the_end_of_a_log_that_grows_faster_than_pages_with_rests_come() {
        pause();
        let (pacer, begun) = (PagePacer::new(), Instant::now());
        // Three messages a millisecond; a page of 100 takes one. With rests, 16 peers get one in 64
        // ms each.
        let end = || 10_000 + 3 * begun.elapsed().as_millis() as u64;
        let mut peers: VecDeque<_> = (0..16).map(|_| (0, Gain::default())).collect();
        for _ in 0..10_000 {
            let Some((from, mut gain)) = peers.pop_front() else { return };
            let until = end();
            pacer.note_append();
            let (begins, ends) = (LogEnd::new(from), LogEnd::new(until));
            let order = ReadOrder { from: begins, until: ends, max_bytes: 1 };
            let slot = pacer.slot(gain.rest_of(order)).await.unwrap();
            advance(MS).await;
            drop(slot);
            if from + 100 < until {
                peers.push_back((from + 100, gain));
            }
        }
        panic!("they never get there: {peers:?}");
    }

    #[tokio::test]
    async fn a_peer_that_gains_on_the_log_leaves_appends_their_time() {
        let order = |from, until| {
            let (from, until) = (LogEnd::new(from), LogEnd::new(until));
            ReadOrder { from, until, max_bytes: 1 }
        };
        let mut gain = Gain::default();
        assert_eq!(gain.rest_of(order(0, 1000)), Rest::Taken, "nothing is known yet");
        assert_eq!(gain.rest_of(order(100, 1050)), Rest::Taken);
        assert_eq!(gain.rest_of(order(200, 1101)), Rest::Skipped);
        assert_eq!(gain.rest_of(order(200, 2000)), Rest::Taken, "asked again");
        assert_eq!(gain.rest_of(order(100, 3000)), Rest::Taken);
    }

    #[tokio::test]
    async fn a_page_that_waits_for_a_disk_holds_the_others_up_for_a_moment_only() {
        pause();
        let pacer = PagePacer::new();
        page(&pacer, Duration::from_secs(60)).await;
        assert!(page(&pacer, MS).await <= SLOT_MAX * (1 + RESTS));
    }
}
