//! Clients of a random schedule: they send, send again, and wait again.

use std::time::Duration;

use acklog_protocol::{Refusal, Wait};
use acklog_types::{Batch, DelayRange, IdempotencyKey, LogEnd, MessageId, WriteConcern};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Schedule;

/// A batch with its key, as the client knows it that sent it.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    key: IdempotencyKey,
    batch: Batch,
}

/// Returns a delay of this range in a quarter of all draws.
pub(super) fn sometimes(rng: &mut ChaCha8Rng, range: &str) -> Option<DelayRange> {
    rng.random_bool(0.25).then(|| range.parse().expect("a range"))
}

/// Draws a bandwidth in bytes per second if the network is slow: a long message takes some seconds,
/// and all messages of a schedule no longer than it may take to converge.
pub(super) fn some_rate(rng: &mut ChaCha8Rng, is_slow: bool) -> Option<u64> {
    is_slow.then(|| rng.random_range(20_000..200_000))
}

impl Schedule {
    pub(super) fn append(&mut self) {
        self.resume_master();
        let write_concern = match self.rng.random_range(0..6) {
            0 => Some(WriteConcern::Majority),
            1 => Some(WriteConcern::All),
            2 => None,
            _ => {
                let most = self.secondaries.len() as u64 + 2;
                Some(WriteConcern::Nodes(self.rng.random_range(0..=most)))
            }
        };
        let wait = Wait::until(write_concern, self.some_timeout());
        self.stream(wait);
        for _ in 0..self.rng.random_range(1..=4) {
            let batch = self.some_batch();
            let key = self.rng.random_bool(0.3).then(|| format!("key-{}", self.sent));
            let key: Option<IdempotencyKey> = key.map(|key| key.parse().expect("a key"));
            self.send(&batch, key.as_ref(), wait);
            if let Some(key) = key {
                self.keyed.push(Keyed { key, batch });
            }
        }
    }

    /// Sends a message again under its key, as a client does that got no response; or waits again
    /// for a stored message.
    pub(super) fn send_again(&mut self) {
        self.resume_master();
        let wait = Wait { timeout: self.some_timeout(), ..Wait::default() };
        let shown = self.cluster.checker().accepted_count();
        if self.rng.random_bool(0.3) && shown > 0 {
            let id = MessageId::new(self.rng.random_range(0..shown));
            self.waiters.extend(self.cluster.wait(id, wait));
        } else if !self.keyed.is_empty() {
            let at = self.rng.random_range(0..self.keyed.len());
            let Keyed { key, batch } = self.keyed.get(at).cloned().expect("inside");
            self.send(&batch, Some(&key), wait);
            let other = self.cluster.send(&"another text".into(), Some(&key), wait, None);
            let is_refused = matches!(other, Err(Refusal::KeyReused { .. }));
            // If the first message was never stored, this one has its key now.
            self.keyed.retain(|keyed| is_refused || keyed.key != key);
        }
    }

    /// Draws a batch: mostly a single message, sometimes several.
    fn some_batch(&mut self) -> Batch {
        let messages = if self.rng.random_bool(0.2) { self.rng.random_range(2..=9) } else { 1 };
        let mut batch = Batch::new(self.some_text());
        for _ in 1..messages {
            batch.push(&self.some_text());
        }
        batch
    }

    fn some_text(&mut self) -> String {
        self.sent += 1;
        // Now and then a text so long that batches of appends are cut and windows fill, or that
        // takes its time on a slow line.
        let (share, longest) = if self.is_slow { (0.1, 100_000) } else { (0.02, 300_000) };
        let filler = if self.rng.random_bool(share) { longest } else { 10 };
        format!("m{} {}", self.sent, "x".repeat(self.rng.random_range(0..filler)))
    }

    fn send(&mut self, batch: &Batch, key: Option<&IdempotencyKey>, wait: Wait) {
        let expected_end = self.some_condition();
        // The cluster judges whether a refusal has a reason.
        match self.cluster.send(batch, key, wait, expected_end) {
            Ok((waiter, _)) => self.waiters.push(waiter),
            Err(Refusal::EndMoved { .. }) => self.refused_conditions += 1,
            Err(_) => {}
        }
    }

    /// Draws the end that a client expects, where the schedule has conditions: mostly the end that
    /// there is.
    fn some_condition(&mut self) -> Option<LogEnd> {
        let further = self.further.as_mut()?;
        let end = self.cluster.checker().accepted_count() + 1;
        let expected = end.saturating_sub(further.random_range(0..=2));
        further.random_bool(0.4).then_some(LogEnd::new(expected))
    }

    /// Sends lines of a stream now and then, and lets the client of one go away, where the schedule
    /// has streams.
    fn stream(&mut self, wait: Wait) {
        let Some(mut further) = self.further.take() else { return };
        if further.random_bool(0.4) {
            let texts: Vec<String> =
                (0..further.random_range(1..=8)).map(|n| format!("line {n}")).collect();
            if let Ok((first, _, count)) = self.cluster.send_lines(&texts, wait) {
                self.streams.push((first, count as u64));
            }
        }
        if further.random_bool(0.1)
            && let Some((first, count)) = self.streams.pop()
        {
            self.cluster.cancel_lines(first, count);
        }
        self.further = Some(further);
    }

    fn some_timeout(&mut self) -> Option<Duration> {
        let millis = self.rng.random_bool(0.4).then(|| self.rng.random_range(0..=4000));
        millis.map(Duration::from_millis)
    }
}
