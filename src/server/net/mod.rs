//! The network between nodes: frames over TCP connections.
//!
//! A [session](SessionHandle) is one connection's life: a task that reads frames and one that writes them. Both talk to
//! the node's core task through bounded queues. Only the reader may wait for the core; the core never waits for a
//! session: where a session's queue is full, its peer is slow, and the frame is dropped as if it had been lost on the
//! way. Requests and their retries make up for that.
//!
//! All network types of the communication between nodes come through here.

mod acked;
mod batch;
mod codec;
mod dialer;
pub mod keep_alive;
mod outbox;
mod pace;
mod session;
mod unacked;

pub use codec::{FrameReader, ReceiveError, Received};
#[cfg(test)]
pub use dialer::tests::silent;
pub use dialer::{Dialer, SharedDialer};
pub use outbox::{LineRoom, Outbox, Place, Subject};
pub use session::{Network, SessionEvent, SessionHandle, Told};
pub use unacked::Unacked;
