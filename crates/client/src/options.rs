//! The options of an append.

use acklog_api::AppendRequest;
use acklog_types::{IdempotencyKey, WriteConcern};

/// The options of an append. The default: as many nodes as the master asks for, and a random key.
#[derive(Clone, Debug, Default)]
pub struct AppendOptions {
    /// The number of nodes that must have the message; none: the master's default.
    pub write_concern: Option<WriteConcern>,
    /// The id that the message, or the first of a batch, must get. Where the log ends elsewhere,
    /// nothing is stored, and the problem tells where it ends; none: any id.
    pub expected_end: Option<u64>,
    /// Whether the answer shows the copies of the message, one for each node.
    pub receipt: bool,
    /// The name of the message: sent again under it, also by another process, it is stored once.
    /// None: a random one, which makes the attempts of this call safe.
    pub key: Option<IdempotencyKey>,
}

impl AppendOptions {
    /// Returns a request with these options.
    pub(crate) fn applied_to<'a>(&self, request: AppendRequest<'a>) -> AppendRequest<'a> {
        let Self { write_concern, expected_end, receipt, key: _ } = *self;
        AppendRequest { write_concern, expected_end, receipt, ..request }
    }
}
