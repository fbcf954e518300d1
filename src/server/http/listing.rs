//! The log as JSON, rendered in pieces as a client reads it, and the memory of all listings.

mod piece;
pub(super) mod room;
mod stream;

pub use room::{LISTING_BYTES_MAX, ListingRoom};
pub use stream::{ListingForm, MessageStream};
