//! `POST /newMessage`: from a body to a message, and from its outcome to an answer.

mod request;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use super::body::{BodyLimits, ResponseBody};
use super::problem::{Problem, write_receipt};
use super::read::APPLICATION_JSON;
use crate::node::{Appender, Stopped};
use crate::protocol::{Outcome, Receipt};

/// Reads a message, appends it, and waits for its outcome, for as long as it takes.
///
/// Dropping the future before the body was read drops the message; dropping it later forgets the
/// waiter only.
///
/// # Errors
/// When the message was not stored, or its write concern does not hold yet.
pub(super) async fn append(
    appender: &Appender,
    limits: &BodyLimits,
    body: Incoming,
) -> Result<Response<ResponseBody>, Problem> {
    let append = {
        // Dropped before the wait: a sender that waits holds no share of the bodies.
        let body = limits.collect(body).await?;
        request::parse(&body.bytes, limits.message_bytes)?
    };
    answer(appender.append(append).await)
}

/// The answer to an append.
fn answer(outcome: Result<Outcome, Stopped>) -> Result<Response<ResponseBody>, Problem> {
    match outcome {
        Ok(Outcome::Committed(receipt)) => Ok(created(&receipt)),
        Ok(Outcome::TimedOut(receipt)) => Err(Problem::TimedOut(receipt)),
        Ok(Outcome::ShuttingDown(receipt)) => Err(Problem::Stopping(receipt)),
        Ok(Outcome::Refused(refusal)) => Err(refusal.into()),
        Err(Stopped) => Err(Problem::AppendLost),
    }
}

fn created(receipt: &Receipt) -> Response<ResponseBody> {
    // Room for the names too, in most clusters.
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    write_receipt(&mut out, receipt);
    out.push(b'}');
    let mut response = Response::new(ResponseBody::full(out));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, APPLICATION_JSON);
    let location = HeaderValue::try_from(format!("/messages/{}", receipt.id));
    headers.insert(LOCATION, location.expect("digits are a header value"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::types::MessageId;

    fn receipt() -> Receipt {
        let acked_by = ["master", "bonnie"].map(|name| name.parse().unwrap()).into();
        Receipt { id: MessageId::new(3), write_concern: 2, acked_by, stored: true }
    }

    #[tokio::test]
    async fn a_committed_message_is_answered_with_where_it_is() {
        let response = answer(Ok(Outcome::Committed(receipt()))).unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[LOCATION], "/messages/3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"id":3,"writeConcern":2,"ackedBy":["master","bonnie"]}"#);
    }

    #[test]
    fn every_other_outcome_is_a_problem_of_its_own() {
        let status = |outcome| answer(outcome).err().unwrap().status().as_u16();
        assert_eq!(status(Ok(Outcome::TimedOut(receipt()))), 504);
        assert_eq!(status(Ok(Outcome::ShuttingDown(receipt()))), 503);
        assert_eq!(status(Err(Stopped)), 503);
        assert_eq!(answer(Err(Stopped)).err(), Some(Problem::AppendLost));
    }
}
