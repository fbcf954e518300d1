//! The events of a follower's stream, read from their names and bodies.

use acklog_api::Problem;
use acklog_api::follow::{
    CAUGHT_UP_EVENT, CaughtUp, ERROR_EVENT, EventId, FollowedMessage, GAP_EVENT, Gap, OPEN_EVENT,
    Open, TAIL_EVENT, Tail,
};
use thiserror::Error;

use crate::answer::NotANode;
use crate::sse::{BadEventStream, SseEvent};

/// One event of a follower's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowEvent {
    /// The stream begins.
    Open(Open),
    /// A message.
    Message(StreamedMessage),
    /// Messages are gone; the stream goes on behind them.
    Gap(Gap),
    /// The end of the log was reached for the first time.
    CaughtUp(CaughtUp),
    /// Nothing came for a while.
    Tail(Tail),
    /// The stream ends.
    Error(Box<Problem>),
    /// An event of a later version.
    Other,
}

/// A message of a follower's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamedMessage {
    /// The id.
    pub id: u64,
    /// The text.
    pub text: String,
    /// The id of the first message of its batch, if it is a member of one.
    pub batch: Option<u64>,
    /// The cursor behind it; none within a batch, which is resumed as a whole.
    pub cursor: Option<EventId>,
}

/// The fault of a stream that no node sends.
#[derive(Debug, Error)]
pub enum BadFollowStream {
    /// It is none of events.
    #[error(transparent)]
    Events(#[from] BadEventStream),
    /// An event has another body than expected.
    #[error(transparent)]
    Body(#[from] NotANode),
    /// A message has an id that is no cursor of it.
    #[error("message {id} comes with {cursor:?}, which is no cursor of it: is this a node?")]
    Cursor {
        /// The message.
        id: u64,
        /// The id of its event.
        cursor: String,
    },
}

impl From<serde_json::Error> for BadFollowStream {
    fn from(error: serde_json::Error) -> Self {
        Self::Body(error.into())
    }
}

impl FollowEvent {
    /// Reads an event.
    pub(super) fn of(event: SseEvent<'_>) -> Result<Self, BadFollowStream> {
        let data = event.data;
        Ok(match event.name {
            "" => Self::Message(message(event)?),
            OPEN_EVENT => Self::Open(serde_json::from_str(data)?),
            GAP_EVENT => Self::Gap(serde_json::from_str(data)?),
            CAUGHT_UP_EVENT => Self::CaughtUp(serde_json::from_str(data)?),
            TAIL_EVENT => Self::Tail(serde_json::from_str(data)?),
            ERROR_EVENT => Self::Error(serde_json::from_str(data)?),
            _ => Self::Other,
        })
    }
}

fn message(event: SseEvent<'_>) -> Result<StreamedMessage, BadFollowStream> {
    let FollowedMessage { id, message, batch } = serde_json::from_str(event.data)?;
    let cursor = match event.id {
        Some(text) => {
            let cursor = text.parse().ok().filter(|cursor: &EventId| cursor.id == id);
            let wrong = || BadFollowStream::Cursor { id, cursor: text.to_owned() };
            Some(cursor.ok_or_else(wrong)?)
        }
        None => None,
    };
    Ok(StreamedMessage { id, text: message.into_owned(), batch, cursor })
}

#[cfg(test)]
mod tests {
    use acklog_api::follow::GapReason;

    use super::*;

    fn read(name: &str, id: Option<&str>, data: &str) -> Result<FollowEvent, BadFollowStream> {
        FollowEvent::of(SseEvent { name, id, data })
    }

    #[test]
    fn an_event_is_read_by_its_name() {
        let body = r#"{"id":18,"message":"a\u2028","batch":17}"#;
        let FollowEvent::Message(message) = read("", Some("1f2e3d4c.1.18"), body).unwrap() else {
            panic!("no message");
        };
        assert_eq!((message.text.as_str(), message.batch), ("a\u{2028}", Some(17)));
        assert_eq!(message.cursor.unwrap().to_string(), "1f2e3d4c.1.18");
        let gap = read("gap", None, r#"{"from":3,"to":9,"why":"trimmed"}"#).unwrap();
        let expected = Gap { from: 3, to: 9, why: GapReason::Trimmed };
        assert_eq!(gap, FollowEvent::Gap(expected));
        assert_eq!(read("of-later", None, "x").unwrap(), FollowEvent::Other);
    }

    #[test]
    fn a_message_with_the_cursor_of_another_is_none_of_a_node() {
        for cursor in ["1f2e3d4c.1.17", "18"] {
            let error = read("", Some(cursor), r#"{"id":18,"message":""}"#).unwrap_err();
            assert!(error.to_string().starts_with("message 18 comes with"), "{error}");
        }
        assert!(read("open", None, "[]").is_err());
    }
}
