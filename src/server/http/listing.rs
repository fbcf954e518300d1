//! The log as JSON, rendered in pieces as a client reads it, and the memory of all listings.

mod form;
mod piece;
mod room;
mod stream;

pub(super) use form::FormWriter;
pub use form::ListingForm;
pub(super) use room::PAGE_BYTES_MAX;
pub use room::{LISTING_BYTES_MAX, ListingRoom};
pub use stream::MessageStream;
