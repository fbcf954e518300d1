//! Builds the answer to a problem: code, `retry`, `outcome`, headers and body.

use acklog_api::{self as api, Outcome, ProblemCode as Code, headers};
use acklog_protocol::{ForgetError, Refusal};
use acklog_types::LogEnd;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};

use super::RequestProblem;
use crate::server::http::accepted::{Accepted, RequestKind};
use crate::server::http::response::{ResponseBody, to_json};

/// The value of `Retry-After`, in seconds: the minimum. Most passing conditions are over within it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The header that marks an answer about a message that was sent before under the same key.
pub(in crate::server::http) const IDEMPOTENT_REPLAYED: HeaderName =
    HeaderName::from_static(headers::IDEMPOTENT_REPLAYED);

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static(headers::PROBLEM_JSON);

/// The value of `Cache-Control` for answers that may be different next time.
pub(in crate::server::http) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl RequestProblem {
    /// Returns the reason as a code, and with it the status: the table of all problems.
    pub(in crate::server::http) fn code(&self) -> Code {
        match self {
            Self::Query(_)
            | Self::NoNumber
            | Self::Name(_)
            | Self::Body(_)
            | Self::Faults(_)
            | Self::BodyBroken
            | Self::NoRequest
            | Self::NoTarget
            | Self::ChunkedTwice
            | Self::Key(_)
            | Self::LineKey(_)
            | Self::StreamKey
            | Self::BadHost(_)
            | Self::NotMastersWait(_)
            | Self::NotMastersRead { .. }
            | Self::ClusterSizeUnknown { .. } => Code::BadRequest,
            Self::Refused(Refusal::WriteConcern { .. }) => Code::UnsatisfiableWriteConcern,
            Self::ReadConcern { .. } => Code::UnsatisfiableReadConcern,
            Self::OtherLog { .. } | Self::LogChanged { .. } => Code::OtherLog,
            Self::BeyondEnd { .. } => Code::BeyondEnd,
            Self::UnknownEpoch { .. } => Code::UnknownEpoch,
            Self::TooManyFollowers { .. } => Code::TooManyFollowers,
            Self::FaultsOff => Code::FaultsOff,
            Self::WrongOrigin(_) => Code::WrongOrigin,
            Self::NoPath | Self::NotAMastersPath(_) | Self::NotPassedOn(_) => Code::NotFound,
            Self::NoMessage { .. } | Self::Refused(Refusal::NoMessage { .. }) => {
                Code::NoSuchMessage
            }
            Self::Forget(ForgetError::Unknown(_)) | Self::NoSuchNode(_) => Code::UnknownSecondary,
            Self::Method { .. } => Code::MethodNotAllowed,
            Self::NotMaster { .. } => Code::NotTheMaster,
            Self::BodyIdle { .. } => Code::BodyTooSlow,
            Self::Forget(ForgetError::Live(_)) => Code::NotUnhealthy,
            Self::LengthTooLong
            | Self::BodyTooLong { .. }
            | Self::MessageTooLong { .. }
            | Self::BatchTooLong { .. } => Code::TooLarge,
            Self::TargetTooLong => Code::TargetTooLong,
            Self::HeadTooLong => Code::HeadTooLong,
            Self::ContentEncoding(_) => Code::UnsupportedEncoding,
            Self::TransferEncoding(_) => Code::UnsupportedTransferEncoding,
            Self::WrongHost { .. } => Code::WrongHost,
            Self::Refused(Refusal::KeyReused { .. }) => Code::KeyReused,
            Self::Refused(Refusal::EndMoved { .. }) => Code::EndMoved,
            Self::Unreadable(_) | Self::Refused(Refusal::KeyUnreadable { .. }) => Code::Unreadable,
            Self::AppendLost => Code::AnswerLost,
            Self::NodeUnreachable { .. } => Code::NodeUnreachable,
            Self::Refused(Refusal::NoQuorum { .. }) => Code::NoQuorum,
            Self::Refused(Refusal::Behind { .. }) => Code::Behind,
            Self::TooManyWaiting(_) | Self::Refused(Refusal::TooManyWaiting { .. }) => {
                Code::TooManyWaiting
            }
            Self::TooManyBodies | Self::Refused(Refusal::DiskBehind { .. }) => Code::TooBusy,
            Self::DiskFailed(..)
            | Self::NotReadNow(_)
            | Self::Refused(Refusal::DiskFault(_))
            | Self::Forget(ForgetError::DiskFault(_)) => Code::DiskFailed,
            Self::Stopping(_) | Self::Stopped | Self::Refused(Refusal::ShuttingDown) => {
                Code::Stopping
            }
            Self::TimedOut(_) => Code::TimedOut,
        }
    }

    /// Returns the status of the answer.
    pub(in crate::server::http) fn status(&self) -> StatusCode {
        let status = self.code().status().and_then(|status| StatusCode::from_u16(status).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns whether the same request can succeed later, without doing anything twice.
    fn retry(&self, kind: RequestKind) -> bool {
        if let Self::Refused(Refusal::EndMoved { expected, end }) = self {
            // The log grows, and so reaches an end that it has not reached yet.
            return end < expected;
        }
        if let Self::ClusterSizeUnknown { .. } = self {
            // The master tells it with its answer to the handshake.
            return true;
        }
        let status = self.status();
        match kind {
            _ if status == StatusCode::REQUEST_TIMEOUT => true,
            // The log may grow.
            _ if status == StatusCode::RANGE_NOT_SATISFIABLE => true,
            // A message that may be in the log is sent again safely only under its key.
            RequestKind::Append { keyed } if self.outcome(kind) != Some(Outcome::Refused) => keyed,
            _ => status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// Returns what became of the message; none where the request was no append and waited for
    /// none.
    pub(in crate::server::http) fn outcome(&self, kind: RequestKind) -> Option<Outcome> {
        match (self.accepted(), kind) {
            (Some(accepted), _) => Some(accepted.outcome()),
            (None, RequestKind::Idempotent) => None,
            // The message, or one that was sent before under its key, may be in the log.
            (None, RequestKind::Append { .. })
                if self.status() == StatusCode::INTERNAL_SERVER_ERROR =>
            {
                Some(Outcome::Unknown)
            }
            (None, RequestKind::Append { .. }) => Some(Outcome::Refused),
        }
    }

    /// Returns what was wrong and what to do.
    fn detail(&self, kind: RequestKind) -> String {
        match self.accepted() {
            Some(accepted) => format!("{self}; {}", accepted.fate(kind)),
            None => self.to_string(),
        }
    }

    /// Returns whether the request's body is left unread, so that the connection cannot be used
    /// again.
    pub(super) fn closes(&self) -> bool {
        matches!(
            self,
            Self::LengthTooLong
                | Self::BodyTooLong { .. }
                | Self::BodyIdle { .. }
                | Self::BodyBroken
                | Self::NoRequest
                | Self::ChunkedTwice
                | Self::TransferEncoding(_)
                | Self::HeadTooLong
                | Self::TargetTooLong
                | Self::TooManyBodies
        )
    }

    /// Returns what is known about the message or the batch, where it has an id.
    pub(super) fn accepted(&self) -> Option<&Accepted> {
        match self {
            Self::TimedOut(accepted)
            | Self::Stopping(accepted)
            | Self::DiskFailed(accepted, _)
            | Self::TooManyWaiting(accepted) => Some(accepted),
            _ => None,
        }
    }

    /// Returns the end of the log, where a reader would begin beyond it, or an append expected
    /// another one.
    fn log_end(&self) -> Option<LogEnd> {
        match self {
            Self::BeyondEnd { end, .. } | Self::Refused(Refusal::EndMoved { end, .. }) => {
                Some(*end)
            }
            _ => None,
        }
    }

    /// Returns the answer to a request of this kind.
    pub(in crate::server::http) fn answer_to(self, kind: RequestKind) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::full(self.body(kind)));
        *response.status_mut() = self.status();
        self.write_headers(response.headers_mut());
        response
    }

    /// Returns the answer as it is sent where hyper found that the bytes are not a request.
    pub(in crate::server::http) fn sent(self, kind: RequestKind) -> Vec<u8> {
        let status = self.status();
        let body = self.body(kind);
        let mut headers = HeaderMap::new();
        self.write_headers(&mut headers);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (name, value) in &headers {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        out
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, NO_STORE);
        match self {
            Self::Method { allow } | Self::NotMaster { allow, .. } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::ContentEncoding(_) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            _ => {}
        }
        match self.accepted() {
            // Nothing of the request was done, nor will be: safe to send again.
            None if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Some(accepted) if accepted.receipt.replayed => {
                headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            }
            _ => {}
        }
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Returns the answer to a line of an append stream.
    pub(in crate::server::http) fn line(&self, line: u64, kind: RequestKind) -> Vec<u8> {
        to_json(&api::Problem { line: Some(line), ..self.problem(kind) })
    }

    /// Returns the body of the answer, with a line feed at its end.
    pub(in crate::server::http) fn body(&self, kind: RequestKind) -> Vec<u8> {
        to_json(&self.problem(kind))
    }

    fn problem(&self, kind: RequestKind) -> api::Problem {
        let status = self.status();
        let accepted = self.accepted();
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let (code, detail) = (self.code(), self.detail(kind));
        api::Problem {
            retry: self.retry(kind),
            id: accepted.map(|accepted| accepted.receipt.id.get()),
            count: accepted.and_then(|accepted| accepted.count).map(|count| count as u64),
            write_concern: accepted.map(|accepted| accepted.receipt.write_concern.into()),
            acked_by: accepted.map(Accepted::acked_by),
            end: self.log_end().map(LogEnd::get),
            outcome: self.outcome(kind),
            ..api::Problem::new(title, status.as_u16(), code, detail)
        }
    }
}
