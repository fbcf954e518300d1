//! Bodies of `POST /newMessage` and `PUT /faults`.

use std::time::Duration;

use acklog::server::http::parsing::{append_body, faults_body};
use acklog_protocol::Wait;
use acklog_types::{BATCH_BYTES_MAX, Rate, WriteConcern};
use serde_json::Value;

/// Most bytes of a message here: few, so that the limit is met.
pub(super) const MESSAGE_BYTES_MAX: usize = 1000;

/// Longest wait that is kept, as `docs/reference/http.md` has it.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// Longest detail of a refusal, in bytes: its own words, and some characters of the client's.
const DETAIL_BYTES_MAX: usize = 1000;

/// Checks that what is parsed has the texts that a general parser of JSON finds, and allowed values
/// only, and that what is refused is refused in few words.
pub fn body(data: &[u8]) {
    match append_body(data, MESSAGE_BYTES_MAX) {
        Ok((batch, wait)) => {
            let texts: Vec<&str> = batch.iter().collect();
            check_texts(data, &texts, false);
            check_wait(&wait);
        }
        Err(detail) => check_detail(&detail),
    }
    match faults_body(data) {
        Ok(faults) => {
            let rates = [faults.error_rate, faults.drop_rate, faults.duplicate_rate];
            for rate in rates.map(Rate::get) {
                assert!((0.0..=1.0).contains(&rate), "a rate of {rate}");
            }
            for delay in [faults.send_delay, faults.store_delay].into_iter().flatten() {
                assert!(delay.min() <= delay.max(), "{delay}");
            }
        }
        Err(detail) => check_detail(&detail),
    }
}

/// Checks the texts of a body that was parsed, or of a line of an append stream.
pub(super) fn check_texts(data: &[u8], texts: &[&str], is_line: bool) {
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let value: Value = serde_json::from_slice(data).expect("a body that was parsed is JSON");
    let members = value.as_object().expect("a body that was parsed is an object");
    const KNOWN: [&str; 6] =
        ["message", "messages", "writeConcern", "w", "timeoutMs", "expectedEnd"];
    let known = |name: &str| KNOWN.contains(&name) || (is_line && name == "key");
    members.keys().for_each(|name| assert!(known(name), "{name:?}"));
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    match (given("message"), given("messages")) {
        (Some(Value::String(one)), None) => assert_eq!(texts, [one]),
        (None, Some(Value::Array(list))) => {
            let list: Vec<Option<&str>> = list.iter().map(Value::as_str).collect();
            let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(*text)).collect();
            assert_eq!(texts, list);
        }
        other => panic!("this is no message and no batch: {other:?}"),
    }
    assert!(!texts.is_empty(), "a batch of nothing");
    assert!(texts.iter().all(|text| text.len() <= MESSAGE_BYTES_MAX), "a message is too long");
    assert!(texts.iter().map(|text| text.len()).sum::<usize>() <= BATCH_BYTES_MAX);
}

/// Checks what a client may wait for.
pub(super) fn check_wait(wait: &Wait) {
    assert!(wait.write_concern != Some(WriteConcern::Nodes(0)), "0 means 1");
    assert!(wait.timeout.is_none_or(|timeout| timeout <= YEAR), "{:?}", wait.timeout);
}

/// Checks the words of a refusal.
pub(super) fn check_detail(detail: &str) {
    assert!(!detail.is_empty() && detail.len() <= DETAIL_BYTES_MAX, "{detail}");
}
