//! Pages wait while messages come, so that secondaries that catch up leave the appends most of the time.
//!
//! A page costs more than the node's own work: it is written, read at the other end, checked and stored, on a machine
//! that may be the same. So no rate is set. While messages come, one page is made after the other, and after each there
//! is a rest that is as long as the page took, several times: on a machine that is busy, pages take longer, and so do
//! the rests. Where no messages come, pages do not wait. A peer that hardly gets nearer to the end of the log so, since
//! messages come nearly as fast as its pages, has the next one without a rest before it: appends get slower then, and
//! the secondary gets ready.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acklog_protocol::ReadOrder;
use acklog_threads::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Time of rest for each unit of time that a page took. Less: several secondaries that catch up at once leave appends
/// too little. More: they catch up later than they could.
const RESTS: u32 = 3;

/// A page that takes longer is waited for no longer before the next: it waits for a disk or a slow line, and not
/// for this machine. Shorter: pages come too close where the machine is busy. Longer: one slow line holds the others
/// up.
const SLOT_MAX: Duration = Duration::from_millis(2);

/// Time without an append after which pages do not wait: a client that sends one message after the other sends one
/// within it.
const QUIET: Duration = Duration::from_millis(20);

/// How far a page may be late and the next one come sooner for it: timers have steps of a millisecond.
const LATE_MAX: Duration = Duration::from_millis(2);

/// Messages that a page brings for each that comes meanwhile, at least, where the next one has a rest before it. Fewer:
/// a secondary needs many times as long to become ready. More: appends lose more of their time to it.
const GAIN_MIN: u64 = 2;

/// Says when the next page may be made. A clone is the same one.
#[derive(Clone, Debug)]
pub(in crate::server::node) struct PagePacer(Arc<PacerState>);

#[derive(Debug)]
struct PacerState {
    since: Instant,
    /// When the last append came, in microseconds since `since`; 0: none has.
    appended_us: AtomicU64,
    /// One page at a time, in the order in which they were asked for.
    in_turn: Arc<Semaphore>,
    rest_until: Mutex<Instant>,
}

/// The turn of a page. When it is dropped, the rest begins.
#[derive(Debug)]
pub(super) struct PageSlot {
    pacer: PagePacer,
    began: Instant,
    /// Whether a rest follows.
    rests: bool,
    _permit: OwnedSemaphorePermit,
}

/// Whether what is read for one peer brings it nearer to the end of the log.
#[derive(Debug, Default)]
pub(super) struct Gain {
    /// Where the last read began, and where the log ended then.
    last: Option<(u64, u64)>,
}

impl Gain {
    /// Notes what is read next. Returns whether the peer gained enough by what was read before.
    pub(super) fn is_enough(&mut self, order: ReadOrder) -> bool {
        let now = (order.from.get(), order.until.get());
        let last = self.last.replace(now);
        // One that asks for the same again gains nothing, and is not helped by more of it.
        last.is_none_or(|last| {
            now.0 <= last.0 || (now.1.saturating_sub(last.1)) * GAIN_MIN <= now.0 - last.0
        })
    }
}

impl PagePacer {
    /// No append has come.
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

    /// When nobody is taken to append any more; none: nobody is.
    fn quiet_at(&self) -> Option<Instant> {
        let us = self.0.appended_us.load(Ordering::Relaxed);
        let quiet_at = self.0.since + Duration::from_micros(us) + QUIET;
        (us > 0 && quiet_at > Instant::now()).then_some(quiet_at)
    }

    /// Waits for the turn of a page; none where it need not have one. Where it `rests` it waits for the end of the rest
    /// too, and another follows. Cancel safe.
    pub(super) async fn slot(&self, rests: bool) -> Option<PageSlot> {
        self.quiet_at()?;
        let permit = self.0.in_turn.clone().acquire_owned().await.ok()?;
        while let Some(quiet_at) = self.quiet_at() {
            let rest_until = *lock(&self.0.rest_until);
            if !rests || rest_until <= Instant::now() {
                return Some(PageSlot {
                    pacer: self.clone(),
                    began: Instant::now(),
                    rests,
                    _permit: permit,
                });
            }
            sleep_until(rest_until.min(quiet_at)).await;
        }
        None
    }
}

impl PageSlot {
    /// When it is over at the latest.
    pub(super) fn end(&self) -> Instant {
        self.began + SLOT_MAX
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        if !self.rests {
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

    /// Appends and takes a turn of that long. Returns how long it was waited for.
    async fn page(pacer: &PagePacer, long: Duration) -> Duration {
        pacer.note_append();
        let asked = Instant::now();
        let slot = pacer.slot(true).await.unwrap();
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
        assert!(pacer.slot(true).await.is_none(), "none ever came");
        // Long rests are owed; the last append is long ago before they are over.
        page(&pacer, MS).await;
        *pacer.0.rest_until.lock().unwrap() = Instant::now() + 10 * QUIET;
        let asked = Instant::now();
        assert!(pacer.slot(true).await.is_none());
        assert!(asked.elapsed() <= QUIET + MS);
    }

    #[tokio::test]
    async fn all_peers_get_to_the_end_of_a_log_that_grows_faster_than_pages_with_rests_come() {
        pause();
        let (pacer, begun) = (PagePacer::new(), Instant::now());
        // Three messages a millisecond; a page of 100 takes one. With rests, 16 peers get one in 64 ms each.
        let end = || 10_000 + 3 * begun.elapsed().as_millis() as u64;
        let mut peers: VecDeque<_> = (0..16).map(|_| (0, Gain::default())).collect();
        for _ in 0..10_000 {
            let Some((from, mut gain)) = peers.pop_front() else { return };
            let until = end();
            pacer.note_append();
            let (begins, ends) = (LogEnd::new(from), LogEnd::new(until));
            let order = ReadOrder { from: begins, until: ends, max_bytes: 1 };
            let slot = pacer.slot(gain.is_enough(order)).await.unwrap();
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
        assert!(gain.is_enough(order(0, 1000)), "nothing is known yet");
        assert!(gain.is_enough(order(100, 1050)));
        assert!(!gain.is_enough(order(200, 1101)));
        assert!(gain.is_enough(order(200, 2000)), "asked again");
        assert!(gain.is_enough(order(100, 3000)));
    }

    #[tokio::test]
    async fn a_page_that_waits_for_a_disk_holds_the_others_up_for_a_moment_only() {
        pause();
        let pacer = PagePacer::new();
        page(&pacer, Duration::from_secs(60)).await;
        assert!(page(&pacer, MS).await <= SLOT_MAX * (1 + RESTS));
    }
}
