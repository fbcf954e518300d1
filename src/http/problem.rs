//! Everything that can be wrong with a request, and the one map from it to a status.
//!
//! An error answer is `application/problem+json` (RFC 9457): `title` is the status in words,
//! `detail` says what was wrong and what to do. Details never hold more than [`CLIPPED_CHARS`]
//! characters of what the client sent.

use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use thiserror::Error;

use super::body::ResponseBody;
use super::json;
use crate::node::Stopped;
use crate::protocol::{ForgetError, Receipt, Refusal};
use crate::types::LogEnd;

/// Most characters of a client's text that a detail repeats: enough to recognise a typing error by.
const CLIPPED_CHARS: usize = 64;

/// What `Retry-After` says, in seconds: the shortest it can. What stands in the way is mostly gone
/// within it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request was not done, or not done in time. Its text is the `detail` of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Problem {
    /// The path is not one of the node's.
    #[error("this node has no such path; GET /health and GET /messages are good places to start")]
    NoPath,
    /// Only a master knows secondaries.
    #[error("this node is a secondary and knows no other secondaries; ask the master")]
    NotAMastersPath,
    /// The path takes other methods.
    #[error("this path does not take that method; it takes {}", methods(.allow))]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// A message was posted to a secondary.
    #[error(
        "this node is a secondary and takes no messages; post them to the HTTP port of the \
         master{}, whose communication port this node dials at {address}",
        master.as_ref().map(|name| format!(" {name}")).unwrap_or_default()
    )]
    NotMaster {
        /// The value of `Allow`.
        allow: &'static str,
        /// The master's name, where a handshake told it.
        master: Option<String>,
        /// Where the master listens for secondaries, as `host:port`.
        address: String,
    },
    /// The query string has something that it must not have, or something twice.
    #[error("{0}")]
    Query(String),
    /// The id in the path is no number.
    #[error("a message's id is a whole number, as in /messages/3")]
    NoNumber,
    /// No such message is visible here.
    #[error("this node has no such message yet: it shows the messages below id {end}")]
    NoMessage {
        /// The end of what the node shows.
        end: LogEnd,
    },
    /// The name in the path can be nobody's.
    #[error("{0}")]
    Name(String),
    /// Fault injection is off.
    #[error(
        "fault injection is not enabled on this node; start it with --allow-faults to script faults"
    )]
    FaultsOff,
    /// The body is no set of faults.
    #[error(
        "{0}; nothing was changed; send a JSON object like {{\"errorRate\": 0.3, \"seed\": 7}}"
    )]
    Faults(String),
    /// The body is not what it should be.
    #[error("{0}; send a JSON object like {{\"message\": \"text\", \"writeConcern\": 2}}")]
    Body(String),
    /// The body did not come in whole.
    #[error("the body could not be read to its end; send the request again")]
    BodyBroken,
    /// The body is longer than any message needs.
    #[error("the body is longer than {limit} bytes, which is the limit; send a shorter one")]
    BodyTooLong {
        /// Longest body, in bytes.
        limit: usize,
    },
    /// The message is longer than `--max-message-bytes`.
    #[error(
        "the message has {length} bytes and the limit is {limit}; send it in parts, \
         or start the master with a larger --max-message-bytes"
    )]
    MessageTooLong {
        /// The message's length, in bytes of the decoded string.
        length: usize,
        /// Longest message, in bytes.
        limit: usize,
    },
    /// The client stopped sending in the middle of the body.
    #[error("no byte of the body came for {seconds} s; send the whole body at once")]
    BodyIdle {
        /// How long was waited.
        seconds: u64,
    },
    /// All bodies that are being received have too many bytes together.
    #[error("the node is receiving too many large messages at once; nothing was stored, try again")]
    TooManyBodies,
    /// The node refused the message before it stored anything.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The sender's time limit passed first.
    #[error(
        "the time limit passed before {} had message {}; {}",
        nodes(.0.write_concern), .0.id, fate(.0)
    )]
    TimedOut(Receipt),
    /// The node stops first.
    #[error(
        "the node is stopping before {} had message {}; {}",
        nodes(.0.write_concern), .0.id, fate(.0)
    )]
    Stopping(Receipt),
    /// The node stopped while it had the message in hand.
    #[error(
        "the node stopped before it told what became of the message: it may be in the log or not; \
         look for it with GET /messages when the node is back, before sending it again"
    )]
    AppendLost,
    /// The node stopped; nothing was asked of it that could be half done.
    #[error("the node has stopped; try again when it is back")]
    Stopped,
    /// The secondary cannot be forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
}

/// The part of a client's text that may be repeated.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(CLIPPED_CHARS).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

fn methods(allow: &str) -> &str {
    if allow.is_empty() { "none on this node" } else { allow }
}

fn nodes(write_concern: u16) -> String {
    match write_concern {
        1 => "1 node".to_owned(),
        nodes => format!("{nodes} nodes"),
    }
}

fn fate(receipt: &Receipt) -> &'static str {
    if receipt.stored {
        "it is in the master's log and goes on being replicated from there: do not send it again"
    } else {
        "whether it is stored is not known yet: ask for it by its id before sending it again"
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl Problem {
    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Query(_)
            | Self::NoNumber
            | Self::Name(_)
            | Self::Body(_)
            | Self::Faults(_)
            | Self::BodyBroken
            | Self::Refused(Refusal::WriteConcern { .. }) => StatusCode::BAD_REQUEST,
            Self::FaultsOff => StatusCode::FORBIDDEN,
            Self::NoPath
            | Self::NotAMastersPath
            | Self::NoMessage { .. }
            | Self::Forget(ForgetError::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Method { .. } | Self::NotMaster { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyIdle { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Forget(ForgetError::Live(_)) => StatusCode::CONFLICT,
            Self::BodyTooLong { .. } | Self::MessageTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyBodies
            | Self::Refused(
                Refusal::TooManyWaiting { .. } | Refusal::NoQuorum { .. } | Refusal::ShuttingDown,
            )
            | Self::Stopping(_)
            | Self::AppendLost
            | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The header that the answer has besides its content type.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method { allow } | Self::NotMaster { allow, .. } => {
                Some((ALLOW, HeaderValue::from_static(allow)))
            }
            // Nothing of the request was done, nor ever will be: safe to send again.
            Self::TooManyBodies
            | Self::Refused(
                Refusal::TooManyWaiting { .. } | Refusal::NoQuorum { .. } | Refusal::ShuttingDown,
            )
            | Self::Stopped => Some((RETRY_AFTER, RETRY_AFTER_SECONDS)),
            _ => None,
        }
    }

    /// Whether the request's body is left unread, so that the connection cannot be used again.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLong { .. }
                | Self::BodyIdle { .. }
                | Self::BodyBroken
                | Self::TooManyBodies
        )
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::full(self.body()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn body(&self) -> Vec<u8> {
        let status = self.status();
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"title\":");
        json::write_string(&mut out, status.canonical_reason().unwrap_or("Error"));
        out.extend_from_slice(b",\"status\":");
        json::write_number(&mut out, status.as_u16().into());
        out.extend_from_slice(b",\"detail\":");
        json::write_string(&mut out, &self.to_string());
        if let Self::TimedOut(receipt) | Self::Stopping(receipt) = self {
            out.push(b',');
            write_receipt(&mut out, receipt);
            out.extend_from_slice(b",\"outcome\":");
            json::write_string(&mut out, if receipt.stored { "stored" } else { "unknown" });
        }
        out.push(b'}');
        out
    }
}

/// Appends the members that tell of an accepted message: `id`, `writeConcern`, `ackedBy`.
pub(super) fn write_receipt(out: &mut Vec<u8>, receipt: &Receipt) {
    out.extend_from_slice(b"\"id\":");
    json::write_number(out, receipt.id.get());
    out.extend_from_slice(b",\"writeConcern\":");
    json::write_number(out, receipt.write_concern.into());
    out.extend_from_slice(b",\"ackedBy\":[");
    for (n, name) in receipt.acked_by.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json::write_string(out, name.as_str());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::types::MessageId;

    fn receipt(stored: bool) -> Receipt {
        let acked_by = ["master", "bonnie"].map(|name| name.parse().unwrap()).into();
        Receipt { id: MessageId::new(3), write_concern: 3, acked_by, stored }
    }

    fn body(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.body()).unwrap()
    }

    #[test]
    fn an_answer_without_the_write_concern_still_tells_the_id() {
        let body = body(&Problem::TimedOut(receipt(true)));
        assert_eq!(body["title"], "Gateway Timeout");
        assert_eq!(body["status"], 504);
        assert!(body["detail"].as_str().unwrap().contains("message 3"));
        assert_eq!(body["id"], 3);
        assert_eq!(body["writeConcern"], 3);
        assert_eq!(body["ackedBy"], json!(["master", "bonnie"]));
        assert_eq!(body["outcome"], "stored");
        assert_eq!(self::body(&Problem::Stopping(receipt(false)))["outcome"], "unknown");
    }

    #[test]
    fn retry_after_is_set_exactly_where_nothing_was_stored() {
        let retry = |problem: Problem| problem.into_response().headers().contains_key(RETRY_AFTER);
        assert!(retry(Refusal::TooManyWaiting { limit: 9 }.into()));
        assert!(retry(Refusal::ShuttingDown.into()));
        assert!(retry(Refusal::NoQuorum { healthy: 1, cluster_size: 3, required: 2 }.into()));
        assert!(retry(Problem::TooManyBodies));
        assert!(!retry(Problem::Stopping(receipt(true))));
        assert!(!retry(Problem::TimedOut(receipt(true))));
        assert!(!retry(Problem::AppendLost));
        assert!(!retry(Refusal::WriteConcern { asked: 9, reachable: 3 }.into()));
    }

    #[test]
    fn a_lost_quorum_is_told_in_numbers() {
        let detail = |healthy, cluster_size| {
            Refusal::NoQuorum { healthy, cluster_size, required: 2 }.to_string()
        };
        assert!(detail(1, 3).starts_with("1 of 3 nodes is healthy, 2 needed; "));
        assert!(detail(2, 5).starts_with("2 of 5 nodes are healthy, 2 needed; "));
        assert!(detail(1, 1).starts_with("1 of 1 node is healthy, 2 needed; "));
    }

    #[test]
    fn each_refusal_has_its_status() {
        let name: crate::types::NodeName = "bonnie".parse().unwrap();
        let refusal = |refusal: Refusal| Problem::from(refusal).status().as_u16();
        assert_eq!(refusal(Refusal::WriteConcern { asked: 9, reachable: 3 }), 400);
        assert_eq!(refusal(Refusal::TooManyWaiting { limit: 1 }), 503);
        assert_eq!(refusal(Refusal::ShuttingDown), 503);
        assert_eq!(Problem::from(ForgetError::Unknown(name.clone())).status().as_u16(), 404);
        assert_eq!(Problem::from(ForgetError::Live(name)).status().as_u16(), 409);
        assert_eq!(Problem::from(Stopped).status().as_u16(), 503);
    }

    #[test]
    fn a_clients_text_is_repeated_in_part_and_cannot_break_the_body() {
        let hostile = format!("\"}}\n\u{0}{}", "x".repeat(100_000));
        let problem = Problem::Query(format!("unknown: {}", clip(&hostile)));
        let detail = body(&problem)["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("unknown: \"}\n\0xxx") && detail.ends_with('…'));
        assert!(detail.chars().count() < 100);
    }

    #[test]
    fn a_secondary_names_its_master() {
        let address = "10.0.0.1:6000".to_owned();
        let problem =
            Problem::NotMaster { allow: "GET, HEAD", master: Some("m1".to_owned()), address };
        assert!(problem.to_string().contains("master m1, whose communication port"));
        let response = problem.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
    }
}
