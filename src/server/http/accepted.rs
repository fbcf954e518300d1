//! The part of answers and problems that is about messages that have ids.

use std::fmt;

use acklog_api::Outcome;
use acklog_protocol::Receipt;
#[cfg(test)]
use acklog_types::MessageId;

use crate::contract::json;

/// The kind of a request, as far as `retry` and `outcome` depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// Stores a message, once for each time that it is sent unless it has an idempotency key.
    Append {
        /// Whether it has an idempotency key, so that sending it again is safe.
        keyed: bool,
    },
    /// Any other: it changes nothing, or changes the same however often it is sent.
    Idempotent,
}

/// The state of a message, or of a batch that was sent as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The known facts; of a batch, those of its first message hold for all.
    pub(super) receipt: Receipt,
    /// The number of messages of the batch; none where the client sent a single message.
    pub(super) count: Option<usize>,
}

impl Accepted {
    /// Appends the members that describe it: `id`, for a batch `count`, `writeConcern`, `ackedBy`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"id\":");
        json::write_number(out, self.receipt.id.get());
        if let Some(count) = self.count {
            out.extend_from_slice(b",\"count\":");
            json::write_number(out, count as u64);
        }
        out.push(b',');
        write_acks(out, &self.receipt);
    }

    /// Returns whether it is stored, or may be.
    pub(super) fn outcome(&self) -> Outcome {
        if self.receipt.stored { Outcome::Stored } else { Outcome::Unknown }
    }

    /// Returns the names of the nodes that have it, master first.
    pub(super) fn acked_by(&self) -> Vec<String> {
        self.receipt.acked_by.iter().map(ToString::to_string).collect()
    }

    /// Returns what became of it, and what the client of such a request can do.
    pub(super) fn fate(&self, kind: RequestKind) -> &'static str {
        match (self.receipt.stored, kind) {
            (true, RequestKind::Append { keyed: false }) => {
                "what was sent is in the master's log and goes on being replicated from there: do \
                 not send it again"
            }
            (true, RequestKind::Append { keyed: true }) => {
                "what was sent is in the master's log and goes on being replicated from there: to \
                 wait on, send it again with the same Idempotency-Key, under which it is stored \
                 once"
            }
            (true, RequestKind::Idempotent) => {
                "it is in the master's log and goes on being replicated from there: to wait on, \
                 ask again"
            }
            (false, RequestKind::Append { keyed: false }) => {
                "whether it is stored is not known yet: before you send it again, ask for it by \
                 its id, and compare the text, since a restarted node gives the id of what was not \
                 stored to another message"
            }
            (false, RequestKind::Append { keyed: true }) => {
                "whether it is stored is not known yet: send it again with the same \
                 Idempotency-Key, under which it is stored once"
            }
            (false, RequestKind::Idempotent) => "whether it is stored is not known yet: ask again",
        }
    }
}

/// Writes `message 3`, `messages 3 to 5`.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.receipt.id;
        match self.count {
            None | Some(1) => write!(f, "message {first}"),
            Some(count) => write!(f, "messages {first} to {}", first.get() + count as u64 - 1),
        }
    }
}

/// Appends the members that name the nodes with a message: `writeConcern`, `ackedBy`.
pub(super) fn write_acks(out: &mut Vec<u8>, receipt: &Receipt) {
    out.extend_from_slice(b"\"writeConcern\":");
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

/// Returns the receipt of a message that the master and bonnie have.
#[cfg(test)]
pub(super) fn receipt_of_two(id: MessageId) -> Receipt {
    Receipt {
        id,
        messages: 1,
        write_concern: 2,
        acked_by: ["master", "bonnie"].map(|name| name.parse().unwrap()).into(),
        stored: true,
        replayed: false,
        copies: None,
    }
}
