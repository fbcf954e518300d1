//! The codes of problems: a stable word for each reason, with its one status.
//!
//! Programs read the code; people read the detail. `docs/reference/http.md` explains each code, and a test
//! compares that page with this table.

use hyper::StatusCode;

/// Declares the codes, each with its word and status.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident;)*) => {
        /// Why a request failed, as one word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::server::http) enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes, in the order of their statuses.
            #[cfg(test)]
            pub(in crate::server::http) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the word that stands in a problem.
            pub(in crate::server::http) const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Returns the status of each answer with this code.
            pub(in crate::server::http) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    /// The request makes no sense.
    BadRequest = "bad-request", BAD_REQUEST;
    /// More nodes than the cluster can ever have.
    UnsatisfiableWriteConcern = "unsatisfiable-write-concern", BAD_REQUEST;
    /// Fault injection is off.
    FaultsOff = "faults-off", FORBIDDEN;
    /// A web page of another origin sent it.
    WrongOrigin = "wrong-origin", FORBIDDEN;
    /// No such path.
    NotFound = "not-found", NOT_FOUND;
    /// The node shows no message of that id yet.
    NoSuchMessage = "no-such-message", NOT_FOUND;
    /// No secondary of that name.
    UnknownSecondary = "unknown-secondary", NOT_FOUND;
    /// The path takes other methods.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED;
    /// A message was sent to a secondary.
    NotTheMaster = "not-the-master", METHOD_NOT_ALLOWED;
    /// The body came too slowly.
    BodyTooSlow = "body-too-slow", REQUEST_TIMEOUT;
    /// The secondary is not unhealthy, so it is not forgotten.
    NotUnhealthy = "not-unhealthy", CONFLICT;
    /// The body or a message is too long.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE;
    /// The target is too long.
    TargetTooLong = "target-too-long", URI_TOO_LONG;
    /// The body is compressed.
    UnsupportedEncoding = "unsupported-encoding", UNSUPPORTED_MEDIA_TYPE;
    /// The node does not go by that host name.
    WrongHost = "wrong-host", MISDIRECTED_REQUEST;
    /// The idempotency key belongs to another message.
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY;
    /// The head is too long.
    HeadTooLong = "head-too-long", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// A part of the log is damaged.
    Unreadable = "unreadable", INTERNAL_SERVER_ERROR;
    /// The node stopped while it had the message.
    AnswerLost = "answer-lost", INTERNAL_SERVER_ERROR;
    /// The body is sent in a coding other than chunks.
    UnknownTransfer = "unsupported-transfer-encoding", NOT_IMPLEMENTED;
    /// Too few nodes are healthy.
    NoQuorum = "no-quorum", SERVICE_UNAVAILABLE;
    /// A secondary has more of the log than the master.
    Behind = "behind", SERVICE_UNAVAILABLE;
    /// Too many senders wait.
    TooManyWaiting = "too-many-waiting", SERVICE_UNAVAILABLE;
    /// No room for the body, or for what it holds.
    TooBusy = "too-busy", SERVICE_UNAVAILABLE;
    /// The disk refuses.
    DiskFailed = "disk-failed", SERVICE_UNAVAILABLE;
    /// The node is stopping.
    Stopping = "stopping", SERVICE_UNAVAILABLE;
    /// The time limit passed before the write concern held.
    TimedOut = "timed-out", GATEWAY_TIMEOUT;
}
