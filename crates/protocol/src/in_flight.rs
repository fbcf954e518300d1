//! The table of requests of one connection and direction that wait for a response.
//!
//! Six verbs, after tarpc's table of the same name: make, complete, expire, postpone, drain, and
//! the next deadline. It has no timer and no channel: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::RequestId;

/// Requests that are over and remembered for answers that come late: the last ones that were given
/// up, and as many that were answered. Fewer: events of answers that come later or twice name no
/// messages. More: memory, 56 bytes each for every connection.
const PAST_MAX: usize = 128;

/// The requests of one connection and direction that wait for a response, each with its subject.
///
/// Invariants: numbers and deadlines only grow, because every request has the same timeout; a
/// number is used once.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    timeout: Duration,
    next: u64,
    pending: VecDeque<PendingRequest<T>>,
    given_up: PastRequests<T>,
    answered: PastRequests<T>,
}

#[derive(Debug)]
struct PendingRequest<T> {
    id: RequestId,
    made_at: Instant,
    /// The time at which its timeout began. Later than `made_at` if its frame was on its way for
    /// long.
    since: Instant,
    /// The subject; none once completed. Entries leave the queue from the front.
    what: Option<T>,
}

/// The last requests that are over, with their subjects.
#[derive(Debug)]
struct PastRequests<T>(VecDeque<(RequestId, T)>);

impl<T: Copy> PastRequests<T> {
    fn push(&mut self, id: RequestId, what: T) {
        if self.0.len() == PAST_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, what));
    }

    fn find(&self, id: RequestId) -> Option<T> {
        self.0.iter().rev().find(|past| past.0 == id).map(|past| past.1)
    }
}

/// The request that a response belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completed<T> {
    /// A request that was waiting for it.
    InTime {
        /// The request's subject.
        what: T,
        /// Time since the request was made.
        took: Duration,
    },
    /// A request that timed out before, or was answered before. The content of the response may
    /// still count.
    Late {
        /// The request's subject; none where it is forgotten.
        what: Option<T>,
    },
    /// A request that was never made: the peer is broken.
    Unknown,
}

impl<T: Copy> InFlight<T> {
    /// Creates an empty table whose requests time out after `timeout`.
    pub(super) fn new(timeout: Duration) -> Self {
        let past = || PastRequests(VecDeque::new());
        Self { timeout, next: 0, pending: VecDeque::new(), given_up: past(), answered: past() }
    }

    /// Adds a request. Returns its number.
    ///
    /// # Panics
    /// If `now` lies before the `now` of an earlier request.
    pub(super) fn make(&mut self, now: Instant, what: T) -> RequestId {
        let id = RequestId::new(self.next);
        self.next += 1;
        assert!(self.pending.back().is_none_or(|last| last.since <= now), "time went back");
        self.pending.push_back(PendingRequest { id, made_at: now, since: now, what: Some(what) });
        id
    }

    /// Removes the request that a response belongs to.
    pub(super) fn complete(&mut self, now: Instant, id: RequestId) -> Completed<T> {
        if id.get() >= self.next {
            return Completed::Unknown;
        }
        let index = self.pending.binary_search_by_key(&id, |pending| pending.id).ok();
        let pending = index.and_then(|index| self.pending.get_mut(index));
        let completed = pending.and_then(|pending| Some((pending.what.take()?, pending.made_at)));
        let Some((what, made_at)) = completed else {
            return Completed::Late { what: self.recall(id) };
        };
        self.answered.push(id, what);
        self.drop_completed();
        Completed::InTime { what, took: now.saturating_duration_since(made_at) }
    }

    /// Returns the subject of a request that still waits for its response.
    pub(super) fn get(&self, id: RequestId) -> Option<&T> {
        let index = self.pending.binary_search_by_key(&id, |pending| pending.id).ok()?;
        self.pending.get(index)?.what.as_ref()
    }

    /// Returns the subject of a request that waits for its response or is remembered.
    pub(super) fn recall(&self, id: RequestId) -> Option<T> {
        let past = || self.given_up.find(id).or_else(|| self.answered.find(id));
        self.get(id).copied().or_else(past)
    }

    /// Removes one request that has timed out. Call until it returns none.
    #[must_use]
    pub(super) fn expire(&mut self, now: Instant) -> Option<(RequestId, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        let mut front = self.pending.pop_front()?;
        self.drop_completed();
        let what = front.what.take()?;
        self.given_up.push(front.id, what);
        Some((front.id, what))
    }

    /// Restarts the timeout of `first` and of all requests behind it: the frame of `first` is still
    /// on its way, and so are those behind it.
    pub(super) fn postpone(&mut self, first: RequestId, now: Instant) {
        let later = self.pending.iter_mut().rev().take_while(|pending| pending.id >= first);
        for pending in later {
            pending.since = pending.since.max(now);
        }
    }

    /// Returns the number of the next request.
    pub(super) fn next_id(&self) -> RequestId {
        RequestId::new(self.next)
    }

    /// Removes the requests made before `end` whose subject matches. A response to one of them
    /// comes late.
    pub(super) fn drain(&mut self, end: RequestId, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let before = self.pending.iter_mut().take_while(|pending| pending.id < end);
        let taken = |it: &mut PendingRequest<T>| {
            let what = it.what.take_if(|what| matches(what))?;
            self.given_up.push(it.id, what);
            Some(what)
        };
        let drained = before.filter_map(taken).collect();
        self.drop_completed();
        drained
    }

    /// Returns when the next request times out.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.front().map(|front| front.since + self.timeout)
    }

    /// Returns how many waiting requests have a subject that matches.
    pub(super) fn count(&self, matches: impl Fn(&T) -> bool) -> usize {
        let waiting = self.pending.iter().filter_map(|pending| pending.what.as_ref());
        waiting.filter(|what| matches(what)).count()
    }

    /// Removes completed requests from the front, so that the deadline there is that of a waiting
    /// one.
    fn drop_completed(&mut self) {
        while self.pending.front().is_some_and(|front| front.what.is_none()) {
            self.pending.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(1500);

    #[test]
    fn each_request_is_completed_once_and_then_late() {
        let now = Instant::now();
        let mut table = InFlight::new(TIMEOUT);
        let (a, b) = (table.make(now, "a"), table.make(now, "b"));
        let took = Duration::from_millis(3);
        assert_eq!(table.complete(now + took, b), Completed::InTime { what: "b", took });
        assert_eq!(table.complete(now, b), Completed::Late { what: Some("b") }, "a second time");
        assert_eq!(table.count(|what| *what == "a"), 1);
        assert!(matches!(table.complete(now, a), Completed::InTime { what: "a", .. }));
        assert_eq!(table.complete(now, RequestId::new(2)), Completed::Unknown);
        assert_eq!(table.next_deadline(), None);
    }

    #[test]
    fn what_is_drained_is_gone_and_its_response_late() {
        let now = Instant::now();
        let mut table = InFlight::new(TIMEOUT);
        let ids = ["run", "heartbeat", "run", "run"].map(|what| table.make(now, what));
        assert_eq!(table.drain(ids[3], |what| *what == "run"), ["run", "run"]);
        assert_eq!(table.complete(now, ids[0]), Completed::Late { what: Some("run") });
        assert_eq!(table.expire(now + TIMEOUT), Some((ids[1], "heartbeat")));
        assert_eq!(table.expire(now + TIMEOUT), Some((ids[3], "run")));
        assert_eq!(table.next_deadline(), None);
    }

    #[test]
    fn what_is_under_way_does_not_time_out_nor_does_what_is_behind_it() {
        let now = Instant::now();
        let mut table = InFlight::new(TIMEOUT);
        let ids = ["a", "long", "b"].map(|what| table.make(now, what));
        let later = now + TIMEOUT;
        table.postpone(ids[1], later);
        assert_eq!(table.expire(later), Some((ids[0], "a")));
        assert_eq!(table.expire(later), None);
        assert_eq!(table.next_deadline(), Some(later + TIMEOUT));
        let answered = table.complete(later, ids[1]);
        assert_eq!(answered, Completed::InTime { what: "long", took: TIMEOUT });
        assert_eq!(table.expire(later + TIMEOUT), Some((ids[2], "b")));
    }

    #[test]
    fn requests_expire_in_turn_and_only_when_their_time_is_up() {
        let now = Instant::now();
        let mut table = InFlight::new(TIMEOUT);
        let a = table.make(now, "a");
        let b = table.make(now + Duration::from_secs(1), "b");
        let c = table.make(now + Duration::from_secs(1), "c");
        assert!(matches!(table.complete(now, b), Completed::InTime { .. }));
        assert_eq!(table.expire(now + TIMEOUT - Duration::from_nanos(1)), None);
        assert_eq!(table.expire(now + TIMEOUT), Some((a, "a")));
        assert_eq!(table.expire(now + TIMEOUT), None);
        assert_eq!(table.next_deadline(), Some(now + Duration::from_secs(1) + TIMEOUT));
        assert_eq!(table.expire(now + Duration::from_secs(9)), Some((c, "c")));
        assert_eq!(table.complete(now, c), Completed::Late { what: Some("c") });
    }

    #[test]
    fn of_the_requests_that_are_over_the_last_ones_are_remembered() {
        let (mut table, mut now) = (InFlight::new(TIMEOUT), Instant::now());
        let given_up: Vec<_> = (0..=PAST_MAX).map(|n| table.make(now, n)).collect();
        now += TIMEOUT;
        while table.expire(now).is_some() {}
        for n in 0..=PAST_MAX {
            let answered = table.make(now, n);
            assert!(matches!(table.complete(now, answered), Completed::InTime { .. }));
        }
        let late = |what| Completed::Late { what };
        assert_eq!(table.complete(now, given_up[0]), late(None), "one too many");
        assert_eq!(table.complete(now, given_up[1]), late(Some(1)), "answers leave it its place");
        assert_eq!((table.given_up.0.len(), table.answered.0.len()), (PAST_MAX, PAST_MAX));
    }
}
