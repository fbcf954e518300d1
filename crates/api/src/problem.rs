//! Problems (RFC 9457), their codes and statuses.

use serde::{Deserialize, Serialize};

use crate::words::words;

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// The fault and its remedy, for people; the words may change.
    pub detail: String,
    /// The reason, for programs.
    pub code: ProblemCode,
    /// Whether the same request can succeed later, and is safe to send again.
    pub retry: bool,
    /// The id of the message, or of the first of a batch, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The number of messages of a batch, where it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The write concern as a number of nodes, where there is an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_concern: Option<u64>,
    /// The nodes that had acked so far, where there is an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_by: Option<Vec<String>>,
    /// The first id that is still in the log, where an earlier one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// The end of the log, where a reader would begin beyond it, or an append expected another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// The fate of the message; only of appends and of waits for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The number of the line, from 0 on; only of lines of an append stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl Problem {
    /// Returns a problem of a request that cannot succeed later, with its status in words, and
    /// nothing about a message.
    pub fn new(title: String, status: u16, code: ProblemCode, detail: String) -> Self {
        Self {
            title,
            status,
            detail,
            code,
            retry: false,
            id: None,
            count: None,
            write_concern: None,
            acked_by: None,
            start: None,
            end: None,
            outcome: None,
            line: None,
        }
    }
}

words! {
    /// The fate of a message whose append failed.
    Outcome {
        /// It is not in the log, and never will be by this request.
        Refused = "refused",
        /// It is in the master's log and goes on being replicated.
        Stored = "stored",
        /// It may be in the log or not.
        Unknown = "unknown",
    }
}

/// Declares the codes and the status of each.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        words! {
            /// The reason why a request failed. Each code has one status, and never changes.
            ProblemCode {
                $($(#[$doc])* $name = $word,)*
            }
        }

        impl ProblemCode {
            /// Returns the status of each answer with this code; `None` for a code of a later
            /// version.
            pub const fn status(&self) -> Option<u16> {
                match self {
                    $(Self::$name => Some($status),)*
                    Self::Other(_) => None,
                }
            }
        }
    };
}

// In the order of their statuses. `docs/reference/http.md` explains each code; a test compares that
// page with this list.
codes! {
    /// The request makes no sense.
    BadRequest = "bad-request", 400;
    /// More nodes than the cluster can ever have.
    UnsatisfiableWriteConcern = "unsatisfiable-write-concern", 400;
    /// More nodes than the cluster has.
    UnsatisfiableReadConcern = "unsatisfiable-read-concern", 400;
    /// Fault injection is off.
    FaultsOff = "faults-off", 403;
    /// A web page of another origin sent it.
    WrongOrigin = "wrong-origin", 403;
    /// No such path.
    NotFound = "not-found", 404;
    /// The node shows no message of that id yet.
    NoSuchMessage = "no-such-message", 404;
    /// No secondary of that name.
    UnknownSecondary = "unknown-secondary", 404;
    /// The path takes other methods.
    MethodNotAllowed = "method-not-allowed", 405;
    /// A message was sent to a secondary.
    NotTheMaster = "not-the-master", 405;
    /// The body came too slowly.
    BodyTooSlow = "body-too-slow", 408;
    /// The secondary is not unhealthy, so it is not forgotten.
    NotUnhealthy = "not-unhealthy", 409;
    /// The reader's last event is of another log.
    OtherLog = "other-log", 409;
    /// The messages were trimmed from the log's beginning.
    Trimmed = "trimmed", 410;
    /// The log does not end where an append expected.
    EndMoved = "end-moved", 412;
    /// The body or a message is too long.
    TooLarge = "too-large", 413;
    /// The target is too long.
    TargetTooLong = "target-too-long", 414;
    /// The body is compressed.
    UnsupportedEncoding = "unsupported-encoding", 415;
    /// The reader would begin beyond the end of the log.
    BeyondEnd = "beyond-end", 416;
    /// The node does not go by that host name.
    WrongHost = "wrong-host", 421;
    /// The idempotency key belongs to another message.
    KeyReused = "key-reused", 422;
    /// The head is too long.
    HeadTooLong = "head-too-long", 431;
    /// A part of the log is damaged.
    Unreadable = "unreadable", 500;
    /// The node stopped while it had the message.
    AnswerLost = "answer-lost", 500;
    /// The body is sent in a coding other than chunks.
    UnsupportedTransferEncoding = "unsupported-transfer-encoding", 501;
    /// The node that a request is for is not reached by the one that passes it on.
    NodeUnreachable = "node-unreachable", 502;
    /// Too few nodes are healthy.
    NoQuorum = "no-quorum", 503;
    /// A secondary has more of the log than the master.
    Behind = "behind", 503;
    /// Too many clients wait.
    TooManyWaiting = "too-many-waiting", 503;
    /// Too many readers wait or follow.
    TooManyFollowers = "too-many-followers", 503;
    /// The reader's last event is of an epoch that the node does not know yet.
    UnknownEpoch = "unknown-epoch", 503;
    /// No room for the body, or for what it holds.
    TooBusy = "too-busy", 503;
    /// The disk refuses.
    DiskFailed = "disk-failed", 503;
    /// The node is stopping.
    Stopping = "stopping", 503;
    /// The time limit passed before the write concern held.
    TimedOut = "timed-out", 504;
}

impl ProblemCode {
    /// Returns whether an append can be answered with this code.
    pub const fn is_of_append(&self) -> bool {
        !matches!(
            self,
            Self::FaultsOff
                | Self::NoSuchMessage
                | Self::UnknownSecondary
                | Self::NotUnhealthy
                | Self::UnsatisfiableReadConcern
                | Self::OtherLog
                | Self::Trimmed
                | Self::BeyondEnd
                | Self::TooManyFollowers
                | Self::UnknownEpoch
                | Self::NodeUnreachable
                | Self::Other(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted_by_status() {
        let statuses: Vec<_> = ProblemCode::ALL.iter().map(|code| code.status()).collect();
        assert!(statuses.is_sorted() && statuses.iter().all(Option::is_some));
        for (n, code) in ProblemCode::ALL.iter().enumerate() {
            assert!(!ProblemCode::ALL.iter().skip(n + 1).any(|other| other == code), "{code}");
        }
        assert_eq!(ProblemCode::from("later".to_owned()).status(), None);
    }

    #[test]
    fn what_is_not_known_of_a_message_is_left_out() {
        let (title, detail) = ("Bad Request".to_owned(), "no".to_owned());
        let refused = Problem::new(title, 400, ProblemCode::BadRequest, detail);
        let json = concat!(
            r#"{"title":"Bad Request","status":400,"detail":"no","#,
            r#""code":"bad-request","retry":false}"#
        );
        assert_eq!(serde_json::to_string(&refused).unwrap(), json);
        assert_eq!(serde_json::from_str::<Problem>(json).unwrap(), refused);
    }
}
