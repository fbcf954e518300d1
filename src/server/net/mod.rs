//! The network between nodes: frames over TCP connections.
//!
//! A [session](SessionHandle) is one connection's life: a task that reads frames and one that
//! writes them. Both exchange data with the node's core task through bounded queues. Only the
//! reading task may wait for the core task; the core task never waits for a session. Where a
//! session's outbox is full, its peer is slow, and the frame is dropped as if it had been lost on
//! the way. Requests and their retries make up for that.

mod ack_watchdog;
mod codec;
mod dialer;
mod frame_limit;
mod frame_rate;
pub mod keep_alive;
mod outbox;
mod session;
mod unacked;
mod write_batch;

pub use codec::{FrameReader, ReceiveError, Received};
#[cfg(test)]
pub use dialer::tests::silent;
pub use dialer::{Dialer, SharedDialer};
pub use frame_limit::AdmittedFrames;
pub use outbox::{Outbox, OutboxRoom, OutboxSlot, TrackedFrame};
pub use session::{QueuedEvent, SessionEvent, SessionFactory, SessionHandle};
pub use unacked::Unacked;
