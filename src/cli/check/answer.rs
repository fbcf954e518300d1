//! Reads the answer to an append, and judges whether it keeps to the HTTP contract.
//!
//! An error whose body is not empty and no JSON may come from a proxy, so it says nothing about the
//! message. Every other error must be a problem whose status, `code`, `retry` and `outcome` fit
//! together.

use acklog_api::{Appended, Outcome, Problem, paths};
use acklog_client::Answer;
use acklog_judge::{AckReceipt, AppendOutcome};
use acklog_types::escaped;
use hyper::StatusCode;
use serde_json::{Map, Value};

/// Longest part of an answer that a violation repeats, in characters.
const SEEN_CHARS_MAX: usize = 200;

/// The expectations on the answer to a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedAnswer {
    /// Status of a success.
    pub(super) success: u16,
    /// Messages in the request; a single one is not sent as a batch.
    pub(super) count: u64,
    /// Whether the request can be sent again without storing anything twice.
    pub(super) is_repeatable: bool,
}

/// Returns what an answer says about its messages.
pub(super) fn outcome_of(answer: &Answer, expected: ExpectedAnswer) -> AppendOutcome {
    let status = answer.status.as_u16();
    let is_error = (400..=599).contains(&status);
    let is_json = || serde_json::from_slice::<Map<String, Value>>(&answer.body).is_ok();
    if is_error && !is_json() && !answer.body.is_empty() {
        return if status < 500 { AppendOutcome::Refused } else { AppendOutcome::Nothing };
    }
    let reported = match status {
        _ if status == expected.success => success(answer, expected.count),
        _ if is_error => error(answer, expected),
        _ => Err("neither a success nor an error".to_owned()),
    };
    reported.unwrap_or_else(|wrong| {
        let body: String =
            String::from_utf8_lossy(&answer.body).chars().take(SEEN_CHARS_MAX).collect();
        AppendOutcome::Malformed(format!("{status} {}: {wrong}", escaped(&body)))
    })
}

/// Reads a success. A message that was appended is found where `Location` says.
fn success(answer: &Answer, count: u64) -> Result<AppendOutcome, String> {
    let reported: Appended =
        serde_json::from_slice(&answer.body).map_err(|wrong| wrong.to_string())?;
    is_count_of(reported.count, count)?;
    let path = paths::message(reported.id);
    match answer.header("location") {
        // A proxy may put its own name before the path.
        Some(location) if location.ends_with(&path) => {}
        _ if answer.status != StatusCode::CREATED => {}
        Some(location) => return Err(format!("Location is {} and not {path}", escaped(location))),
        None => return Err(format!("there is no Location: {path}")),
    }
    let Appended { id, write_concern, acked_by, .. } = reported;
    Ok(AppendOutcome::Committed(AckReceipt { id, write_concern, acked_by, timed_out: false }))
}

/// Checks the member `count`, which only the answer to a batch has.
fn is_count_of(reported: Option<u64>, count: u64) -> Result<(), String> {
    match reported == Some(count).filter(|&count| count > 1) {
        true => Ok(()),
        false => Err(format!("the count is not that of {count} messages")),
    }
}

/// Reads an error.
fn error(answer: &Answer, expected: ExpectedAnswer) -> Result<AppendOutcome, String> {
    let status = answer.status.as_u16();
    let body: Problem = serde_json::from_slice(&answer.body).map_err(|wrong| wrong.to_string())?;
    let Some(outcome) = &body.outcome else { return Err("the outcome is missing".to_owned()) };
    if body.status != status {
        return Err(format!("the member \"status\" is not {status}"));
    }
    let code = &body.code;
    match code.status().filter(|_| code.is_of_append()) {
        Some(of_code) if of_code == status => {}
        Some(of_code) => return Err(format!("the code {code} belongs to status {of_code}")),
        None => {
            let code = escaped(code.as_str());
            return Err(format!("no append is answered with the code {code}"));
        }
    }
    let has_id = body.id.is_some();
    let (outcomes, may_retry): (&[_], _) = match status {
        503 | 504 if has_id => (&[Outcome::Stored, Outcome::Unknown], expected.is_repeatable),
        _ if has_id => return Err("only 503 and 504 have an id".to_owned()),
        504 => return Err("a 504 has the id of its message".to_owned()),
        500 => (&[Outcome::Unknown], expected.is_repeatable),
        408 | 502.. => (&[Outcome::Refused], true),
        _ => (&[Outcome::Refused], false),
    };
    if !outcomes.contains(outcome) {
        let outcomes: Vec<_> = outcomes.iter().map(Outcome::as_str).collect();
        return Err(format!("the outcome is not {}", outcomes.join(" or ")));
    }
    if body.retry != may_retry {
        return Err(format!("retry is not {may_retry}"));
    }
    if status == 503 && answer.header("retry-after").is_some() == has_id {
        return Err("a 503 has Retry-After if and only if it has no id".to_owned());
    }
    let (is_stored, is_refused) = (*outcome == Outcome::Stored, *outcome == Outcome::Refused);
    let reported = || {
        is_count_of(body.count, expected.count)?;
        match (body.id, body.write_concern, &body.acked_by) {
            (Some(id), Some(write_concern), Some(acked_by)) => {
                let acked_by = acked_by.clone();
                Ok(AckReceipt { id, write_concern, acked_by, timed_out: status == 504 })
            }
            _ => Err("id, writeConcern or ackedBy is missing".to_owned()),
        }
    };
    match status {
        422 => Ok(AppendOutcome::KeyReused),
        _ if !has_id && !is_refused => Ok(AppendOutcome::Nothing),
        _ if !has_id => Ok(AppendOutcome::Refused),
        _ if is_stored => reported().map(AppendOutcome::Stored),
        _ => reported().map(AppendOutcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{LOCATION, RETRY_AFTER};
    use serde_json::json;

    use super::*;

    fn expected(count: u64, is_repeatable: bool) -> ExpectedAnswer {
        ExpectedAnswer { success: 201, count, is_repeatable }
    }

    fn answer(status: u16, retry_after: bool, body: &str) -> Answer {
        let retry = retry_after.then(|| (RETRY_AFTER, "1".parse().unwrap()));
        let location = (status == 201).then(|| (LOCATION, "/messages/3".parse().unwrap()));
        let headers = retry.into_iter().chain(location).collect();
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_owned().into(),
        }
    }

    fn of(status: u16, retry_after: bool, body: &str) -> AppendOutcome {
        outcome_of(&answer(status, retry_after, body), expected(1, false))
    }

    #[track_caller]
    fn is_malformed(outcome: &AppendOutcome) {
        assert!(matches!(outcome, AppendOutcome::Malformed(_)), "{outcome:?}");
    }

    /// Returns a problem without an id.
    fn refusal(status: u16, code: &str, retry: bool, outcome: &str) -> Value {
        json!({"title": "t", "status": status, "detail": "d", "code": code, "retry": retry,
            "outcome": outcome})
    }

    /// Returns a problem with an id.
    fn late(status: u16, code: &str, retry: bool, outcome: &str) -> Value {
        let mut problem = refusal(status, code, retry, outcome);
        problem["id"] = 3.into();
        problem["writeConcern"] = 2.into();
        problem["ackedBy"] = json!(["m"]);
        problem
    }

    #[test]
    fn an_answer_tells_what_became_of_the_message() {
        let receipt = |timed_out| AckReceipt {
            id: 3,
            write_concern: 2,
            acked_by: vec!["m".to_owned()],
            timed_out,
        };
        let created = r#"{"id":3,"writeConcern":2,"ackedBy":["m"]}"#;
        assert_eq!(of(201, false, created), AppendOutcome::Committed(receipt(false)));
        for (status, code) in [(504, "timed-out"), (503, "stopping")] {
            let receipt = || receipt(status == 504);
            for (outcome, expected) in [
                ("stored", AppendOutcome::Stored(receipt())),
                ("unknown", AppendOutcome::Unknown(receipt())),
            ] {
                let problem = late(status, code, false, outcome).to_string();
                assert_eq!(of(status, false, &problem), expected);
            }
        }
        let refused = [
            (400, "bad-request", false),
            (408, "body-too-slow", true),
            (413, "too-large", false),
            (503, "no-quorum", true),
        ];
        for (status, code, retry) in refused {
            let problem = refusal(status, code, retry, "refused").to_string();
            assert_eq!(of(status, status == 503, &problem), AppendOutcome::Refused, "{status}");
        }
        let reused = refusal(422, "key-reused", false, "refused").to_string();
        assert_eq!(of(422, false, &reused), AppendOutcome::KeyReused);
        let lost = refusal(500, "answer-lost", false, "unknown").to_string();
        assert_eq!(of(500, false, &lost), AppendOutcome::Nothing);
        // Pages of a proxy.
        assert_eq!(of(502, false, "<html>"), AppendOutcome::Nothing);
        assert_eq!(of(413, false, "<html>"), AppendOutcome::Refused);
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_malformed() {
        let wrong = [
            (400, false, refusal(400, "bad-request", false, "unknown")),
            (400, false, refusal(400, "bad-request", true, "refused")),
            (400, false, refusal(400, "no-quorum", false, "refused")),
            (400, false, refusal(422, "bad-request", false, "refused")),
            (400, false, late(400, "bad-request", false, "stored")),
            (408, false, refusal(408, "body-too-slow", false, "refused")),
            (400, false, refusal(400, "of-its-own", false, "refused")),
            (418, false, refusal(418, "of-its-own", false, "refused")),
            (422, false, refusal(422, "of-its-own", false, "refused")),
            (422, false, refusal(422, "key-reused", false, "stored")),
            (500, false, refusal(500, "answer-lost", false, "refused")),
            (503, false, refusal(503, "no-quorum", true, "refused")),
            (503, true, refusal(503, "no-quorum", false, "refused")),
            (503, true, refusal(503, "no-quorum", true, "unknown")),
            (503, true, refusal(503, "disk-failed", true, "unknown")),
            (503, true, late(503, "stopping", false, "stored")),
            (504, false, refusal(504, "timed-out", true, "refused")),
            (504, false, late(504, "timed-out", true, "stored")),
            (504, false, late(504, "timed-out", false, "refused")),
            (504, false, late(504, "stopping", false, "stored")),
            (200, false, json!({"id": 3, "writeConcern": 2, "ackedBy": ["m"]})),
            (201, false, json!({"id": 3, "writeConcern": 2})),
            (201, false, json!({})),
            (504, false, json!({})),
        ];
        for (status, retry_after, problem) in wrong {
            is_malformed(&of(status, retry_after, &problem.to_string()));
        }
        for member in ["title", "status", "detail", "code", "retry", "outcome", "ackedBy"] {
            let mut problem = late(504, "timed-out", false, "stored");
            problem.as_object_mut().unwrap().remove(member);
            is_malformed(&of(504, false, &problem.to_string()));
        }
        for status in [201, 400, 503, 504] {
            is_malformed(&of(status, true, ""));
        }
    }

    #[test]
    fn an_answer_to_a_batch_tells_how_many_messages_it_has() {
        let of_batch = |count, body: &'static str| {
            outcome_of(&answer(201, false, body), expected(count, false))
        };
        let acked_by = vec!["m".to_owned()];
        let receipt = AckReceipt { id: 3, write_concern: 1, acked_by, timed_out: false };
        let whole = r#"{"id":3,"count":5,"writeConcern":1,"ackedBy":["m"]}"#;
        assert_eq!(of_batch(5, whole), AppendOutcome::Committed(receipt));
        let without = r#"{"id":3,"writeConcern":1,"ackedBy":["m"]}"#;
        for (count, body) in [(4, whole), (1, whole), (5, without)] {
            is_malformed(&of_batch(count, body));
        }
    }

    #[test]
    fn what_can_be_repeated_says_so() {
        let problem = late(504, "timed-out", true, "stored").to_string();
        let late = answer(504, false, &problem);
        assert!(matches!(outcome_of(&late, expected(1, true)), AppendOutcome::Stored(_)));
        is_malformed(&outcome_of(&late, expected(1, false)));
        // A message without an id is not in the log and never will be.
        let problem = refusal(503, "disk-failed", true, "unknown").to_string();
        is_malformed(&outcome_of(&answer(503, true, &problem), expected(1, true)));
    }

    #[test]
    fn the_location_of_a_new_message_has_its_id() {
        let created = r#"{"id":3,"writeConcern":2,"ackedBy":["m"]}"#;
        let at = |location: Option<&str>, success| {
            let mut answer = answer(success, false, created);
            answer.headers.remove("location");
            answer.headers.extend(location.map(|at| (LOCATION, at.parse().unwrap())));
            outcome_of(&answer, ExpectedAnswer { success, ..expected(1, false) })
        };
        for right in ["/messages/3", "http://proxy/messages/3"] {
            assert!(matches!(at(Some(right), 201), AppendOutcome::Committed(_)), "{right}");
        }
        for wrong in [None, Some("/messages/13"), Some("/messages/4"), Some("/messages")] {
            is_malformed(&at(wrong, 201));
        }
        // A client that waits for a message knows where it is.
        assert!(matches!(at(None, 200), AppendOutcome::Committed(_)));
    }
}
