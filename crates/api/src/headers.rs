//! Names of headers that the contract adds to HTTP's, in lower case, and content types.

/// Names a message or a batch: sent again under the same key, it is stored once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Says that the answer is about a message that was stored before under the same key.
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// Content type of every body that is neither a problem nor a listing in lines.
pub const APPLICATION_JSON: &str = "application/json";

/// Content type of a listing with one message a line.
pub const APPLICATION_NDJSON: &str = "application/x-ndjson";

/// Content type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Content type of a stream of server-sent events.
pub const TEXT_EVENT_STREAM: &str = "text/event-stream";

/// The id of the log, 32 hexadecimal digits.
pub const ACKLOG_LOG: &str = "acklog-log";

/// The number of the master's term.
pub const ACKLOG_EPOCH: &str = "acklog-epoch";

/// The id of the first message that is still in the log.
pub const ACKLOG_START: &str = "acklog-start";

/// The end of what is shown under the read concern that was asked for.
pub const ACKLOG_END: &str = "acklog-end";

/// The position at which the next read continues; only where the answer ends by itself.
pub const ACKLOG_NEXT: &str = "acklog-next";

/// The id of the last event that a follower received, by which it continues.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Tells proxies not to collect a stream before they pass it on.
pub const X_ACCEL_BUFFERING: &str = "x-accel-buffering";
