//! The load: clients that send messages and batches with mixed write concerns, timeouts and keys,
//! and that act on the answers: send the same again, use a key for another message, wait for more
//! nodes.

mod overdue;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use acklog_api::{Message, paths};
use acklog_judge::{AppendOutcome, AppendTerms};
use acklog_types::{IDEMPOTENCY_KEY_BYTES_MAX, WriteConcern};
use bytes::Bytes;
use hyper::Method;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep, sleep_until};

use self::overdue::{CallOutcome, call_with_limit};
use super::answer::{ExpectedAnswer, outcome_of};
use super::check_run::{CheckRun, KeyedRequest};
use super::mix::{Concerns, RequestSpec};
use super::texts::Escaping;
use crate::cli::client::ToolClient;

/// Pause after a refusal or a lost connection, which rarely passes at once.
const PAUSE: Duration = Duration::from_millis(50);

/// One client out of this many asks for the master alone. Where the secondaries are slow, all
/// others mostly wait for them, and a load that only waits is none.
const CLIENTS_PER_EAGER: usize = 4;

/// One answered request out of this many is followed by a bad request.
const REQUESTS_PER_BAD: u32 = 50;

/// One key out of this many has the greatest length.
const KEYS_PER_LONGEST: u64 = 16;

/// Longest wait for more nodes, in milliseconds.
const WAIT_MS: u64 = 500;

/// Time after which a refusal is given up: it waits for no other node.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bodies that must be refused.
const BAD_BODIES: [&[u8]; 17] = [
    br#"{"message":"\ud800"}"#,
    br#"{"message":"\udc00 and more"}"#,
    br#"{"message":"\ud800\ud800"}"#,
    b"{\"message\":\"\xff\"}",
    b"{\"message\":\"a\nb\"}",
    br#"{"message":1}"#,
    br#"{"messages":[]}"#,
    br#"{"messages":["a",1]}"#,
    br#"{"message":"a","messages":["a"]}"#,
    br#"{"message":"a","writeConcern":"two"}"#,
    br#"{"message":"a","writeConcern":-1}"#,
    br#"{"message":"a","writeConcern":1,"w":2}"#,
    br#"{"message":"a","timeoutMs":-1}"#,
    br#"{"message":"a","unknown":1}"#,
    br#"{"message":"a""#,
    b"[]",
    b"",
];

/// The relation of a message to earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendKind {
    /// It is new.
    First,
    /// It was sent before, under the same key.
    Repeat,
    /// Its key belongs to another message.
    OthersKey,
}

/// A client that sends one message or batch after the other.
pub(super) struct LoadClient {
    run: Arc<CheckRun>,
    client: ToolClient,
    rng: ChaCha8Rng,
    number: usize,
    concerns: Concerns,
    /// Number of keys that it has made.
    keys: u64,
}

impl LoadClient {
    /// Creates the client with this number. The same seed repeats its requests.
    pub(super) fn new(run: Arc<CheckRun>, number: usize, seed: u64) -> Self {
        let client = ToolClient::new(run.master().url.clone());
        let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
        let concerns = match number % CLIENTS_PER_EAGER == CLIENTS_PER_EAGER - 1 {
            true => Concerns::MasterOnly,
            false => Concerns::Mixed,
        };
        Self { run, client, rng, number, concerns, keys: 0 }
    }

    /// Sends until the time or the messages are used up.
    pub(super) async fn run(mut self) {
        while !self.run.is_over() {
            let mut spec = self.run.load.mix.draw(&mut self.rng, self.concerns);
            if let Some(send_time) = self.run.send_time(spec.count) {
                let run = Arc::clone(&self.run);
                tokio::select! {
                    () = sleep_until(send_time) => {}
                    () = run.until_over() => return,
                }
            }
            let numbers = {
                let mut state = self.run.lock();
                let left = self.run.load.messages_max.saturating_sub(state.history.sent_count());
                spec.count = spec.count.min(left);
                if spec.count == 0 {
                    return;
                }
                state.requests += 1;
                state.history.sent(spec.count)
            };
            let key = spec.has_key.then(|| self.next_key());
            let outcome = self.send(spec, numbers.clone(), key.as_deref(), SendKind::First).await;
            if !self.run.is_over() {
                self.follow_up(spec, numbers, key, &outcome).await;
            }
        }
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        let mut key = format!("{}{}-{}", self.run.key_prefix, self.number, self.keys);
        if self.keys.is_multiple_of(KEYS_PER_LONGEST) {
            let rest = IDEMPOTENCY_KEY_BYTES_MAX.saturating_sub(key.len());
            key.extend("~!".chars().cycle().take(rest));
        }
        key
    }

    /// Sends a request and adds its answer to the history.
    async fn send(
        &mut self,
        spec: RequestSpec,
        numbers: Range<u64>,
        key: Option<&str>,
        how: SendKind,
    ) -> AppendOutcome {
        let (body, floor) = {
            let history = &self.run.lock().history;
            let texts: Vec<_> = numbers.clone().map(|number| history.text(number)).collect();
            (spec.body(&texts), if how == SendKind::First { history.floor() } else { 0 })
        };
        let (begin, answer_timeout) = (Instant::now(), spec.answer_timeout(self.run.until()));
        let call = self.client.call(Method::POST, paths::MESSAGES, key, body, answer_timeout);
        let CallOutcome { answer, is_overdue } =
            call_with_limit(&self.run, spec.timeout(), call).await;
        let took = begin.elapsed();
        let (outcome, status, refusal) = match &answer {
            Ok(answer) => {
                let expected = ExpectedAnswer {
                    success: 201,
                    count: spec.count,
                    is_repeatable: key.is_some(),
                };
                let outcome = outcome_of(answer, expected);
                let refusal = matches!(outcome, AppendOutcome::Refused | AppendOutcome::Nothing);
                (outcome, answer.status.as_u16(), refusal.then(|| answer.detail()))
            }
            Err(error) => (AppendOutcome::Nothing, 0, Some(format!("{error:#}"))),
        };
        let pauses = refusal.is_some();
        {
            let mut state = self.run.lock();
            let question =
                AppendTerms { concern: spec.concern, timeout: spec.timeout(), took, floor };
            if is_overdue {
                state.history.overdue(None, question);
            }
            match how {
                SendKind::First => {
                    state.history.answered(numbers, question, outcome.clone());
                    *state.answers.entry((spec.kind, status)).or_default() += 1;
                }
                SendKind::Repeat => {
                    state.history.repeated(numbers, question, outcome.clone());
                    state.tried.repeats += 1;
                }
                SendKind::OthersKey => {
                    state.history.reused_key(numbers.start, question, outcome.clone());
                    state.tried.reused_keys += 1;
                }
            }
            state.refusal = refusal.or_else(|| state.refusal.take());
        }
        if pauses {
            sleep(PAUSE).await;
        }
        outcome
    }

    /// Sends some of the requests that may follow an answer, at random.
    async fn follow_up(
        &mut self,
        spec: RequestSpec,
        numbers: Range<u64>,
        key: Option<String>,
        outcome: &AppendOutcome,
    ) {
        let is_there = matches!(outcome, AppendOutcome::Committed(_) | AppendOutcome::Stored(_));
        if let Some(key) = key {
            if *outcome == AppendOutcome::Nothing || self.rng.random_ratio(1, 2) {
                let again = self.run.load.mix.draw_again(&mut self.rng, spec, self.concerns);
                self.send(again, numbers.clone(), Some(&key), SendKind::Repeat).await;
            }
            if is_there && self.rng.random_ratio(1, 4) {
                self.use_key_again(&key).await;
            }
            if is_there {
                self.run.lock().keep_key(KeyedRequest { key, numbers, spec });
            }
        }
        if let AppendOutcome::Stored(receipt) = outcome
            && self.rng.random_ratio(1, 2)
        {
            self.wait_again(spec, receipt.id).await;
        }
        if self.rng.random_ratio(1, REQUESTS_PER_BAD) {
            self.send_bad_request().await;
        }
    }

    /// Sends messages again that have ids and a key, for the master alone.
    pub(super) async fn send_again(&mut self, keyed: KeyedRequest) {
        let spec =
            RequestSpec { concern: Some(WriteConcern::Nodes(1)), timeout_ms: None, ..keyed.spec };
        self.send(spec, keyed.numbers, Some(&keyed.key), SendKind::Repeat).await;
    }

    /// Sends another message under a key that is in use.
    async fn use_key_again(&mut self, key: &str) {
        let numbers = {
            let history = &mut self.run.lock().history;
            if history.sent_count() >= self.run.load.messages_max {
                return;
            }
            history.sent(1)
        };
        // Without a timeout: one that passes while the key is still being looked up says nothing.
        let spec = RequestSpec {
            kind: 0,
            count: 1,
            concern: self.run.load.mix.concern(0),
            timeout_ms: None,
            has_key: true,
            escaping: Escaping::Needed,
        };
        self.send(spec, numbers, Some(key), SendKind::OthersKey).await;
    }

    /// Waits again for a stored message, perhaps for more nodes than before.
    async fn wait_again(&mut self, spec: RequestSpec, id: u64) {
        let again = self.run.load.mix.draw_again(&mut self.rng, spec, self.concerns);
        let concern = again.concern.or(Some(WriteConcern::All));
        let timeout_ms = Some(self.rng.random_range(0..=WAIT_MS));
        let again = RequestSpec { concern, timeout_ms, ..again };
        let path = format!("{}?{}", paths::message(id), again.query());
        let (begin, answer_timeout) = (Instant::now(), again.answer_timeout(self.run.until()));
        let call = self.client.call(Method::GET, &path, None, Bytes::new(), answer_timeout);
        let CallOutcome { answer, is_overdue } =
            call_with_limit(&self.run, again.timeout(), call).await;
        let took = begin.elapsed();
        let question = AppendTerms { concern, timeout: again.timeout(), took, floor: 0 };
        if is_overdue {
            self.run.lock().history.overdue(Some(id), question);
        }
        let Ok(answer) = answer else { return };
        let outcome = match answer.status.as_u16() {
            200 | 504 => {
                outcome_of(&answer, ExpectedAnswer { success: 200, count: 1, is_repeatable: true })
            }
            404 => AppendOutcome::Malformed(format!("404: {}", answer.detail())),
            _ => return,
        };
        let shown = serde_json::from_slice::<Message<'_>>(&answer.body);
        let text = shown.as_ref().ok().map(|shown| shown.message.as_ref());
        let mut state = self.run.lock();
        state.history.waited(id, question, &outcome, text);
        state.tried.waits += 1;
    }

    /// Sends a request that must be refused.
    async fn send_bad_request(&mut self) {
        let chosen = self.rng.random_range(0..BAD_BODIES.len());
        let Some(body) = BAD_BODIES.get(chosen).copied() else { return };
        let call = self
            .client
            .call(Method::POST, paths::MESSAGES, None, body, Some(REFUSAL_TIMEOUT))
            .await;
        let Ok(answer) = call else { return };
        let outcome =
            outcome_of(&answer, ExpectedAnswer { success: 201, count: 1, is_repeatable: false });
        let mut state = self.run.lock();
        let text = String::from_utf8_lossy(body);
        state.history.bad_request(&text, answer.status.as_u16(), &outcome);
        state.tried.bad_requests += 1;
    }
}
