//! Senders that wait for other nodes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acklog_api::EventBody;

/// Most messages whose senders are kept, and most senders of one message. Smaller: fewer of many
/// can be listed. Larger: more memory, and no screen shows so many.
const SENDERS_MAX: usize = 1000;

/// How much longer than its own limit a sender is listed, where its answer is not told.
const OVERTIME: Duration = Duration::from_secs(1);

/// A sender that waits.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli::watch) struct Sender {
    /// Its messages: the first id, and the id behind the last one.
    pub(in crate::cli::watch) ids: [u64; 2],
    /// The number of nodes that must have them.
    pub(in crate::cli::watch) write_concern: u64,
    /// When this program heard that it waits.
    pub(in crate::cli::watch) since: Instant,
    /// The longest time that it waits.
    pub(in crate::cli::watch) limit: Option<Duration>,
}

/// The senders that wait, as far as their events are heard: by the first id of their messages, of
/// which several may wait for the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders(BTreeMap<u64, Vec<Sender>>);

impl Senders {
    /// Notes that a client waits.
    pub(super) fn wait(&mut self, event: &EventBody, now: Instant) {
        let Some(ids) = event.ids else { return };
        let limit = event.timeout_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
        let write_concern = event.write_concern.unwrap_or_default();
        let of_message = self.0.entry(ids[0]).or_default();
        of_message.push(Sender { ids, write_concern, since: now, limit });
        if of_message.len() > SENDERS_MAX {
            of_message.remove(0);
        }
        if self.0.len() > SENDERS_MAX {
            self.0.pop_first();
        }
    }

    /// Notes that a client no longer waits: it is answered, with a write concern, or went away.
    pub(super) fn end(&mut self, ids: Option<[u64; 2]>, write_concern: Option<u64>) {
        let Some([first, _]) = ids else { return };
        let Some(of_message) = self.0.get_mut(&first) else { return };
        let is_it = |sender: &Sender| write_concern.is_none_or(|w| w == sender.write_concern);
        if let Some(at) = of_message.iter().position(is_it) {
            of_message.remove(at);
        }
        if of_message.is_empty() {
            self.0.remove(&first);
        }
    }

    /// Returns those that wait, by id.
    pub(super) fn waiting(&self, now: Instant) -> impl Iterator<Item = &Sender> {
        let is_over = move |sender: &Sender| {
            sender.limit.is_some_and(|limit| now.duration_since(sender.since) > limit + OVERTIME)
        };
        self.0.values().flatten().filter(move |sender| !is_over(sender))
    }
}
