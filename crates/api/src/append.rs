//! The body of an append, and its answer.

use std::borrow::Cow;

use acklog_types::WriteConcern;
use serde::{Deserialize, Serialize};

use crate::receipt::MessageCopy;

/// The body of an append: one message, or a batch.
///
/// A server may read it in another way, to refuse unknown and repeated members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppendRequest<'a> {
    /// One message. Exclusive with `messages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Cow<'a, str>>,
    /// A batch: consecutive ids, stored together or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Cow<'a, [String]>>,
    /// Longest wait for the write concern, in milliseconds; absent: without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The number of nodes that must have the message before the answer; absent: the node's
    /// default.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::concern")]
    pub write_concern: Option<WriteConcern>,
    /// The id that the message, or the first of a batch, must get; absent: any. Where the log ends
    /// elsewhere, nothing is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_end: Option<u64>,
    /// Whether the answer is to show the copies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub receipt: bool,
}

impl<'a> AppendRequest<'a> {
    /// Returns the request to append one message.
    pub fn message(text: impl Into<Cow<'a, str>>) -> Self {
        Self { message: Some(text.into()), ..Self::default() }
    }

    /// Returns the request to append a batch.
    pub fn batch(texts: impl Into<Cow<'a, [String]>>) -> Self {
        Self { messages: Some(texts.into()), ..Self::default() }
    }
}

/// A line of an append stream: an append, and perhaps a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendLine<'a> {
    /// The append.
    #[serde(flatten)]
    pub request: AppendRequest<'a>,
    /// Its idempotency key, which is a header where an append is a request of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
}

/// The answer to an append whose write concern holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appended {
    /// The id of the message, or of the first of a batch.
    pub id: u64,
    /// The number of messages of a batch; absent for a single message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The write concern as a number of nodes.
    pub write_concern: u64,
    /// The nodes that had acked when the answer was made, master first.
    pub acked_by: Vec<String>,
    /// The number of the line, from 0 on; only of lines of an append stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The copies, one row for each node, the master's first; absent where no receipt was asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Vec<MessageCopy>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_only_what_was_asked_for() {
        let written = |request: &AppendRequest<'_>| serde_json::to_string(request).unwrap();
        let request = AppendRequest::message("a\"");
        assert_eq!(written(&request), r#"{"message":"a\""}"#);
        let texts = ["a".to_owned(), "b".to_owned()];
        let request = AppendRequest {
            timeout_ms: Some(5),
            write_concern: Some(WriteConcern::Nodes(2)),
            ..AppendRequest::batch(&texts[..])
        };
        let json = r#"{"messages":["a","b"],"timeoutMs":5,"writeConcern":2}"#;
        assert_eq!(written(&request), json);
        assert_eq!(serde_json::from_str::<AppendRequest<'_>>(json).unwrap(), request);
    }

    #[test]
    fn a_write_concern_is_a_number_or_a_word() {
        let read = |concern: &str| {
            let json = format!(r#"{{"message":"a","writeConcern":{concern}}}"#);
            serde_json::from_str::<AppendRequest<'_>>(&json).map(|request| request.write_concern)
        };
        assert_eq!(read("3").unwrap(), Some(WriteConcern::Nodes(3)));
        assert_eq!(read("\"majority\"").unwrap(), Some(WriteConcern::Majority));
        assert_eq!(read("\"all\"").unwrap(), Some(WriteConcern::All));
        assert_eq!(read("null").unwrap(), None);
        for wrong in ["\"most\"", "\"3\"", "-1", "[]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
