//! What a read asks for.

use std::time::Duration;

use acklog_api::follow::EventId;
use acklog_types::WriteConcern;

/// Longest wait of a read for a message that can be shown. Shorter: readers that wait ask more
/// often. Longer: proxies give up first.
pub(super) const LONG_POLL_MAX: Duration = Duration::from_secs(60);

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBegin {
    /// At this id.
    From(u64),
    /// So many messages before the end.
    Last(u64),
    /// At the first message accepted at or after this time, in milliseconds since 1970.
    Since(u64),
}

/// The query of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadRequest {
    /// Where it begins, unless it continues behind an event.
    pub(super) begin: ReadBegin,
    /// The id before which it ends.
    pub(super) until: u64,
    /// Most messages.
    pub(super) limit: u64,
    /// The read concern; none: the node's default.
    pub(super) concern: Option<WriteConcern>,
    /// How long it waits for a message that can be shown, [`LONG_POLL_MAX`] at most.
    pub(super) timeout: Option<Duration>,
    /// Whether it goes on with what comes later.
    pub(super) follow: bool,
    /// The event behind which it begins.
    pub(super) last_event: Option<EventId>,
}

impl ReadRequest {
    /// A listing of the whole log.
    pub(super) const ALL: Self = Self {
        begin: ReadBegin::From(0),
        until: u64::MAX,
        limit: u64::MAX,
        concern: None,
        timeout: None,
        follow: false,
        last_event: None,
    };
}
