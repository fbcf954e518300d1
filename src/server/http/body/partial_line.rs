//! The memory of lines of append streams that are not complete.
//!
//! A stream may be silent as long as it likes, also in the middle of a line. But the beginning of a
//! line takes up memory, of which there is little: once it has been idle for as long as a body may
//! be, its memory is on offer, and the next body that finds none takes it.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use acklog_threads::lock;
use acklog_types::Share;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{BODY_IDLE_MAX, BodyLimits};

/// The memory that is on offer, of all streams.
#[derive(Debug, Default)]
pub(super) struct IdleLines(Mutex<IdleLineTable>);

#[derive(Debug, Default)]
struct IdleLineTable {
    next: u64,
    /// By length and number.
    offers: BTreeMap<(usize, u64), IdleLine>,
}

/// The memory of one line, and what is notified when another body takes it.
#[derive(Debug)]
struct IdleLine {
    share: Share,
    taken: Arc<Notify>,
}

/// The place of an idle line among the others. Dropping it frees the memory, unless it was taken.
#[derive(Debug)]
struct Offer {
    all: Arc<IdleLines>,
    place: (usize, u64),
    taken: Arc<Notify>,
}

/// The memory of the line of one stream that is not complete.
#[derive(Debug)]
pub(in crate::server::http) struct PartialLine {
    limits: BodyLimits,
    /// Bytes that the line has.
    bytes: usize,
    memory: Memory,
    /// The time at which it grew last.
    grown: Instant,
    timer: Pin<Box<Sleep>>,
}

#[derive(Debug, Default)]
enum Memory {
    /// There is no line, or its memory was taken.
    #[default]
    Nothing,
    Held(Share),
    Offered(Offer),
}

impl IdleLines {
    /// Frees the memory of the longest line. Returns whether there was one.
    pub(super) fn give_up_one(&self) -> bool {
        let longest = self.table().offers.pop_last();
        if let Some((_, line)) = &longest {
            line.taken.notify_one();
        }
        longest.is_some()
    }

    fn offer(self: &Arc<Self>, bytes: usize, share: Share) -> Offer {
        let taken = Arc::new(Notify::new());
        let mut table = self.table();
        let place = (bytes, table.next);
        table.next += 1;
        table.offers.insert(place, IdleLine { share, taken: taken.clone() });
        drop(table);
        Offer { all: self.clone(), place, taken }
    }

    fn table(&self) -> MutexGuard<'_, IdleLineTable> {
        lock(&self.0)
    }
}

impl Offer {
    /// Takes the memory back; none where another body has it.
    fn withdraw(&self) -> Option<Share> {
        let line = self.all.table().offers.remove(&self.place);
        line.map(|line| line.share)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl PartialLine {
    /// Creates the memory of a stream that has no line yet.
    pub(in crate::server::http) fn new(limits: BodyLimits) -> Self {
        let grown = Instant::now();
        let timer = Box::pin(sleep_until(grown));
        Self { limits, bytes: 0, memory: Memory::Nothing, grown, timer }
    }

    /// Notes that the line has so many bytes. Returns whether there is memory for them; where there
    /// is not, none is held.
    pub(in crate::server::http) fn hold(&mut self, bytes: usize) -> bool {
        let mut share = match std::mem::take(&mut self.memory) {
            Memory::Nothing => None,
            Memory::Held(share) => Some(share),
            Memory::Offered(offer) => match offer.withdraw() {
                Some(share) => Some(share),
                None => return false,
            },
        };
        if !self.limits.hold(&mut share, bytes) {
            return false;
        }
        (self.bytes, self.grown) = (bytes, Instant::now());
        self.memory = share.map_or(Memory::Nothing, Memory::Held);
        true
    }

    /// Frees the memory: the line is complete.
    pub(in crate::server::http) fn release(&mut self) {
        self.memory = Memory::Nothing;
    }

    /// Waits until another body has taken the memory. Cancel safe.
    pub(in crate::server::http) async fn taken(&mut self) {
        loop {
            match &self.memory {
                Memory::Nothing => return pending().await,
                Memory::Offered(offer) => {
                    offer.taken.notified().await;
                    self.memory = Memory::Nothing;
                    return;
                }
                Memory::Held(_) => self.idle().await,
            }
        }
    }

    /// Waits until the line is idle, and puts its memory on offer.
    async fn idle(&mut self) {
        loop {
            self.timer.as_mut().await;
            let due = self.grown + BODY_IDLE_MAX;
            if due <= Instant::now() {
                break;
            }
            // Only now and not for each piece, since that would cost each of them.
            self.timer.as_mut().reset(due);
        }
        if let Memory::Held(share) = std::mem::take(&mut self.memory) {
            self.memory = Memory::Offered(self.limits.idle_lines.offer(self.bytes, share));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_types::Budget;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Returns limits with room for 300,000 bytes, none of them for small bodies.
    fn limits() -> BodyLimits {
        let (small, all) = (Budget::new(0), Budget::new(300_000));
        BodyLimits { small, all, ..BodyLimits::new(1024 * 1024) }
    }

    /// Returns beginnings of lines of 100,000 and 150,000 bytes.
    fn lines(limits: &BodyLimits) -> [PartialLine; 2] {
        [100_000, 150_000].map(|bytes| {
            let mut line = PartialLine::new(limits.clone());
            assert!(line.hold(bytes / 2) && line.hold(bytes));
            line
        })
    }

    /// Returns whether the memory of a line is taken within this time.
    async fn is_taken(line: &mut PartialLine, within: Duration) -> bool {
        timeout(within, line.taken()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_beginning_of_a_line_makes_room_for_a_body_and_no_other_does() {
        let limits = limits();
        let [mut short, mut long] = lines(&limits);
        assert!(!is_taken(&mut short, BODY_IDLE_MAX * 2 / 3).await);
        assert!(!is_taken(&mut long, Duration::ZERO).await);
        assert!(!limits.hold(&mut None, 100_000), "neither is idle for long enough");
        // The short one goes on.
        assert!(short.hold(100_001));
        assert!(!is_taken(&mut short, BODY_IDLE_MAX * 2 / 3).await);
        assert!(!is_taken(&mut long, Duration::ZERO).await);
        assert_eq!(limits.all.used(), 250_001, "nobody needs it yet");
        let mut body = None;
        assert!(limits.hold(&mut body, 100_000));
        assert!(is_taken(&mut long, Duration::ZERO).await);
        assert!(!is_taken(&mut short, Duration::ZERO).await);
        assert_eq!(limits.all.used(), 200_001);
        // What was given up begins anew, as far as there is room.
        assert!(!long.hold(100_000) && long.hold(99_000));
        drop((body, short, long));
        assert_eq!(limits.all.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_line_is_given_up_first_and_one_that_goes_on_is_kept() {
        let limits = limits();
        let [mut short, mut long] = lines(&limits);
        for line in [&mut short, &mut long] {
            assert!(!is_taken(line, BODY_IDLE_MAX).await);
        }
        // It takes its memory back, and then ends.
        assert!(short.hold(100_001));
        let mut body = None;
        assert!(!limits.hold(&mut body, 200_000), "the other one alone is too short");
        assert!(!long.hold(150_001), "its memory is another's, which it learns by asking too");
        assert!(limits.hold(&mut body, 199_999));
        short.release();
        assert!(limits.hold(&mut body, 300_000));
        assert!(!is_taken(&mut short, BODY_IDLE_MAX * 2).await);
        sleep(BODY_IDLE_MAX).await;
        drop(body);
        assert_eq!(limits.all.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_withdraws_what_it_offered() {
        let limits = limits();
        let [mut short, mut long] = lines(&limits);
        assert!(!is_taken(&mut short, BODY_IDLE_MAX).await);
        assert!(!is_taken(&mut long, BODY_IDLE_MAX).await);
        drop((short, long));
        assert_eq!(limits.all.used(), 0);
        assert!(!limits.idle_lines.give_up_one());
    }
}
