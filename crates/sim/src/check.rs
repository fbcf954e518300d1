//! Conditions that must hold in every moment of every schedule, judged by [`acklog_judge`].

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_judge::{
    AckReceipt, AckWait, AppendOutcome, FollowedRow, HeldMoment, History, MasterMoment, ShownMoment,
};
use acklog_log::{LogReader, ReadError};
use acklog_protocol::{Outcome, Receipt};
use acklog_types::{Batch, IdempotencyKey, LogEnd, LogId, MessageId, NodeName, WaiterId};

/// Reports to the judge what happens in a cluster. Each method panics, with the facts, when
/// something that must hold does not.
#[derive(Debug, Default)]
pub struct Checker {
    /// Identity of the log that the master has now.
    log: Option<LogId>,
    /// History of each log that there ever was.
    histories: BTreeMap<LogId, History>,
    /// Number of each node in the histories.
    nodes: BTreeMap<NodeName, usize>,
    /// Number of keyed messages that the master remembers.
    window: usize,
    /// Number of responses so far.
    released: usize,
    /// Whether nodes may have messages that they cannot read.
    reads_may_fail: bool,
    /// Whether the master's disk was put back to an older copy.
    is_put_back: bool,
}

impl Checker {
    /// Creates a checker of a cluster whose master remembers the last `window` keyed messages.
    pub(super) fn new(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    /// Returns the history of the log that the master has now.
    fn now(&self) -> Option<&History> {
        self.histories.get(&self.log?)
    }

    /// Applies an event to the history of the master's log, and judges.
    fn go_on(&mut self, event: impl FnOnce(&mut History)) {
        let history = self.log.and_then(|log| self.histories.get_mut(&log));
        let history = history.expect("a master runs");
        event(history);
        holds(history);
    }

    /// Applies an event to the histories of all logs, and judges.
    fn go_on_everywhere(&mut self, mut event: impl FnMut(&mut History)) {
        for history in self.histories.values_mut() {
            event(history);
            holds(history);
        }
    }

    /// Returns the number of a node. Adds the node if it is new.
    fn number(&mut self, name: &NodeName) -> usize {
        if let Some(number) = self.nodes.get(name) {
            return *number;
        }
        let number = self.nodes.len();
        self.nodes.insert(name.clone(), number);
        self.histories.values_mut().for_each(|history| history.add_node(name.as_str()));
        number
    }

    /// Notes that a batch got its ids, perhaps under a key, and that its client waits.
    pub(super) fn accepted(
        &mut self,
        waiter: WaiterId,
        wait: AckWait,
        batch: &Batch,
        key: Option<&IdempotencyKey>,
    ) {
        self.go_on(|history| {
            history.taken(batch, wait.id, key.map(IdempotencyKey::as_str));
        });
        self.joined(waiter, wait);
    }

    /// Notes that a client waits for a message that got its id before.
    pub(super) fn joined(&mut self, waiter: WaiterId, wait: AckWait) {
        self.go_on(|history| history.begins_to_wait(waiter, wait));
    }

    /// Notes that a client hung up.
    pub(super) fn canceled(&mut self, waiter: WaiterId) {
        self.go_on(|history| history.gave_up(waiter));
    }

    /// Judges the response to a client. Acks of liars are not known, and do not count.
    pub(super) fn released(
        &mut self,
        now: Duration,
        waiter: WaiterId,
        outcome: &Outcome,
        is_liar: impl Fn(&str) -> bool,
    ) {
        self.released += 1;
        let outcome = judged(outcome);
        self.go_on(|history| history.released(now, waiter, &outcome, &is_liar));
    }

    /// Judges whether the master keeps a client waiting without a reason.
    pub(super) fn judge_waits(&mut self, moment: &MasterMoment<'_>) {
        self.go_on(|history| history.judge_waits(moment));
    }

    /// Judges what the master shows under read concerns.
    pub(super) fn master_shows(&mut self, moment: &HeldMoment<'_>) {
        self.go_on(|history| history.master_shows(moment));
    }

    /// Judges what a secondary, which has messages of log `id`, shows under read concerns.
    pub(super) fn secondary_shows(&mut self, name: &NodeName, id: LogId, moment: &ShownMoment<'_>) {
        let node = self.number(name);
        let history = self.histories.get_mut(&id).expect("a log that a master had");
        history.secondary_shows(node, moment);
        holds(history);
    }

    /// Judges the messages that a node shows and did not show before. `as_name` is the name under
    /// which the node registers.
    pub(super) fn look_at(
        &mut self,
        name: &NodeName,
        as_name: &NodeName,
        id: Option<LogId>,
        log: &LogReader,
    ) {
        let end = log.durable_end();
        let Some(id) = id else {
            assert_eq!(end, LogEnd::ZERO, "{name} has messages of no log");
            return;
        };
        let node = self.number(name);
        let history = self.histories.get_mut(&id).expect("a log that a master had");
        history.registered(node, as_name.as_str());
        if let Some(mut list) = history.look_at(node, end.get()) {
            let mut at = LogEnd::new(list.next());
            loop {
                let records = match log.read(at, end, usize::MAX) {
                    Ok(records) => records,
                    // The disk fails for the moment: compared when it can be read.
                    Err(ReadError::Passing { .. }) => break,
                    Err(_) if self.reads_may_fail => break,
                    Err(error) => {
                        history.unread(node, end.get(), error.to_string());
                        break;
                    }
                };
                for record in records.iter() {
                    history.row(&mut list, record.id.get(), record.text);
                }
                let next = LogEnd::new(list.next());
                if next == end || next == at {
                    history.end_look(&list);
                    break;
                }
                at = next;
            }
        }
        holds(history);
    }

    /// Adds a follower of a log, which begins with the message `from`. Returns its number.
    pub(super) fn add_follower(&mut self, log: LogId, from: LogEnd) -> Option<usize> {
        Some(self.histories.get_mut(&log)?.add_follower(0, from.get()))
    }

    /// Returns the end of what a node showed of a log and was compared.
    pub(super) fn compared_end(&mut self, name: &NodeName, log: LogId) -> LogEnd {
        let node = self.number(name);
        LogEnd::new(self.histories.get(&log).map_or(0, |history| history.end(node)))
    }

    /// Judges messages that a follower of a log receives from a node, on a connection of their own.
    pub(super) fn followed<'a>(
        &mut self,
        name: &NodeName,
        (log, number): (LogId, usize),
        rows: impl Iterator<Item = FollowedRow<'a>>,
    ) {
        let node = self.number(name);
        let history = self.histories.get_mut(&log).expect("a log that a master had");
        history.follower_goes_to(number, node);
        rows.for_each(|row| history.followed(number, row));
        holds(history);
    }

    /// Judges that all followers of the master's log received all of it.
    pub(super) fn finish_followers(&mut self) {
        self.go_on(|history| history.finish_followers(history.given_end()));
    }

    /// Compares everything that nodes show once more, at the next look. From here on all of it can
    /// be read.
    pub(super) fn begin_again(&mut self) {
        let nodes = self.nodes.len();
        self.go_on_everywhere(|history| (0..nodes).for_each(|node| history.look_anew(node)));
        self.reads_may_fail = false;
    }

    /// Notes that the master's disk was put back to an older copy: it shows less than before.
    pub(super) fn put_back(&mut self, master: &NodeName) {
        self.started_empty(master);
        self.is_put_back = true;
    }

    /// Notes that a node starts with an empty log.
    pub(super) fn started_empty(&mut self, name: &NodeName) {
        let node = self.number(name);
        self.go_on_everywhere(|history| history.look_anew(node));
    }

    /// Notes that a node starts with the messages before `end` on its disk.
    pub(super) fn came_back(&mut self, name: &NodeName, end: LogEnd) {
        let node = self.number(name);
        self.go_on_everywhere(|history| history.came_back(node, end.get()));
    }

    /// Notes that from here on a node's disk may be damaged: what cannot be read is compared when
    /// it is repaired.
    pub(super) fn let_reads_fail(&mut self) {
        self.reads_may_fail = true;
    }

    /// Notes that the master starts with this log, of which it has the messages before `end`.
    /// Messages that it had taken and not acknowledged may be gone: their ids are given again.
    pub(super) fn master_started(&mut self, master: &NodeName, log: LogId, end: LogEnd) {
        let node = self.number(master);
        self.log = Some(log);
        let (nodes, window) = (&self.nodes, self.window);
        self.histories.entry(log).or_insert_with(|| new_history(nodes, window));
        let is_put_back = std::mem::take(&mut self.is_put_back);
        self.go_on(|history| {
            history.came_back(node, end.get());
            history.master_started(end.get(), is_put_back);
        });
    }

    /// Returns the number of messages accepted in this log.
    pub fn accepted_count(&self) -> u64 {
        self.now().map_or(0, History::given_end)
    }

    /// Returns the number of clients that got a response.
    pub fn released_count(&self) -> usize {
        self.released
    }

    /// Returns whether a client waits for at most `nodes` nodes.
    pub(super) fn waits_for_at_most(&self, nodes: u16) -> bool {
        self.waits().any(|wait| wait.nodes <= nodes.into())
    }

    /// Returns what the waiting clients wait for.
    fn waits(&self) -> impl Iterator<Item = &AckWait> {
        self.now().into_iter().flat_map(History::waits)
    }

    /// Returns the number of clients that wait for more nodes than the master.
    pub(super) fn waiting_for_secondaries(&self) -> usize {
        self.waits().filter(|wait| wait.nodes > 1).count()
    }

    /// Returns the message that has this key, if the master remembers it.
    pub(super) fn message_of(&self, key: &IdempotencyKey) -> Option<MessageId> {
        self.now()?.message_of(key.as_str()).map(MessageId::new)
    }

    /// Returns the number of clients that wait for a response.
    pub fn waiting_count(&self) -> usize {
        self.waits().count()
    }
}

/// Creates the history of a log that begins, in a cluster of these nodes.
fn new_history(nodes: &BTreeMap<NodeName, usize>, window: usize) -> History {
    let mut history = History::from_inside(window);
    let mut names: Vec<_> = nodes.iter().collect();
    names.sort_by_key(|(_, number)| **number);
    names.into_iter().for_each(|(name, _)| history.add_node(name.as_str()));
    history
}

/// Panics when something in a history does not hold.
#[track_caller]
fn holds(history: &History) {
    if let Some(violation) = history.violations().first().first() {
        panic!("{violation}");
    }
}

/// Converts an outcome to what the judge knows of a response.
fn judged(outcome: &Outcome) -> AppendOutcome {
    let (receipt, timed_out) = match outcome {
        Outcome::Committed(receipt) => return AppendOutcome::Committed(receipt_of(receipt, false)),
        // It is not known whether it is stored.
        Outcome::DiskFailed(receipt, _) => {
            return AppendOutcome::Unknown(receipt_of(receipt, false));
        }
        Outcome::Refused(_) => return AppendOutcome::Refused,
        Outcome::TimedOut(receipt) => (receipt, true),
        Outcome::ShuttingDown(receipt) | Outcome::TooManyWaiting(receipt) => (receipt, false),
    };
    match receipt.stored {
        true => AppendOutcome::Stored(receipt_of(receipt, timed_out)),
        false => AppendOutcome::Unknown(receipt_of(receipt, timed_out)),
    }
}

fn receipt_of(receipt: &Receipt, timed_out: bool) -> AckReceipt {
    AckReceipt {
        id: receipt.id.get(),
        write_concern: receipt.write_concern.into(),
        acked_by: receipt.acked_by.iter().map(|name| name.as_str().to_owned()).collect(),
        timed_out,
    }
}

#[cfg(test)]
mod tests;
