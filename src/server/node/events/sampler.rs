//! A bound on the events of messages and frames: above it only some messages are followed.

use std::time::{Duration, Instant};

use acklog_types::IdRange;

/// Most events of messages and frames in a second. Fewer: less is seen of a busy node. More:
/// listening costs the node more, and a page cannot draw them.
const EVENTS_MAX: u32 = 2000;

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

/// Chooses the events of messages and frames that are recorded.
///
/// Of a busy node every k-th message is followed, with all of its events: an event is recorded if
/// one of its messages has an id that k divides. k is a power of two, so a message that is followed
/// at a larger k was followed at each smaller one, and on nodes that chose other ones.
#[derive(Debug)]
pub(super) struct Sampler {
    began: Instant,
    recorded: u32,
    left_out: u64,
    every: u64,
    /// The number of events at which fewer messages are followed. Each time it comes nearer to the
    /// bound by half.
    raise_at: u32,
}

impl Sampler {
    /// Creates a sampler that follows all messages.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, recorded: 0, left_out: 0, every: 1, raise_at: EVENTS_MAX / 2 }
    }

    /// Decides whether an event about these messages is recorded; one about none is, within the
    /// bound.
    pub(super) fn keep(&mut self, ids: Option<IdRange>) -> bool {
        let is_followed = ids.filter(|ids| !ids.is_empty()).is_none_or(|ids| {
            let followed = ids.start().get().checked_next_multiple_of(self.every);
            followed.is_some_and(|id| id < ids.end().get())
        });
        if !is_followed || self.recorded == EVENTS_MAX {
            self.left_out += 1;
            return false;
        }
        self.recorded += 1;
        if self.recorded == self.raise_at {
            self.every = self.every.saturating_mul(2).min(1 << 32);
            self.raise_at += (EVENTS_MAX - self.raise_at).div_ceil(2);
        }
        true
    }

    /// Begins the next second, if this one is over. Returns what was left out in it, if anything
    /// was.
    pub(super) fn roll(&mut self, now: Instant) -> Option<LeftOut> {
        if now.saturating_duration_since(self.began) < WINDOW {
            return None;
        }
        let left_out = LeftOut { count: self.left_out, every: self.every };
        // So many that half the bound is enough, if each event is about one message. Where events
        // are about many, fewer are followed as the second goes on.
        let events = u64::from(self.recorded) + self.left_out;
        let every = events.div_ceil(u64::from(EVENTS_MAX / 2)).next_power_of_two();
        *self = Self { every, ..Self::new(now) };
        Some(left_out).filter(|left_out| left_out.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::LogEnd;

    use super::*;

    fn ids(start: u64, end: u64) -> Option<IdRange> {
        Some(IdRange::new(LogEnd::new(start), LogEnd::new(end)))
    }

    /// Lets `messages` single messages pass, each with two events, from this id on. Returns those
    /// that were recorded whole, and the number of events that were recorded.
    fn pass(sampler: &mut Sampler, from: u64, messages: u64) -> (Vec<u64>, u64) {
        let (mut whole, mut recorded) = (Vec::new(), 0);
        for id in from..from + messages {
            let kept = [sampler.keep(ids(id, id + 1)), sampler.keep(ids(id, id + 1))];
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
        assert_eq!(pass(&mut sampler, 0, 400).1, 800, "all of them");
        assert_eq!(sampler.roll(start + WINDOW / 2), None, "the second is not over");
        assert_eq!(sampler.roll(start + WINDOW), None, "nothing was left out");
        let mut told = Vec::new();
        for second in 2..12 {
            let (_, recorded) = pass(&mut sampler, 0, 50_000);
            assert!(recorded <= u64::from(EVENTS_MAX), "{recorded} events in a second");
            let left_out = sampler.roll(start + second * WINDOW).unwrap();
            assert_eq!(recorded + left_out.count, 100_000);
            told.push(left_out.every);
        }
        let every = *told.last().unwrap();
        assert_eq!(every, 128, "half the bound is enough for that");
        assert!(told.iter().skip(1).all(|&told| told == every), "{told:?}");
        let (whole, recorded) = pass(&mut sampler, 0, 50_000);
        let followed: Vec<u64> = (0..50_000).filter(|id| id % every == 0).collect();
        assert_eq!(whole, followed, "each of them with all its events");
        assert_eq!(recorded, 2 * followed.len() as u64);
        for second in 12..60 {
            sampler.roll(start + second * WINDOW);
        }
        assert_eq!(pass(&mut sampler, 7, 1).1, 2, "calm again, and seen whole");
    }

    #[test]
    fn a_run_is_recorded_where_a_message_of_it_is_followed() {
        let mut sampler = Sampler { every: 8, ..Sampler::new(Instant::now()) };
        assert!(sampler.keep(ids(5, 9)) && sampler.keep(ids(8, 9)) && sampler.keep(None));
        assert!(sampler.keep(ids(9, 9)), "an empty page");
        assert!(!sampler.keep(ids(9, 16)) && !sampler.keep(ids(u64::MAX - 1, u64::MAX)));
    }

    #[test]
    fn what_names_no_message_is_bounded_too() {
        let mut sampler = Sampler::new(Instant::now());
        let kept = (0..10_000).filter(|_| sampler.keep(None)).count();
        assert_eq!(kept, EVENTS_MAX as usize);
    }
}
