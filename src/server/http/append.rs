//! `POST /newMessage`: from a body to a message or a batch, and from its outcome to an answer; or
//! from lines to lines.

mod answer_room;
mod line_answers;
mod line_counts;
mod lines;
mod request;
mod stream;

use std::rc::Rc;
use std::time::Instant;

use acklog_api::{MessageCopy, headers, paths};
use acklog_log::LogReader;
use acklog_protocol::Outcome;
use acklog_types::IdempotencyKey;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

pub use self::lines::{LineSplitter, StreamLine};
pub(super) use self::request::{ParsedAppend, parse, parse_line};
use self::stream::AnswerStream;
use super::accepted::Accepted;
use super::body::{BodyLimits, Collected};
use super::problem::{IDEMPOTENT_REPLAYED, RequestProblem};
use super::receipt::{copies_of, write_copies};
use super::response::{APPLICATION_JSON, APPLICATION_NDJSON, ResponseBody, streamed};
use super::tally::Tally;
use crate::server::node::{Appender, ClientAppend, HashedKey, NoOutcome};

/// The header of the idempotency key.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);

/// Reads a message or a batch, appends it, and waits for its outcome, without a timeout of its own.
/// It is counted where its write concern holds.
///
/// Dropping the future before the body was read drops the body; dropping it later only cancels the
/// wait.
///
/// # Errors
/// When the message was not stored, or its write concern does not hold yet.
pub(super) async fn append(
    (log, appender): (&LogReader, &Appender),
    (limits, tally): (&BodyLimits, &Tally),
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let Collected { bytes, share } = limits.collect(body).await?;
    let ParsedAppend { batch, count, wait, expected_end, key: _ } =
        parse(&bytes, limits.message_bytes)?;
    drop(bytes);
    let key = idempotency_key(headers)?.map(Box::new);
    // The share goes along: the parsed messages take up memory until the core task has taken them,
    // and a client that waits after that holds none.
    let append = ClientAppend { batch, key, expected_end, wait, share };
    let read_at = Instant::now();
    let accepted = accepted(appender.append(append).await, count)?;
    tally.acked(accepted.receipt.write_concern, read_at.elapsed(), 1);
    // Boxed, since it is rare: the future of every append would have room for it.
    let copies = match accepted.receipt.copies {
        Some(_) => Box::pin(copies_of(log, &accepted)).await,
        None => None,
    };
    Ok(created(&accepted, copies.as_deref()))
}

/// Begins an append stream. The answer goes on while lines are read, until `closing` is cancelled.
///
/// # Errors
/// When it has a key, which names a single append, its body breaks off before anything of it came,
/// or there are too many streams.
pub(super) async fn append_stream(
    (log, appender): (&LogReader, &Appender),
    (limits, closing): (&BodyLimits, &CancellationToken),
    tally: Rc<Tally>,
    headers: &HeaderMap,
    mut body: Incoming,
) -> Result<Response<ResponseBody>, RequestProblem> {
    if headers.contains_key(&IDEMPOTENCY_KEY) {
        return Err(RequestProblem::StreamKey);
    }
    // A client that asks whether to go on is told so when the body is read, which must be before
    // the answer begins. One that is silent when the node stops has an answer of no lines.
    let first = match headers.contains_key(EXPECT) {
        true => closing.run_until_cancelled(body.frame()).await.flatten(),
        false => None,
    };
    let first = first.transpose().map_err(|_| RequestProblem::BodyBroken)?;
    let first = first.and_then(|frame| frame.into_data().ok());
    let stream = appender.stream().ok_or(RequestProblem::TooManyBodies)?;
    let stream = AnswerStream::new(stream, (log.clone(), tally), limits.clone(), first, body);
    Ok(streamed(APPLICATION_NDJSON, ResponseBody::pieces(stream)))
}

/// Returns whether a request is an append stream, by the type of its body.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(headers::APPLICATION_NDJSON.as_bytes())
}

/// Returns the idempotency key of a request.
///
/// # Errors
/// When it is invalid, or given more than once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<HashedKey>, RequestProblem> {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(RequestProblem::Key("it is given more than once".to_owned()));
    }
    // Bytes that are not UTF-8 are not visible ASCII either, which the key's own rules refuse.
    let text = String::from_utf8_lossy(value.as_bytes());
    let key =
        text.parse::<IdempotencyKey>().map_err(|error| RequestProblem::Key(error.to_string()))?;
    Ok(Some(key.into()))
}

/// Returns what is known about what an append stored.
///
/// # Errors
/// When its write concern does not hold.
fn accepted(
    outcome: Result<Outcome, NoOutcome>,
    count: Option<usize>,
) -> Result<Accepted, RequestProblem> {
    let outcome = outcome.map_err(|unanswered| match unanswered {
        NoOutcome::NotTaken => RequestProblem::Stopped,
        NoOutcome::Lost => RequestProblem::AppendLost,
    })?;
    committed(outcome, count)
}

/// Returns what is known about a message, or about a batch of `count` messages, whose write concern
/// holds.
///
/// # Errors
/// Any other outcome.
pub(super) fn committed(
    outcome: Outcome,
    count: Option<usize>,
) -> Result<Accepted, RequestProblem> {
    let accepted = |receipt| Accepted { receipt, count };
    match outcome {
        Outcome::Committed(receipt) => Ok(accepted(receipt)),
        Outcome::TimedOut(receipt) => Err(RequestProblem::TimedOut(accepted(receipt))),
        Outcome::ShuttingDown(receipt) => Err(RequestProblem::Stopping(accepted(receipt))),
        Outcome::DiskFailed(receipt, fault) => {
            Err(RequestProblem::DiskFailed(accepted(receipt), fault))
        }
        Outcome::TooManyWaiting(receipt) => Err(RequestProblem::TooManyWaiting(accepted(receipt))),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

fn created(accepted: &Accepted, copies: Option<&[MessageCopy]>) -> Response<ResponseBody> {
    let receipt = &accepted.receipt;
    // Enough for the names of nodes too, in most clusters.
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    accepted.write(&mut out);
    write_copies(&mut out, copies);
    out.extend_from_slice(b"}\n");
    let mut response = Response::new(ResponseBody::full(out));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, APPLICATION_JSON);
    let location = HeaderValue::try_from(paths::message(receipt.id.get()));
    headers.insert(LOCATION, location.expect("digits are a header value"));
    if receipt.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use acklog_api::Storage;
    use acklog_protocol::Receipt;
    use acklog_types::MessageId;

    use super::*;
    use crate::server::http::accepted::{RequestKind, receipt_of_two};

    fn answer(
        outcome: Result<Outcome, NoOutcome>,
        count: Option<usize>,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        accepted(outcome, count).map(|accepted| created(&accepted, None))
    }

    fn receipt() -> Receipt {
        receipt_of_two(MessageId::new(3))
    }

    #[tokio::test]
    async fn a_committed_message_is_answered_with_where_it_is() {
        let response = answer(Ok(Outcome::Committed(receipt())), None).unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[LOCATION], "/messages/3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "{\"id\":3,\"writeConcern\":2,\"ackedBy\":[\"master\",\"bonnie\"]}\n");
    }

    fn copy(after_ms: f64) -> MessageCopy {
        let (node, storage) = ("master".to_owned(), Some(Storage::Disk));
        MessageCopy { node, held: true, storage, after_ms: Some(after_ms), attempts: None }
    }

    /// The answer is written by hand for speed.
    #[test]
    fn the_members_of_an_answer_are_those_of_the_contract_s_type() {
        for names in [&["master"][..], &["master", "a.b", "Z-9_"]] {
            for count in [None, Some(1), Some(100)] {
                let acked_by = names.iter().map(|name| name.parse().unwrap()).collect();
                let accepted = Accepted { receipt: Receipt { acked_by, ..receipt() }, count };
                let mut members = Vec::new();
                accepted.write(&mut members);
                let copies = count.map(|_| vec![copy(0.25), copy(0.0)]);
                write_copies(&mut members, copies.as_deref());
                let body = acklog_api::Appended {
                    id: 3,
                    count: count.map(|count| count as u64),
                    write_concern: 2,
                    acked_by: names.iter().map(|name| (*name).to_owned()).collect(),
                    line: None,
                    copies: copies.clone(),
                };
                let members = String::from_utf8(members).unwrap();
                assert_eq!(format!("{{{members}}}"), serde_json::to_string(&body).unwrap());
            }
        }
    }

    #[tokio::test]
    async fn a_batch_is_answered_with_its_first_id_and_its_length() {
        let body = async |response: Response<ResponseBody>| {
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let response = answer(Ok(Outcome::Committed(receipt())), Some(100)).unwrap();
        assert_eq!(response.headers()[LOCATION], "/messages/3");
        let told = r#"{"id":3,"count":100,"writeConcern":2,"ackedBy":["master","bonnie"]}"#;
        assert_eq!(body(response).await, format!("{told}\n"));
        let late = answer(Ok(Outcome::TimedOut(receipt())), Some(100)).err().unwrap();
        let late = body(late.answer_to(RequestKind::Append { keyed: false })).await;
        let late: serde_json::Value = serde_json::from_slice(&late).unwrap();
        assert_eq!((&late["id"], &late["count"]), (&3.into(), &100.into()));
        assert!(late["detail"].as_str().unwrap().contains("had messages 3 to 102"), "{late}");
    }

    #[test]
    fn an_answer_that_repeats_says_so_in_a_header() {
        let replayed = Receipt { replayed: true, ..receipt() };
        let response = answer(Ok(Outcome::Committed(replayed.clone())), None).unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[IDEMPOTENT_REPLAYED], "true");
        let late = answer(Ok(Outcome::TimedOut(replayed)), None)
            .err()
            .unwrap()
            .answer_to(RequestKind::Append { keyed: true });
        assert_eq!(late.headers()[IDEMPOTENT_REPLAYED], "true");
        let first = answer(Ok(Outcome::Committed(receipt())), None).unwrap();
        assert_eq!(first.headers().get(IDEMPOTENT_REPLAYED), None);
    }

    #[test]
    fn a_key_is_given_once_and_is_visible_ascii() {
        let found = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            idempotency_key(&headers)
        };
        assert_eq!(found(&[]), Ok(None));
        let key: IdempotencyKey = "order-17".parse().unwrap();
        assert_eq!(found(&[b"order-17"]), Ok(Some(key.into())));
        let long = [b'k'; 129];
        let bad: [&[&[u8]]; 5] = [&[b""], &[b"a b"], &[b"\xff"], &[&long], &[b"a", b"a"]];
        for values in bad {
            let problem = found(values).unwrap_err();
            assert_eq!(problem.status().as_u16(), 400);
            assert!(problem.to_string().contains("Idempotency-Key"), "{problem}");
        }
    }

    #[test]
    fn every_other_outcome_is_a_problem_of_its_own() {
        let status = |outcome| answer(outcome, None).err().unwrap().status().as_u16();
        assert_eq!(status(Ok(Outcome::TimedOut(receipt()))), 504);
        assert_eq!(status(Ok(Outcome::ShuttingDown(receipt()))), 503);
        assert_eq!(status(Ok(Outcome::TooManyWaiting(receipt()))), 503);
        let fault = acklog_types::DiskFault::Failed { detail: "full".to_owned() };
        assert_eq!(status(Ok(Outcome::DiskFailed(receipt(), fault))), 503);
        let unanswered = |unanswered| answer(Err(unanswered), None).err();
        assert_eq!(unanswered(NoOutcome::NotTaken), Some(RequestProblem::Stopped));
        assert_eq!(unanswered(NoOutcome::Lost), Some(RequestProblem::AppendLost));
    }
}
