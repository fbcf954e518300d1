//! Names of the contract of followers.

/// Query parameter: so many messages before the end.
pub(super) const LAST: &str = "last";

/// Query parameter: the first message accepted at this time or later.
pub(super) const SINCE: &str = "since";

/// Query parameter: the number of nodes that must have a message before it is shown.
pub(super) const READ_CONCERN: &str = "readConcern";

/// Header: the cursor that the stream continues behind.
pub(super) const LAST_EVENT_ID: &str = "last-event-id";

/// Content type of a stream of events.
pub(super) const TEXT_EVENT_STREAM: &str = "text/event-stream";
