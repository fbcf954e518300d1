//! A bound on the events of messages and frames: above it only some messages are followed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::IdRange;

/// Most events of messages and frames in a second, whenever it begins. Fewer: less is seen of a
/// busy node. More: listening costs the node more, and a page cannot draw them.
pub(super) const EVENTS_MAX: usize = 2000;

/// A node is busy from this sum on: for each event of a second, the number of messages that it is
/// about ([`COUNTED_MAX`] at most). Lower: less is seen of a node that has time to tell more.
/// Higher: whoever listens takes time from a node that needs it for its senders.
const BUSY_FROM: u64 = 20_000;

/// Most messages of one event that count for that: a page with which a secondary catches up is not
/// much work.
const COUNTED_MAX: u64 = 256;

/// Events that are enough in a second of a busy node: the journeys of half a dozen messages, as
/// many as a page draws. Fewer: little is seen. More: each costs the node, the master that relays
/// it, and the page.
const ENOUGH_WHEN_BUSY: u64 = 50;

/// The largest number of messages of which one is followed.
const EVERY_MAX: u64 = 1 << 32;

/// The factor by which fewer messages are followed each time that the bound comes nearer by half.
/// 2: on a busy node the bound is reached, and what comes then is cut off. More: less is seen of
/// the second in which a node becomes busy.
const RAISE_FACTOR: u64 = 4;

/// The time that the bound is about.
const WINDOW: Duration = Duration::from_secs(1);

/// What was left out in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// The number of events.
    pub(super) count: u64,
    /// Of so many messages one is followed.
    pub(super) every: u64,
}

/// The events of a second, by the number of messages that each is about.
#[derive(Debug)]
struct EventCounts {
    /// At n the number of events about at most 2^n messages, and more than 2^(n-1).
    by_length: [u64; 65],
    /// The messages that they are about, of each at most [`COUNTED_MAX`].
    messages: u64,
}

impl Default for EventCounts {
    fn default() -> Self {
        Self { by_length: [0; 65], messages: 0 }
    }
}

impl EventCounts {
    /// Adds an event about so many messages, one at least.
    fn add(&mut self, messages: u64) {
        let length = u64::BITS - messages.saturating_sub(1).leading_zeros();
        if let Some(count) = self.by_length.get_mut(length as usize) {
            *count += 1;
        }
        self.messages += messages.min(COUNTED_MAX);
    }

    /// Returns the number of messages of which one is to be followed, so that of as many events in
    /// the next second enough are recorded, and no more.
    fn every(&self) -> u64 {
        let half = EVENTS_MAX as u64 / 2;
        let all: u64 = self.by_length.iter().sum();
        if all <= half {
            return 1;
        }
        let enough = if self.messages < BUSY_FROM { half } else { ENOUGH_WHEN_BUSY };
        let recorded = |shift: usize| -> u64 {
            let each = |(length, count): (usize, &u64)| match shift.checked_sub(length) {
                // An event about n messages is recorded n times in `every`.
                Some(less) => count.div_ceil(1 << less),
                None => *count,
            };
            self.by_length.iter().enumerate().map(each).sum()
        };
        let most = EVERY_MAX.trailing_zeros() as usize;
        1 << (0..most).find(|&shift| recorded(shift) <= enough).unwrap_or(most)
    }
}

/// Chooses the events of messages and frames that are recorded.
///
/// Of a busy node every k-th message is followed, with all of its events: an event is recorded if
/// one of its messages has an id that k divides. k is a power of two, so a message that is followed
/// at a larger k was followed at each smaller one, and on nodes that chose other ones.
#[derive(Debug)]
pub(super) struct Sampler {
    began: Instant,
    /// The times of the events that were recorded in the last second.
    recorded: VecDeque<Instant>,
    /// The events since `began`.
    events: EventCounts,
    /// Those of them that were not recorded.
    left_out: u64,
    every: u64,
    /// The number of events in a second at which fewer messages are followed. Each time it comes
    /// nearer to the bound by half.
    raise_at: usize,
}

impl Sampler {
    /// Creates a sampler that follows all messages.
    pub(super) fn new(now: Instant) -> Self {
        let recorded = VecDeque::with_capacity(EVENTS_MAX);
        let raise_at = EVENTS_MAX / 2;
        Self {
            began: now,
            recorded,
            events: EventCounts::default(),
            left_out: 0,
            every: 1,
            raise_at,
        }
    }

    /// Returns whether an event about these messages belongs to one that is followed; one about
    /// none does. Otherwise it is left out. Without a look at a clock, since most events of a busy
    /// node end here.
    pub(super) fn follows(&mut self, ids: Option<IdRange>) -> bool {
        let ids = ids.filter(|ids| !ids.is_empty());
        self.events.add(ids.map_or(1, IdRange::len));
        let is_followed = ids.is_none_or(|ids| {
            let followed = ids.start().get().checked_next_multiple_of(self.every);
            followed.is_some_and(|id| id < ids.end().get())
        });
        self.left_out += u64::from(!is_followed);
        is_followed
    }

    /// Goes on after a time in which nobody listened. What was left out before is not missed by
    /// those who listen now, but what was recorded counts for the bound: a reader that comes again
    /// and again gets no more than one that stays.
    pub(super) fn go_on(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= 2 * WINDOW {
            // It says nothing about the next second.
            self.events = EventCounts::default();
        }
        self.forget_old(now);
        self.roll(now);
        self.left_out = 0;
    }

    /// Forgets the events that were recorded before the last second.
    fn forget_old(&mut self, now: Instant) {
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
        while self.recorded.front().is_some_and(is_over) {
            self.recorded.pop_front();
        }
    }

    /// Decides whether an event that is followed is recorded at this time: within the bound.
    pub(super) fn keep(&mut self, now: Instant) -> bool {
        self.forget_old(now);
        if self.recorded.len() == EVENTS_MAX {
            self.left_out += 1;
            return false;
        }
        self.recorded.push_back(now);
        if self.recorded.len() >= self.raise_at {
            self.every = (self.every * RAISE_FACTOR).min(EVERY_MAX);
            self.raise_at = self.next_raise();
        }
        true
    }

    /// Returns the number of events halfway between those of the last second and the bound.
    fn next_raise(&self) -> usize {
        let recorded = self.recorded.len();
        recorded + (EVENTS_MAX - recorded).div_ceil(2)
    }

    /// Begins the next second, if this one is over. Returns what was left out in it, if anything
    /// was.
    pub(super) fn roll(&mut self, now: Instant) -> Option<LeftOut> {
        if now.saturating_duration_since(self.began) < WINDOW {
            return None;
        }
        let left_out = LeftOut { count: std::mem::take(&mut self.left_out), every: self.every };
        self.every = std::mem::take(&mut self.events).every();
        self.began = now;
        self.raise_at = self.next_raise().max(EVENTS_MAX / 2);
        Some(left_out).filter(|left_out| left_out.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use acklog_types::LogEnd;

    use super::*;

    fn keep(sampler: &mut Sampler, now: Instant, ids: Option<IdRange>) -> bool {
        sampler.follows(ids) && sampler.keep(now)
    }

    fn ids(start: u64, end: u64) -> Option<IdRange> {
        Some(IdRange::new(LogEnd::new(start), LogEnd::new(end)))
    }

    /// Lets `messages` single messages pass at a time, each with two events, from this id on.
    /// Returns those that were recorded whole, and the number of events that were recorded.
    fn pass(sampler: &mut Sampler, now: Instant, from: u64, messages: u64) -> (Vec<u64>, u64) {
        let (mut whole, mut recorded) = (Vec::new(), 0);
        for id in from..from + messages {
            let kept = [(), ()].map(|()| keep(sampler, now, ids(id, id + 1)));
            recorded += kept.iter().filter(|&&kept| kept).count() as u64;
            if kept == [true, true] {
                whole.push(id);
            }
        }
        (whole, recorded)
    }

    #[test]
    fn a_calm_node_is_seen_whole_and_a_busy_one_within_the_bound() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        assert_eq!(pass(&mut sampler, start, 0, 400).1, 800, "all of them");
        assert_eq!(sampler.roll(start + WINDOW / 2), None, "the second is not over");
        assert_eq!(sampler.roll(start + WINDOW), None, "nothing was left out");
        let mut told = Vec::new();
        for second in 1..11 {
            let (_, recorded) = pass(&mut sampler, start + second * WINDOW, 0, 50_000);
            assert!(recorded <= EVENTS_MAX as u64, "{recorded} events in a second");
            let left_out = sampler.roll(start + (second + 1) * WINDOW).unwrap();
            assert_eq!(recorded + left_out.count, 100_000);
            told.push(left_out.every);
        }
        let every = *told.last().unwrap();
        assert_eq!(every, 2048, "fifty events are enough for that");
        assert!(told.iter().skip(1).all(|&told| told == every), "{told:?}");
        let (whole, recorded) = pass(&mut sampler, start + 11 * WINDOW, 0, 50_000);
        let followed: Vec<u64> = (0..50_000).filter(|id| id % every == 0).collect();
        assert_eq!(whole, followed, "each of them with all its events");
        assert_eq!(recorded, 2 * followed.len() as u64);
        for second in 12..60 {
            sampler.roll(start + second * WINDOW);
        }
        assert_eq!(pass(&mut sampler, start + 60 * WINDOW, 7, 1).1, 2, "calm again, seen whole");
    }

    /// The events of each message.
    const STEPS: u64 = 5;

    /// Lets messages pass that begin at these times in microseconds, each with five events a
    /// millisecond apart. Returns the times of the recorded events, and for each second that was
    /// told of how many messages of its middle part should be there whole, and how many are.
    fn run(begins: &[u64]) -> (Vec<u64>, Vec<(usize, usize)>) {
        let mut events: Vec<(u64, u64)> = Vec::new();
        for (id, begin) in begins.iter().enumerate() {
            events.extend((0..STEPS).map(|step| (begin + 1000 * step, id as u64)));
        }
        events.sort_unstable();
        let start = Instant::now();
        let (mut sampler, mut times, mut whole) = (Sampler::new(start), Vec::new(), Vec::new());
        let (mut recorded, mut from) = (HashMap::new(), 0);
        for (at, id) in events {
            let now = start + Duration::from_micros(at);
            if keep(&mut sampler, now, ids(id, id + 1)) {
                times.push(at);
                *recorded.entry(id).or_insert(0) += 1;
            }
            let began = sampler.began;
            let left_out = sampler.roll(now);
            if sampler.began != began {
                let every = left_out.map_or(1, |left_out| left_out.every);
                let is_inside = |id: &u64| {
                    let begin = begins[*id as usize];
                    begin > from && begin + 1000 * STEPS <= at && id.is_multiple_of(every)
                };
                let followed: Vec<u64> = (0..begins.len() as u64).filter(is_inside).collect();
                let count = followed.iter().filter(|id| recorded.get(id) == Some(&STEPS)).count();
                whole.push((followed.len(), count));
                from = at;
            }
        }
        (times, whole)
    }

    #[test]
    fn no_second_has_more_than_the_bound_whenever_it_begins_and_what_is_followed_is_whole() {
        // Calm, then from just before the end of a second on so many messages a second.
        for rate in [300, 1000, 10_000, 40_000] {
            let calm = (0..95).map(|n| n * 10_000);
            let busy = (0..rate * 4).map(|n| 950_000 + n * 1_000_000 / rate);
            let begins: Vec<u64> = calm.chain(busy).collect();
            let (times, whole) = run(&begins);
            let densest = times.windows(EVENTS_MAX + 1).map(|times| times[EVENTS_MAX] - times[0]);
            assert!(densest.min().is_none_or(|span| span >= 1_000_000), "{rate} a second");
            // Of a busy node little is told, once it is known to be busy.
            let least = if STEPS * rate < BUSY_FROM { 2500 } else { 1200 };
            assert!(times.len() > least, "{rate} a second: {}", times.len());
            assert!(whole.len() >= 4);
            for (followed, whole) in whole {
                assert_eq!(followed, whole, "{rate} a second");
            }
        }
    }

    #[test]
    fn who_listens_again_and_again_gets_no_more_than_the_bound() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        let recorded: u64 = (0..10)
            .map(|turn| {
                let now = start + turn * WINDOW / 10;
                sampler.go_on(now);
                pass(&mut sampler, now, u64::from(turn) * 1500, 1500).1
            })
            .sum();
        assert!(recorded > 1000 && recorded <= EVENTS_MAX as u64, "{recorded} events");
        sampler.go_on(start + WINDOW);
        assert!(sampler.every >= 256, "it is known to be busy");
        assert_eq!(sampler.roll(start + 2 * WINDOW), None, "who listens now missed nothing");
    }

    #[test]
    fn who_listens_after_a_long_time_sees_a_node_that_was_busy_whole() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        pass(&mut sampler, start, 0, 50_000);
        let now = start + 3600 * WINDOW;
        sampler.go_on(now);
        assert_eq!(pass(&mut sampler, now, 7, 400), ((7..407).collect(), 800));
        assert_eq!(sampler.raise_at, EVENTS_MAX / 2);
    }

    #[test]
    fn a_run_is_recorded_where_a_message_of_it_is_followed() {
        let now = Instant::now();
        let mut sampler = Sampler { every: 8, ..Sampler::new(now) };
        assert!(keep(&mut sampler, now, ids(5, 9)) && keep(&mut sampler, now, ids(8, 9)));
        assert!(
            keep(&mut sampler, now, None) && keep(&mut sampler, now, ids(9, 9)),
            "an empty page"
        );
        assert!(
            !keep(&mut sampler, now, ids(9, 16))
                && !keep(&mut sampler, now, ids(u64::MAX - 1, u64::MAX))
        );
    }

    #[test]
    fn a_node_whose_events_are_about_many_messages_follows_as_few_as_the_others() {
        let start = Instant::now();
        let mut sampler = Sampler::new(start);
        // As a secondary that gets 64,000 messages in 2,000 runs, each received and stored.
        let second = |sampler: &mut Sampler, now: Instant| {
            let runs = (0..2000).map(|run| ids(run * 32, run * 32 + 32));
            let events = runs.flat_map(|ids| [ids, ids]);
            events.filter(|&ids| keep(sampler, now, ids)).count()
        };
        assert!(second(&mut sampler, start) > 500, "it is not known to be busy yet");
        sampler.roll(start + WINDOW);
        assert_eq!(second(&mut sampler, start + 2 * WINDOW), 32, "one message of 4096");
        // A page with which a secondary catches up makes no node busy.
        let mut sampler = Sampler::new(start);
        for id in 0..1001 {
            sampler.follows(ids(id, id + 1));
        }
        for page in 0..2 {
            sampler.follows(ids(page * 10_000, (page + 1) * 10_000));
        }
        sampler.roll(start + WINDOW);
        assert_eq!(sampler.every, 2);
        // A few long runs need no choice.
        let mut sampler = Sampler::new(start);
        assert!((0..1000).all(|run| keep(&mut sampler, start, ids(run * 100, run * 100 + 100))));
        sampler.roll(start + WINDOW);
        assert!((0..999).all(|run| keep(&mut sampler, start + WINDOW, ids(run, run + 1))));
    }

    #[test]
    fn what_names_no_message_is_bounded_too() {
        let now = Instant::now();
        let mut sampler = Sampler::new(now);
        let kept = (0..10_000).filter(|_| keep(&mut sampler, now, None)).count();
        assert_eq!(kept, EVENTS_MAX);
    }
}
