//! Names of query parameters.

/// Id of the first message of a listing.
pub const FROM: &str = "from";

/// Most messages of a listing.
pub const LIMIT: &str = "limit";

/// Number of nodes that must have a message before it is shown.
pub const WRITE_CONCERN: &str = "writeConcern";

/// Another name of [`WRITE_CONCERN`].
pub const W: &str = "w";

/// Longest wait for the write concern, in milliseconds.
pub const TIMEOUT_MS: &str = "timeoutMs";

/// The parameters of a listing.
pub const OF_LISTING: [&str; 2] = [FROM, LIMIT];

/// The parameters of a wait for one message.
pub const OF_WAIT: [&str; 3] = [WRITE_CONCERN, W, TIMEOUT_MS];
