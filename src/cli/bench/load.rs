//! How much a load sends, and when.

use std::time::Duration;

use super::schedule::LoadModel;

/// How much is sent, and for how long.
#[derive(Clone, Debug)]
pub struct BenchLoad {
    /// Connections, each with one request under way.
    pub clients: usize,
    /// When they send.
    pub model: LoadModel,
    /// How long to send before anything counts.
    pub warm_up: Duration,
    /// How long to measure.
    pub duration: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Threads that the clients are dealt to; no more than there are clients.
    pub threads: usize,
    /// Messages in each request.
    pub batch: u64,
}
