//! Names of headers that the contract adds to HTTP's, in lower case, and content types.

/// Names a message or a batch: sent again under the same key, it is stored once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Says that the answer is about a message that was stored before under the same key.
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// Names the last event that a reader of server-sent events got: what follows it is sent.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Content type of server-sent events.
pub const TEXT_EVENT_STREAM: &str = "text/event-stream";

/// Content type of every body that is neither a problem nor a listing in lines.
pub const APPLICATION_JSON: &str = "application/json";

/// Content type of a listing with one message a line.
pub const APPLICATION_NDJSON: &str = "application/x-ndjson";

/// Content type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";
