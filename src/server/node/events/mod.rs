//! The events of a node for those who listen to them.
//!
//! ```text
//! core task ── take ──> EventFeed ── a batch an iteration ──> EventHub <── next ── EventListener
//!                       (sampling)                            (rings)              (a position)
//! ```
//!
//! The core task hands over typed events, and renders none. What happens for each message or frame
//! is recorded only while somebody listens; changes of state are always kept, the last ones, for
//! those who come later. A listener is a position: a slow one is told how many events it missed.

mod feed;
mod hub;
mod ring;
mod sampler;

pub(super) use self::feed::EventFeed;
pub use self::hub::{EventHub, EventListener, Heard, ITEMS_MAX};
pub use self::ring::{EventItem, KeptEvent};
