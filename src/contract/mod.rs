//! From what the protocol tells to the bodies of the HTTP contract.
//!
//! A running node and a simulated one tell the same things in the same words: HTTP answers with
//! them, and recordings of simulated scenarios hold them.
//!
//! - [`EventRecorder`] takes the events of a machine, adds what a reader needs to understand each,
//!   and leaves out what nobody looks at; [`event_body`] makes the body of one
//! - [`HealthReport`] is the health of a machine, as `/health` answers; [`disk_state`] names the
//!   state of a faulty disk
//! - [`shown_text`] shortens the text of a message
//! - [`faults_body`] makes the body of injected faults
//! - `json` and `sse` write bodies, each on one line for whoever reads it

mod event;
mod faults;
mod health;
pub(crate) mod json;
mod messages;
mod recorder;
mod sent_frames;
pub(crate) mod sse;

pub use event::event_body;
pub use faults::faults_body;
#[cfg(test)]
pub(crate) use health::of_test as health_of_test;
pub use health::{HealthReport, OfSecondary, disk_state, millis_with_fraction};
pub use messages::{FIRST_MESSAGES_MAX, shown_text};
pub use recorder::{EventRecorder, RecordedEvent, wall_clock_us};
pub use sent_frames::Sending;
