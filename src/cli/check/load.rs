//! The load: senders of messages and batches with mixed write concerns and time limits, and what their answers mean.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::history::{Receipt, Said};
use super::shared::Shared;
use crate::cli::client::{Answer, Client};
use crate::types::WriteConcern;

/// How long a sender waits where it names no time limit, while the load lasts; then it hangs up. With a node down,
/// all senders would come to wait for it.
const GIVE_UP: Duration = Duration::from_secs(10);

/// What a time limit may be exceeded by before a sender hangs up.
const OVERTIME: Duration = Duration::from_secs(10);

/// Pause after a refusal or a lost connection: it will not be better at once.
const PAUSE: Duration = Duration::from_millis(50);

/// One request out of so many is a batch.
const REQUESTS_PER_BATCH: u32 = 8;

/// Most messages of a batch.
const BATCH_MAX: u64 = 20;

/// One sender out of so many asks for the master alone: where the secondaries are slow, all others wait for them most
/// of the time, and a load that waits is none.
const SENDERS_PER_EAGER: usize = 4;

/// Which write concerns are asked for in a cluster of some size, by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    pub(super) cluster_size: u64,
}

/// What one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    kind: usize,
    /// How many messages; one is not sent as a batch.
    count: u64,
    concern: Option<WriteConcern>,
    timeout_ms: Option<u64>,
}

impl Mix {
    /// The write concern with this number: 1, 2, …, the words, and none at all.
    pub(super) fn concern(self, kind: usize) -> Option<WriteConcern> {
        match (kind as u64).checked_sub(self.cluster_size) {
            None => Some(WriteConcern::Nodes(kind as u64 + 1)),
            Some(0) => Some(WriteConcern::Majority),
            Some(1) => Some(WriteConcern::All),
            Some(_) => None,
        }
    }

    fn draw(self, rng: &mut ChaCha8Rng, is_eager: bool) -> Asked {
        let is_batch = rng.random_ratio(1, REQUESTS_PER_BATCH);
        let count = if is_batch { rng.random_range(2..=BATCH_MAX) } else { 1 };
        if is_eager {
            return Asked { kind: 0, count, concern: self.concern(0), timeout_ms: None };
        }
        let words = self.cluster_size as usize;
        let kind = match rng.random_range(0..6) {
            0 | 1 => 0,
            2 => rng.random_range(0..words),
            3 => words,
            4 => words + 1,
            _ => words + 2,
        };
        let timeout_ms = match rng.random_range(0..10) {
            0 => Some(0),
            1 => Some(rng.random_range(1..=20)),
            2 => Some(rng.random_range(20..=2000)),
            _ => None,
        };
        Asked { kind, count, concern: self.concern(kind), timeout_ms }
    }
}

impl Asked {
    /// The body of the request; the texts need no escaping.
    fn body(&self, texts: &[String]) -> String {
        let messages = match texts {
            [text] => format!(r#""message":"{text}""#),
            texts => format!(r#""messages":["{}"]"#, texts.join(r#"",""#)),
        };
        let concern = match self.concern {
            Some(WriteConcern::Nodes(nodes)) => format!(r#","writeConcern":{nodes}"#),
            Some(word) => format!(r#","writeConcern":"{word}""#),
            None => String::new(),
        };
        let timeout = match self.timeout_ms {
            Some(millis) => format!(r#","timeoutMs":{millis}"#),
            None => String::new(),
        };
        format!("{{{messages}{concern}{timeout}}}")
    }

    /// How long to wait for the answer; none: until the run is over.
    fn patience(&self, until: Instant) -> Option<Duration> {
        match self.timeout_ms {
            Some(millis) => Some(Duration::from_millis(millis) + OVERTIME),
            // Whoever still waits when the load is over must get an answer then.
            None => (Instant::now() + GIVE_UP < until).then_some(GIVE_UP),
        }
    }
}

/// Sends one message or batch after the other until time or messages are used up. A seed repeats what the sender with
/// this number asks for.
pub(super) async fn sender(shared: Arc<Shared>, number: usize, seed: u64) {
    let Some(master) = shared.nodes.first() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
    let is_eager = number % SENDERS_PER_EAGER == SENDERS_PER_EAGER - 1;
    let mut client = Client::new(master.url.clone());
    while Instant::now() < shared.load.until && !shared.stop.is_cancelled() {
        let mut asked = shared.load.mix.draw(&mut rng, is_eager);
        if let Some(turn) = shared.turn(asked.count) {
            if turn >= shared.load.until {
                return;
            }
            tokio::select! {
                () = sleep_until(turn) => {}
                () = shared.stop.cancelled() => return,
            }
        }
        let (numbers, body) = {
            let mut state = shared.lock();
            asked.count = asked.count.min(shared.load.messages_max - state.history.sent_count());
            if asked.count == 0 {
                return;
            }
            let numbers = state.history.sent(asked.count);
            state.requests += 1;
            let texts: Vec<_> = numbers.clone().map(|number| state.history.text(number)).collect();
            (numbers, asked.body(&texts))
        };
        let patience = asked.patience(shared.load.until);
        let answer = client.call(Method::POST, "/messages", body, patience).await;
        let (said, status, refusal) = match &answer {
            Ok(answer) => {
                let said = said(answer, asked.count);
                let refusal = matches!(said, Said::Refused | Said::Nothing);
                (said, answer.status.as_u16(), refusal.then(|| answer.detail()))
            }
            Err(error) => (Said::Nothing, 0, Some(format!("{error:#}"))),
        };
        let pauses = refusal.is_some();
        {
            let mut state = shared.lock();
            state.history.answered(numbers, asked.concern, said);
            *state.answers.entry((asked.kind, status)).or_default() += 1;
            state.refusal = refusal.or_else(|| state.refusal.take());
        }
        if pauses {
            sleep(PAUSE).await;
        }
    }
}

/// The members of an answer that count here.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    id: Option<u64>,
    count: Option<u64>,
    write_concern: Option<u64>,
    acked_by: Option<Vec<String>>,
    outcome: Option<String>,
}

/// What an answer says about so many messages.
fn said(answer: &Answer, count: u64) -> Said {
    let status = answer.status.as_u16();
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    // Only of a batch it is told.
    let is_count_right = body.count == Some(count).filter(|&count| count > 1);
    let receipt = match (body.id, body.write_concern, body.acked_by) {
        (Some(id), Some(write_concern), Some(acked_by)) if is_count_right => {
            Some(Receipt { id, write_concern, acked_by })
        }
        _ => None,
    };
    match (status, receipt, body.outcome.as_deref()) {
        (201, Some(receipt), _) => Said::Committed(receipt),
        (503 | 504, Some(receipt), Some("stored")) => Said::Stored(receipt),
        (503 | 504, Some(receipt), Some("unknown")) => Said::Unknown(receipt),
        (400..=503 | 505..=599, None, Some("refused")) if body.id.is_none() => Said::Refused,
        (500..=503 | 505..=599, None, Some("unknown")) if body.id.is_none() => Said::Nothing,
        // From here on, of a node that tells no outcome of what it refuses.
        (503, None, None) if body.id.is_none() => match answer.retry_after {
            true => Said::Refused,
            false => Said::Nothing,
        },
        (400..=499, None, None) => Said::Refused,
        (500..=502 | 505..=599, None, None) => Said::Nothing,
        _ => {
            let body: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
            Said::Malformed(format!("{status} {}", crate::telemetry::escaped(&body)))
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn of(status: u16, retry_after: bool, body: &'static str) -> Said {
        of_batch(1, status, retry_after, body)
    }

    fn of_batch(count: u64, status: u16, retry_after: bool, body: &'static str) -> Said {
        let status = StatusCode::from_u16(status).unwrap();
        said(&Answer { status, retry_after, body: body.into() }, count)
    }

    #[test]
    fn an_answer_tells_what_became_of_the_message() {
        let receipt = Receipt { id: 3, write_concern: 2, acked_by: vec!["m".to_owned()] };
        let created = r#"{"id":3,"writeConcern":2,"ackedBy":["m"]}"#;
        assert_eq!(of(201, false, created), Said::Committed(receipt.clone()));
        let stored = r#"{"title":"t","id":3,"writeConcern":2,"ackedBy":["m"],"outcome":"stored"}"#;
        assert_eq!(of(504, false, stored), Said::Stored(receipt.clone()));
        assert_eq!(of(503, false, stored), Said::Stored(receipt.clone()));
        let unknown = r#"{"id":3,"writeConcern":2,"ackedBy":["m"],"outcome":"unknown"}"#;
        assert_eq!(of(504, false, unknown), Said::Unknown(receipt));
        assert_eq!(of(503, true, r#"{"detail":"no quorum"}"#), Said::Refused);
        assert_eq!(of(503, false, r#"{"detail":"stopped in between"}"#), Said::Nothing);
        assert_eq!(of(400, false, "{}"), Said::Refused);
        assert_eq!(of(500, false, ""), Said::Nothing);
        let refused = r#"{"code":"c","retry":true,"outcome":"refused"}"#;
        let lost = r#"{"code":"c","retry":false,"outcome":"unknown"}"#;
        for status in [400, 408, 422, 503] {
            assert_eq!(of(status, false, refused), Said::Refused);
        }
        assert_eq!(of(500, false, lost), Said::Nothing);
        let wrong = [(422, r#"{"outcome":"stored"}"#), (400, lost), (504, refused)];
        for (status, body) in wrong {
            assert!(matches!(of(status, false, body), Said::Malformed(_)), "{status} {body}");
        }
        for (status, body) in
            [(201, "{}"), (504, "{}"), (504, created), (200, created), (503, r#"{"id":3}"#)]
        {
            assert!(matches!(of(status, true, body), Said::Malformed(_)), "{status} {body}");
        }
    }

    #[test]
    fn an_answer_to_a_batch_tells_how_many_messages_it_has() {
        let receipt = Receipt { id: 3, write_concern: 1, acked_by: vec!["m".to_owned()] };
        let whole = r#"{"id":3,"count":5,"writeConcern":1,"ackedBy":["m"]}"#;
        assert_eq!(of_batch(5, 201, false, whole), Said::Committed(receipt));
        let without = r#"{"id":3,"writeConcern":1,"ackedBy":["m"]}"#;
        for (count, body) in [(4, whole), (1, whole), (5, without)] {
            assert!(matches!(of_batch(count, 201, false, body), Said::Malformed(_)), "{body}");
        }
    }

    #[test]
    fn the_mix_has_everything_and_a_seed_repeats_it() {
        let mix = Mix { cluster_size: 3 };
        let draws = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            (0..500).map(|_| mix.draw(&mut rng, false)).collect::<Vec<_>>()
        };
        let drawn = draws(1);
        assert_eq!(drawn, draws(1));
        assert_ne!(drawn, draws(2));
        for kind in 0..6 {
            assert!(drawn.iter().any(|asked| asked.kind == kind), "{kind}");
        }
        assert!(drawn.iter().any(|asked| asked.count > 10));
        let texts = ["t".to_owned(), "u".to_owned()];
        let texts = |asked: &Asked| texts[..if asked.count > 1 { 2 } else { 1 }].to_vec();
        let bodies: Vec<_> = drawn.iter().map(|asked| asked.body(&texts(asked))).collect();
        for body in [
            r#"{"message":"t"}"#,
            r#"{"messages":["t","u"]}"#,
            r#"{"message":"t","writeConcern":1}"#,
            r#"{"message":"t","writeConcern":"all"}"#,
            r#"{"message":"t","writeConcern":"majority","timeoutMs":0}"#,
        ] {
            assert!(bodies.iter().any(|drawn| drawn == body), "{body}");
        }
    }
}
