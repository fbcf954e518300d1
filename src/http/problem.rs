//! Everything that can be wrong with a request, and the one map from it to a status.
//!
//! An error answer is `application/problem+json` (RFC 9457): `title` is the status in words,
//! `detail` says what was wrong and what to do. Details never hold more than [`CLIPPED_CHARS`]
//! characters of what the client sent.

use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use thiserror::Error;

use super::accepted::Accepted;
use super::body::ResponseBody;
use super::json;
use crate::log::ReadError;
use crate::node::Stopped;
use crate::protocol::{ForgetError, Refusal};
use crate::types::{BATCH_BYTES_MAX, DiskFault, LogEnd};

/// Most characters of a client's text that a detail repeats: enough to recognise a typing error by.
const CLIPPED_CHARS: usize = 64;

/// What `Retry-After` says, in seconds: the shortest it can. What stands in the way is mostly gone
/// within it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Says that an answer is about a message that was sent before under the same key.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

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
        named(.master)
    )]
    NotMaster {
        /// The value of `Allow`.
        allow: &'static str,
        /// The master's name, where a handshake told it.
        master: Option<String>,
        /// Where the master listens for secondaries, as `host:port`.
        address: String,
    },
    /// A secondary was asked who has a message.
    #[error(
        "this node is a secondary and does not know who has a message; wait for a write concern at \
         the HTTP port of the master{}, whose communication port this node dials at {address}",
        named(.master)
    )]
    NotMastersWait {
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
    /// The sender's name for its message is none.
    #[error(
        "the header Idempotency-Key cannot be used: {0}; send it once, with 1 to 128 visible ASCII \
         characters, or leave it out"
    )]
    Key(String),
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
    /// The records of a batch are longer than a frame.
    #[error(
        "the batch takes {length} bytes in the log and the limit is {BATCH_BYTES_MAX}; send it as \
         several batches"
    )]
    BatchTooLong {
        /// The length of its records, in bytes.
        length: usize,
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
        "the time limit passed before {} had {}; {}",
        nodes(.0.receipt.write_concern), .0, .0.fate()
    )]
    TimedOut(Accepted),
    /// The node stops first.
    #[error(
        "the node is stopping before {} had {}; {}",
        nodes(.0.receipt.write_concern), .0, .0.fate()
    )]
    Stopping(Accepted),
    /// The disk failed first.
    #[error("the disk failed with {} on the way to it: {}; {}", .0, .1, .0.fate())]
    DiskFailed(Accepted, DiskFault),
    /// Too many senders wait for one more to wait again.
    #[error(
        "as many senders as may wait are waiting for secondaries already, so nobody waits for \
         {}; {}", .0, .0.fate()
    )]
    TooManyWaiting(Accepted),
    /// What is on the disk is not what was written there.
    #[error("the message cannot be read: {0}; see /health, and read it from another node")]
    Unreadable(String),
    /// It cannot be read at the moment, which says nothing about what is on the disk.
    #[error("the message cannot be read at the moment: {0}; try again later")]
    NotReadNow(String),
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

/// A name behind the word that it belongs to, where it is known.
fn named(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" {name}")).unwrap_or_default()
}

fn nodes(write_concern: u16) -> String {
    match write_concern {
        1 => "1 node".to_owned(),
        nodes => format!("{nodes} nodes"),
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Passing { detail } => Self::NotReadNow(detail),
            ReadError::Damaged { detail } => Self::Unreadable(detail),
        }
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
            | Self::Key(_)
            | Self::NotMastersWait { .. }
            | Self::Refused(Refusal::WriteConcern { .. }) => StatusCode::BAD_REQUEST,
            Self::FaultsOff => StatusCode::FORBIDDEN,
            Self::NoPath
            | Self::NotAMastersPath
            | Self::NoMessage { .. }
            | Self::Refused(Refusal::NoMessage { .. })
            | Self::Forget(ForgetError::Unknown(_)) => StatusCode::NOT_FOUND,
            Self::Method { .. } | Self::NotMaster { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyIdle { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Forget(ForgetError::Live(_)) => StatusCode::CONFLICT,
            Self::BodyTooLong { .. } | Self::MessageTooLong { .. } | Self::BatchTooLong { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Refused(Refusal::KeyReused { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable(_) | Self::Refused(Refusal::KeyUnreadable { .. }) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::TooManyBodies
            | Self::Refused(
                Refusal::TooManyWaiting { .. }
                | Refusal::NoQuorum { .. }
                | Refusal::Behind { .. }
                | Refusal::DiskFault(_)
                | Refusal::DiskBehind { .. }
                | Refusal::ShuttingDown,
            )
            | Self::Forget(ForgetError::DiskFault(_))
            | Self::Stopping(_)
            | Self::DiskFailed(..)
            | Self::TooManyWaiting(_)
            | Self::NotReadNow(_)
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
                Refusal::TooManyWaiting { .. }
                | Refusal::NoQuorum { .. }
                | Refusal::Behind { .. }
                | Refusal::DiskFault(_)
                | Refusal::DiskBehind { .. }
                | Refusal::ShuttingDown,
            )
            | Self::NotReadNow(_)
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

    /// What is known about the message or the batch, where it has an id.
    fn accepted(&self) -> Option<&Accepted> {
        match self {
            Self::TimedOut(accepted)
            | Self::Stopping(accepted)
            | Self::DiskFailed(accepted, _)
            | Self::TooManyWaiting(accepted) => Some(accepted),
            _ => None,
        }
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
        if self.accepted().is_some_and(|accepted| accepted.receipt.replayed) {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
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
        if let Some(accepted) = self.accepted() {
            out.push(b',');
            accepted.write(&mut out);
            out.extend_from_slice(b",\"outcome\":");
            json::write_string(&mut out, accepted.outcome());
        }
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests;
