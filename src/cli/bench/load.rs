//! Options of a load: how much is sent, for how long, by how many clients.

use std::time::Duration;

use super::schedule::LoadModel;

/// Options of a load.
#[derive(Clone, Debug)]
pub struct BenchLoad {
    /// Connections, each with one request in flight.
    pub clients: usize,
    /// Closed loop or open loop.
    pub model: LoadModel,
    /// Time to send before anything counts.
    pub warm_up: Duration,
    /// Time to measure.
    pub duration: Duration,
    /// Time after which a request without an answer has failed.
    pub timeout: Duration,
    /// Threads that the clients are spread over; at most one for each client.
    pub threads: usize,
    /// Messages in each request.
    pub batch: u64,
}
