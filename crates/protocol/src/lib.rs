//! The protocol of a replicated log with tunable write concern, as sans-I/O state machines.
//!
//! Everything that decides is in this crate: what is sent to which node, what counts as an ack,
//! when a client is answered, what is visible, when to retry. It is plain code over ids and times.
//! There is no socket, file, clock, channel, task or ambient randomness (`clippy.toml` forbids
//! them). So a simulator drives whole clusters through thousands of schedules in virtual time, and
//! the same code runs in production behind a thin driver.
//!
//! - The server (`src/server/node`) runs one machine per node: a [`Master`] or a [`Secondary`].
//! - The simulator (`crates/sim`) runs a cluster of them.
//! - A program of your own can embed them: see `examples/embed_protocol.rs`.
//!
//! # How to drive a machine
//!
//! Both roles are a [`Machine`]. The four kinds of method follow quinn-proto:
//!
//! - [`step`](Machine::step) takes in an input, and [`handle_timeout`](Machine::handle_timeout)
//!   does what is due.
//! - [`poll_effect`](Machine::poll_effect) returns what to do next, and
//!   [`poll_event`](Machine::poll_event) what happened. Call both until they return none, after
//!   each of the above.
//! - [`next_deadline`](Machine::next_deadline) returns when `handle_timeout` is due. The driver has
//!   the only timer.
//! - Some methods of a master are called directly: [`append`](Master::append),
//!   [`key_compared`](Master::key_compared), [`join`](Master::join), [`forget`](Master::forget).
//!
//! `now` never goes back. Randomness comes from a seed in the options. A secondary that joins:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use acklog_protocol::frame::Frame;
//! # use acklog_protocol::{
//! #     Effect, FollowerEffect, FollowerInput, Input, LeaderInput, Machine, Master, MasterOptions,
//! #     RestoredMaster, RestoredSecondary, STRANGERS_MAX, Secondary, SecondaryOptions,
//! #     SecondaryPhase,
//! # };
//! # use acklog_types::{
//! #     Checksum, IdRange, InstanceId, LogEnd, LogId, LogView, Records, SessionId, Unreadable,
//! #     WriteConcern,
//! # };
//! # struct Empty;
//! # impl LogView for Empty {
//! #     fn run_from(&self, from: LogEnd, _: LogEnd, _: usize) -> Option<(IdRange, usize)> {
//! #         Some((IdRange::empty(from), 0))
//! #     }
//! #     fn checksum_below(&self, _: LogEnd) -> Result<Option<Checksum>, Unreadable> {
//! #         Ok(None)
//! #     }
//! #     fn is_same_below(&self, _: LogEnd, _: Checksum) -> Option<bool> {
//! #         Some(true)
//! #     }
//! # }
//! # let second = Duration::from_secs(1);
//! # let master_options = MasterOptions {
//! #     name: "master".parse()?,
//! #     log: LogId::new(1),
//! #     http_port: None,
//! #     request_timeout: second,
//! #     heartbeat_interval: second,
//! #     cluster_size: None,
//! #     secondaries: None,
//! #     default_write_concern: WriteConcern::Majority,
//! #     quorum: None,
//! #     max_waiting: 1000,
//! #     max_strangers: STRANGERS_MAX,
//! #     idempotency_window: 1000,
//! #     seed: 1,
//! # };
//! # let secondary_options = SecondaryOptions {
//! #     name: "bonnie".parse()?,
//! #     instance: InstanceId::new(1),
//! #     http_port: None,
//! #     request_timeout: second,
//! #     reconnect_delay: second,
//! #     seed: 2,
//! # };
//! let now = Instant::now();
//! let mut master = Master::new(now, master_options, RestoredMaster::default(), Empty);
//! let restored = RestoredSecondary::default();
//! let mut secondary = Secondary::new(now, secondary_options, restored, Empty);
//!
//! // The secondary wants to dial. The driver connects the two, and reports that to both.
//! secondary.handle_timeout(now);
//! assert_eq!(secondary.poll_effect(), Some(FollowerEffect::Dial.into()));
//! let (session, address) = (SessionId::new(1), "127.0.0.1:5000".to_owned());
//! master.step(now, LeaderInput::SessionUp { session, address }.into());
//! secondary.step(now, FollowerInput::Connected(session).into());
//!
//! // The driver carries the handshake to the master, and the answer back. A frame with messages
//! // would get their records here, by `try_map`.
//! let on_the_wire = |frame: Frame<IdRange>| -> Result<Frame<Records>, &str> {
//!     frame.try_map(|_| Err("no frame has messages yet"))
//! };
//! while let Some(Effect::Send { session, frame }) = secondary.poll_effect() {
//!     master.step(now, Input::Frame { session, frame: on_the_wire(frame)? });
//! }
//! while let Some(Effect::Send { session, frame }) = master.poll_effect() {
//!     secondary.step(now, Input::Frame { session, frame: on_the_wire(frame)? });
//! }
//! assert_eq!(secondary.phase(), SecondaryPhase::CatchingUp);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Faulty`] wraps a machine to inject faults. A node that is paused by its
//! [faults](acklog_types::Faults) must not be given connections and frames; they wait where they
//! came from.
//!
//! # Invariants
//!
//! - *Order.* The master gives ids. A secondary appends only messages that continue its log, and
//!   holds others in a [gap buffer](GapBuffer). Each node shows a prefix of the master's log.
//! - *Exactly once.* A message's id is its place in the log. A message that is present is not
//!   appended again.
//! - *Acks are positions.* A secondary reports its contiguous end, which acks everything before it.
//!   So acks are cumulative and idempotent: late and duplicate answers are harmless, and no ack
//!   belongs to a request.
//! - *Never ahead.* The master sends only messages that are durable on itself, so no secondary has
//!   more than its master.
//! - *Everything of a connection dies with it*: delayed requests, runs that wait for a delay, the
//!   gap buffer, the in-flight table. The next handshake reports the position, and sending starts
//!   there. Acks count only from a member's current connection.
//!
//! # Joining
//!
//! [`Handshake`](frame::Handshake) → [`Welcome`](frame::Welcome) (or a refusal), then `GetMessages`
//! and `Page` until the secondary has everything that the last page reported, then
//! `SecondaryNodeReady`, then `AddMessage` runs as messages come.
//!
//! # Caveats
//!
//! The one master is configured: there is no election and no fail-over. While it is down nothing
//! can be appended; messages that it acked are as safe as the requested write concern.

// Tests may look at a clock: they hand it in.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod backoff;
mod closing;
mod delayed;
mod events;
mod faults;
pub mod frame;
mod health;
mod in_flight;
mod line;
mod machine;
mod master;
mod outcome;
mod own_time;
mod page_tries;
mod progress;
mod repair;
mod secondary;
mod status;
#[cfg(test)]
mod test_records;
mod unflushed;

pub use closing::{CloseReason, ProtocolError, SessionEnd};
pub use events::{
    AnswerKind, ConnectionEvent, Detail, Ending, Event, EventKind, Events, FrameEvent, FrameStage,
    MessageEvent, NodeEvent,
};
pub use faults::{FaultHooks, Faulty, HANDSHAKE_DELAY_MAX};
pub use line::{LONG_FRAME_BYTES, LineView};
pub use machine::{Effect, Input, Machine};
pub use master::{
    FirstUse, HANDSHAKE_TIMEOUT, LeaderEffect, LeaderInput, Master, MasterOptions, PeerFacts,
    RestoredMaster, STRANGERS_MAX,
};
pub use outcome::{Admission, AppendRequest, ForgetError, Outcome, Receipt, Refusal, Wait};
pub use own_time::OwnTime;
pub use progress::ReadOrder;
pub use secondary::{
    FollowerEffect, FollowerInput, GapBuffer, HELD_BYTES_MAX, RestoredSecondary, Secondary,
    SecondaryOptions,
};
pub use status::{
    CopyStatus, DiskHealth, MasterHealth, MemberHealth, MemberPhase, QuorumHealth, RefusedHealth,
    SecondaryHealth, SecondaryPhase, Status,
};
