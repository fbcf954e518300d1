//! The state of a run that clients and watchers share: the history and the counts.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acklog_judge::History;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::mix::{LoadMix, RequestSpec};
use super::texts::NumberedTexts;
use crate::cli::NodeUrl;

/// Places at which the log from before the run is read. Few, so that a check of a long log takes no
/// longer than one of an empty log.
const OLD_PLACES: u64 = 8;

/// Messages that are read at each of these places.
pub(super) const OLD_PLACE_MESSAGES: u64 = 100;

/// Keys that are kept, to be sent once more after a restart.
const KEYS_KEPT: usize = 100;

/// Time by which sending goes on while nodes are restarted: longer than any restart.
const HOLD: Duration = Duration::from_secs(24 * 3600);

/// Time between two looks at whether sending is over.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A node that is checked.
#[derive(Clone, Debug)]
pub(super) struct CheckedNode {
    pub(super) url: NodeUrl,
    pub(super) name: String,
    /// End of its log when the run began.
    pub(super) end: u64,
}

/// The nodes that are checked.
pub(super) struct CheckedCluster {
    /// The master comes first.
    pub(super) nodes: Vec<CheckedNode>,
    pub(super) cluster_size: u64,
    /// Reasons for leaving out nodes that cannot be reached, where that is allowed.
    pub(super) down: Vec<String>,
}

/// Counts of the reads of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadCounts {
    pub(super) reads: u64,
    pub(super) messages: u64,
    /// Reads that did not get a complete answer.
    pub(super) failed: u64,
    /// Streams that the node's follower got.
    pub(super) streams: u64,
    /// Messages of these, each as often as it came.
    pub(super) followed: u64,
}

/// Counts of requests other than sending and listing messages.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TriedCounts {
    /// Messages that were sent again under their own key.
    pub(super) repeats: u64,
    /// Messages that were sent under the key of another message.
    pub(super) reused_keys: u64,
    /// Waits for a stored message.
    pub(super) waits: u64,
    /// Requests that must be refused.
    pub(super) bad_requests: u64,
    /// Messages that were read one by one.
    pub(super) lookups: u64,
    /// Keys that were sent again after a restart.
    pub(super) after_restart: u64,
}

/// Messages with a key that have their ids.
#[derive(Clone, Debug)]
pub(super) struct KeyedRequest {
    pub(super) key: String,
    pub(super) numbers: Range<u64>,
    pub(super) spec: RequestSpec,
}

/// The state that changes during a run.
pub(super) struct CheckState {
    pub(super) history: History,
    /// Time at which sending ends.
    until: Instant,
    /// Time until which nodes may be restarting, or were.
    restart_until: Option<Instant>,
    /// Requests that were sent; a batch is one.
    pub(super) requests: u64,
    /// Number of answers by kind of request (its number in the mix) and status; status 0: no
    /// answer.
    pub(super) answers: BTreeMap<(usize, u16), u64>,
    pub(super) tried: TriedCounts,
    /// Detail of the last refusal.
    pub(super) refusal: Option<String>,
    pub(super) reads: Vec<ReadCounts>,
    /// Each node's log end when the load was over.
    pub(super) load_ends: Vec<u64>,
    pub(super) disconnects: u64,
    /// The last keys whose messages have ids.
    keyed: VecDeque<KeyedRequest>,
    /// Messages that clients were allowed to send so far.
    allowed_messages: u64,
}

impl CheckState {
    /// Takes all keys that are kept.
    pub(super) fn take_keys(&mut self) -> Vec<KeyedRequest> {
        self.keyed.drain(..).collect()
    }

    /// Keeps a key; the oldest one is dropped when there are too many.
    pub(super) fn keep_key(&mut self, keyed: KeyedRequest) {
        if self.keyed.len() == KEYS_KEPT {
            self.keyed.pop_front();
        }
        self.keyed.push_back(keyed);
    }
}

/// The load of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckLoad {
    pub(super) mix: LoadMix,
    pub(super) begin: Instant,
    /// Most messages in all, and most per second.
    pub(super) messages_max: u64,
    pub(super) rate: Option<u32>,
    /// Whether nodes are only asked to take messages and to list them.
    pub(super) is_basic: bool,
}

/// A run of the check.
pub(super) struct CheckRun {
    /// The master is the first.
    nodes: Vec<CheckedNode>,
    pub(super) load: CheckLoad,
    /// Prefix of the keys of this run.
    pub(super) key_prefix: String,
    /// Places at which the log from before the run is read.
    pub(super) old_places: Vec<u64>,
    /// Cancelled when the load is over, even if time is left.
    stop: CancellationToken,
    state: Mutex<CheckState>,
}

impl CheckRun {
    /// Creates a run that has not begun. The first node is the master.
    ///
    /// # Panics
    /// When there is no node.
    pub(super) fn new(nodes: Vec<CheckedNode>, load: CheckLoad, until: Instant) -> Self {
        // Another word each time: the log may hold messages of an earlier run.
        let word = format!("{:08x}", rand::random::<u32>());
        let base = nodes.first().expect("a cluster has a master").end;
        let names = nodes.iter().map(|node| (node.name.clone(), node.end));
        let texts = NumberedTexts::new(format!("check {word} "));
        let history = match load.is_basic {
            true => History::of_cluster(Box::new(texts.plain()), names, base)
                .with_claims(load.mix.cluster_size),
            false => History::of_cluster(Box::new(texts), names, base),
        };
        let state = CheckState {
            history,
            until,
            restart_until: None,
            requests: 0,
            answers: BTreeMap::new(),
            tried: TriedCounts::default(),
            refusal: None,
            reads: vec![ReadCounts::default(); nodes.len()],
            load_ends: Vec::new(),
            disconnects: 0,
            keyed: VecDeque::new(),
            allowed_messages: 0,
        };
        Self {
            nodes,
            load,
            key_prefix: format!("check-{word}-"),
            old_places: old_places(base),
            stop: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn nodes(&self) -> &[CheckedNode] {
        &self.nodes
    }

    pub(super) fn master(&self) -> &CheckedNode {
        self.nodes.first().expect("a cluster has a master")
    }

    /// Returns when the calling client may send this many messages; `None` without a rate to keep.
    pub(super) fn send_time(&self, messages: u64) -> Option<Instant> {
        let rate = self.load.rate?;
        let allowed_messages = &mut self.lock().allowed_messages;
        *allowed_messages += messages;
        Some(self.load.begin + Duration::from_secs(*allowed_messages) / rate)
    }

    /// Returns when sending ends, as far as is known.
    pub(super) fn until(&self) -> Instant {
        self.lock().until
    }

    /// Returns whether sending is over.
    pub(super) fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.until()
    }

    /// Waits until sending is over.
    pub(super) async fn until_over(&self) {
        while !self.is_over() {
            // The end of sending can move in the meantime.
            let next = self.until().min(Instant::now() + POLL_INTERVAL);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep_until(next) => {}
            }
        }
    }

    /// Returns whether half of the time has passed, or half of the messages were sent.
    pub(super) fn is_half_over(&self) -> bool {
        let state = self.lock();
        let now = Instant::now();
        let sent = state.history.sent_count();
        self.stop.is_cancelled()
            || sent >= self.load.messages_max / 2
            || now.duration_since(self.load.begin) >= state.until.duration_since(now)
    }

    /// Lets sending go on until [`CheckRun::resume`], while nodes are restarted; returns the time
    /// that was left.
    pub(super) fn hold(&self) -> Duration {
        let (now, mut state) = (Instant::now(), self.lock());
        let left = state.until.duration_since(now);
        state.until = now + HOLD;
        state.restart_until = Some(state.until);
        left
    }

    /// Lets sending end after this time.
    pub(super) fn resume(&self, left: Duration) {
        let (now, mut state) = (Instant::now(), self.lock());
        (state.until, state.restart_until) = (now + left, Some(now));
    }

    /// Returns whether nodes were restarted after this time.
    pub(super) fn is_restarted_since(&self, begin: Instant) -> bool {
        self.lock().restart_until.is_some_and(|until| until >= begin)
    }

    /// Ends sending.
    pub(super) fn end_load(&self) {
        self.stop.cancel();
    }

    /// Locks the state. Held for a moment only, never across an `await`.
    pub(super) fn lock(&self) -> MutexGuard<'_, CheckState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns where to read a log that ended at `base`: just below the end, and at even distances.
fn old_places(base: u64) -> Vec<u64> {
    let last = base.saturating_sub(OLD_PLACE_MESSAGES);
    let mut places: Vec<u64> = (0..OLD_PLACES).map(|n| last / OLD_PLACES * n).collect();
    places.push(last);
    places.dedup();
    if base == 0 { Vec::new() } else { places }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_read_in_as_few_places_as_a_short_one() {
        assert!(old_places(0).is_empty());
        assert_eq!(old_places(1), [0]);
        assert_eq!(old_places(OLD_PLACE_MESSAGES + 8), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let places = old_places(1 << 40);
        assert_eq!((places.len(), places[8]), (9, (1 << 40) - OLD_PLACE_MESSAGES));
    }
}
