//! The requests of the load, drawn from a seed, so that the same seed repeats them.

use std::time::Duration;

use acklog_types::WriteConcern;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use crate::cli::check::texts::{Escaping, write_json};

/// Time after which a client gives up a request without a timeout, while the load lasts. Longer:
/// with a node down, all clients come to wait for it.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time by which a timeout may be exceeded before the client gives up.
pub(super) const OVERTIME: Duration = Duration::from_secs(10);

/// One request out of this many is a batch.
const REQUESTS_PER_BATCH: u32 = 8;

/// Most messages of an ordinary batch.
const BATCH_MAX: u64 = 20;

/// One batch out of this many is a large one.
const BATCHES_PER_LARGE: u32 = 100;

/// Most messages of a large batch: more than one read takes, and more bytes than a page of the log.
const LARGE_BATCH_MAX: u64 = 12_000;

/// Large batches that must fit into the messages of a run, and into those of a second.
const LARGE_BATCHES: u64 = 8;

/// One request out of this many has an idempotency key.
const REQUESTS_PER_KEY: u32 = 4;

/// One single message out of this many is written in escapes only.
const MESSAGES_PER_ESCAPED: u32 = 16;

/// The mix of requests for a cluster of some size.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::check) struct LoadMix {
    pub(in crate::cli::check) cluster_size: u64,
    /// Most messages of a batch.
    pub(in crate::cli::check) batch_max: u64,
}

/// The write concerns that one client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    /// The master alone, without a timeout.
    MasterOnly,
    /// All of the mix, with some timeouts.
    Mixed,
}

/// The contents of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::check) struct RequestSpec {
    /// Number of its write concern in the mix.
    pub(super) kind: usize,
    /// Messages in the request; a single one is not sent as a batch.
    pub(super) count: u64,
    pub(super) concern: Option<WriteConcern>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) has_key: bool,
    pub(super) escaping: Escaping,
}

impl LoadMix {
    /// Creates the mix for a cluster of this size, with a limit of messages in all and per second.
    pub(in crate::cli::check) fn new(
        cluster_size: u64,
        messages_max: u64,
        rate: Option<u32>,
    ) -> Self {
        let most = messages_max.min(rate.map_or(u64::MAX, u64::from)) / LARGE_BATCHES;
        Self { cluster_size, batch_max: most.clamp(BATCH_MAX, LARGE_BATCH_MAX) }
    }

    /// Returns the write concern with this number: 1, 2, …, the words, and none at all.
    pub(in crate::cli::check) fn concern(self, kind: usize) -> Option<WriteConcern> {
        match (kind as u64).checked_sub(self.cluster_size) {
            None => Some(WriteConcern::Nodes(kind as u64 + 1)),
            Some(0) => Some(WriteConcern::Majority),
            Some(1) => Some(WriteConcern::All),
            Some(_) => None,
        }
    }

    pub(super) fn draw(self, rng: &mut ChaCha8Rng, concerns: Concerns) -> RequestSpec {
        let count = match rng.random_ratio(1, REQUESTS_PER_BATCH) {
            true if rng.random_ratio(1, BATCHES_PER_LARGE) => {
                rng.random_range(self.batch_max / 2..=self.batch_max)
            }
            true => rng.random_range(2..=BATCH_MAX),
            false => 1,
        };
        let has_key = rng.random_ratio(1, REQUESTS_PER_KEY);
        let escaping = match count == 1 && rng.random_ratio(1, MESSAGES_PER_ESCAPED) {
            true => Escaping::All,
            false => Escaping::Needed,
        };
        let (kind, timeout_ms) = match concerns {
            Concerns::MasterOnly => (0, None),
            Concerns::Mixed => (self.draw_kind(rng), draw_timeout(rng)),
        };
        RequestSpec { kind, count, concern: self.concern(kind), timeout_ms, has_key, escaping }
    }

    /// Draws a request for the same messages.
    pub(super) fn draw_again(
        self,
        rng: &mut ChaCha8Rng,
        spec: RequestSpec,
        concerns: Concerns,
    ) -> RequestSpec {
        if concerns == Concerns::MasterOnly {
            return spec;
        }
        let kind = self.draw_kind(rng);
        RequestSpec { kind, concern: self.concern(kind), timeout_ms: draw_timeout(rng), ..spec }
    }

    fn draw_kind(self, rng: &mut ChaCha8Rng) -> usize {
        let words = self.cluster_size as usize;
        match rng.random_range(0..6) {
            0 | 1 => 0,
            2 => rng.random_range(0..words),
            3 => words,
            4 => words + 1,
            _ => words + 2,
        }
    }
}

fn draw_timeout(rng: &mut ChaCha8Rng) -> Option<u64> {
    match rng.random_range(0..10) {
        0 => Some(0),
        1 => Some(rng.random_range(1..=20)),
        2 => Some(rng.random_range(20..=2000)),
        _ => None,
    }
}

impl RequestSpec {
    /// Returns the body of the request.
    pub(super) fn body(&self, texts: &[String]) -> String {
        let mut body = String::new();
        match texts {
            [text] => {
                body.push_str(r#"{"message":"#);
                write_json(&mut body, text, self.escaping);
            }
            texts => {
                let mut separator = r#"{"messages":["#;
                for text in texts {
                    body.push_str(separator);
                    write_json(&mut body, text, self.escaping);
                    separator = ",";
                }
                body.push(']');
            }
        }
        match self.concern {
            Some(WriteConcern::Nodes(nodes)) => {
                body.push_str(&format!(r#","writeConcern":{nodes}"#))
            }
            Some(word) => body.push_str(&format!(r#","writeConcern":"{word}""#)),
            None => {}
        }
        if let Some(millis) = self.timeout_ms {
            body.push_str(&format!(r#","timeoutMs":{millis}"#));
        }
        body.push('}');
        body
    }

    /// Returns the query of a wait with the same write concern and timeout.
    pub(super) fn query(&self) -> String {
        let concern = self.concern.map_or(String::new(), |it| format!("writeConcern={it}"));
        let timeout = self.timeout_ms.map_or(String::new(), |it| format!("&timeoutMs={it}"));
        concern + &timeout
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// Returns how long to wait for the answer; `None`: until the run is over.
    pub(super) fn answer_timeout(&self, until: Instant) -> Option<Duration> {
        match self.timeout() {
            Some(limit) => Some(limit + OVERTIME),
            // A client that still waits when the load is over must get its answer then.
            None => (Instant::now() + CLIENT_TIMEOUT < until).then_some(CLIENT_TIMEOUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_mix_has_everything_and_a_seed_repeats_it() {
        let mix = LoadMix::new(3, 5_000_000, None);
        let draws = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..4000).map(|_| mix.draw(&mut rng, Concerns::Mixed)).collect::<Vec<_>>()
        };
        let drawn = draws(1);
        assert_eq!(drawn, draws(1));
        assert_ne!(drawn, draws(2));
        for kind in 0..6 {
            assert!(drawn.iter().any(|spec| spec.kind == kind), "{kind}");
        }
        for wanted in [2..=BATCH_MAX, LARGE_BATCH_MAX / 2..=LARGE_BATCH_MAX] {
            assert!(drawn.iter().any(|spec| wanted.contains(&spec.count)), "{wanted:?}");
        }
        assert!(drawn.iter().any(|spec| spec.has_key && spec.count > 1));
        let texts = ["t\n".to_owned(), "u".to_owned()];
        let texts = |spec: &RequestSpec| texts[..if spec.count > 1 { 2 } else { 1 }].to_vec();
        let bodies: Vec<_> = drawn.iter().map(|spec| spec.body(&texts(spec))).collect();
        for body in [
            r#"{"message":"t\n"}"#,
            r#"{"message":"\u0074\u000a"}"#,
            r#"{"messages":["t\n","u"]}"#,
            r#"{"message":"t\n","writeConcern":1}"#,
            r#"{"message":"t\n","writeConcern":"all"}"#,
            r#"{"message":"t\n","writeConcern":"majority","timeoutMs":0}"#,
        ] {
            assert!(bodies.iter().any(|drawn| drawn == body), "{body}");
        }
    }

    #[test]
    fn large_batches_are_a_part_of_what_may_be_sent() {
        for (messages_max, rate, largest) in
            [(5_000_000, None, LARGE_BATCH_MAX), (4000, None, 500), (4000, Some(1), BATCH_MAX)]
        {
            assert_eq!(LoadMix::new(3, messages_max, rate).batch_max, largest);
        }
    }
}
