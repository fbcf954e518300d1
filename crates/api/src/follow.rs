//! What a follower of the log receives beside messages, and the ids of its events.
//!
//! Over server-sent events each body is the `data` of an event with the name beside it here; a
//! message has no name. In lines a message is a [`Message`](crate::Message), silence is `{}`, a gap
//! is a [`GapLine`], and an error is a [`Problem`](crate::Problem).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use acklog_types::{LogId, MessageId, WriteConcern};
use serde::{Deserialize, Serialize};

use crate::words::words;

/// Name of the first event, an [`Open`].
pub const OPEN_EVENT: &str = "open";

/// Name of the event [`CaughtUp`].
pub const CAUGHT_UP_EVENT: &str = "caughtup";

/// Name of the event [`Tail`].
pub const TAIL_EVENT: &str = "tail";

/// Name of the event [`Gap`].
pub const GAP_EVENT: &str = "gap";

/// Name of the last event where something is wrong, a [`Problem`](crate::Problem).
pub const ERROR_EVENT: &str = "error";

/// Time after which a client that lost its connection connects again, in milliseconds.
pub const RETRY_MS: u64 = 1000;

/// Time without messages after which a follower is sent a sign of life, in seconds.
pub const SIGN_OF_LIFE_SECONDS: u64 = 10;

/// The first event of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The log's id, 32 hexadecimal digits; null where the node does not know it yet.
    pub log: Option<String>,
    /// The number of the master's term.
    pub epoch: u64,
    /// The id of the first message that is still in the log.
    pub start: u64,
    /// The end of what is shown under the read concern.
    pub end: u64,
    /// The id of the message that the stream continues with.
    pub next: u64,
    /// The read concern that was asked for.
    #[serde(with = "crate::concern")]
    pub read_concern: Option<WriteConcern>,
}

/// A message as the `data` of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedMessage<'a> {
    /// Its position in the log.
    pub id: u64,
    /// Its text.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// The id of the first message of its batch; absent for a message that was sent alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
}

/// Everything that is shown was sent, for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    /// The end of what is shown.
    pub end: u64,
}

/// A sign of life after silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// The end of what is shown.
    pub end: u64,
    /// The node's time, by RFC 3339.
    pub time: String,
}

words! {
    /// The reason why messages are missing.
    GapReason {
        /// They were trimmed from the log's beginning.
        Trimmed = "trimmed",
        /// They were cut from the log's end at a fail-over.
        Cut = "cut",
    }
}

/// Messages that are missing between two that are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first id that is missing.
    pub from: u64,
    /// The first id that is there again.
    pub to: u64,
    /// The reason.
    pub why: GapReason,
}

/// A gap in a stream of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapLine {
    /// The gap.
    pub gap: Gap,
}

/// The id of an event, after which a stream can go on: `<8 hexadecimal digits>.<epoch>.<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The first 8 hexadecimal digits of the log's id.
    pub log: u32,
    /// The epoch of the message.
    pub epoch: u64,
    /// The message.
    pub id: u64,
}

/// The text is not the id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEventId;

impl fmt::Display for NoEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it must be like 1f2e3d4c.1.18: eight hex digits of the log, the epoch, the id")
    }
}

impl std::error::Error for NoEventId {}

impl EventId {
    /// Returns the id of the event of a message.
    pub fn new(log: LogId, epoch: u64, id: MessageId) -> Self {
        Self { log: Self::log_part(log), epoch, id: id.get() }
    }

    /// Returns the part of a log's id that stands in the ids of its events.
    pub const fn log_part(log: LogId) -> u32 {
        (log.get() >> 96) as u32
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, epoch, id } = self;
        write!(f, "{log:08x}.{epoch}.{id}")
    }
}

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NoEventId);
        let (log, epoch, id) = (part()?, part()?, part()?);
        let is_log = log.len() == 8 && log.bytes().all(|byte| byte.is_ascii_hexdigit());
        let log = u32::from_str_radix(log, 16).ok().filter(|_| is_log);
        let id = Self {
            log: log.ok_or(NoEventId)?,
            epoch: number(epoch).ok_or(NoEventId)?,
            id: number(id).ok_or(NoEventId)?,
        };
        parts.next().is_none().then_some(id).ok_or(NoEventId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_s_id_names_the_log_the_epoch_and_the_message() {
        let log = LogId::new(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let id = EventId::new(log, 7, MessageId::new(18));
        assert_eq!(id.to_string(), "01234567.7.18");
        assert_eq!("01234567.7.18".parse(), Ok(id));
        assert_eq!("ABCDEF01.1.0".parse(), Ok(EventId { log: 0xabcd_ef01, epoch: 1, id: 0 }));
        for wrong in [
            "",
            "18",
            "01234567.7",
            "01234567.7.",
            "01234567.7.18.",
            "0123456.7.18",
            "01234567..1",
            "01234567.7.-1",
            "01234567.+7.1",
            "+1234567.7.1",
            "0123456g.7.1",
            "01234567.7.18 ",
            "01234567.7.99999999999999999999",
        ] {
            assert_eq!(wrong.parse::<EventId>(), Err(NoEventId), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_names_its_batch_only_where_it_has_one() {
        let written = |batch| {
            let message = FollowedMessage { id: 18, message: "a".into(), batch };
            serde_json::to_string(&message).unwrap()
        };
        assert_eq!(written(None), r#"{"id":18,"message":"a"}"#);
        assert_eq!(written(Some(17)), r#"{"id":18,"message":"a","batch":17}"#);
    }
}
