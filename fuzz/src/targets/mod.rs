//! The targets, by name. Each file says which properties its target holds.

mod body;
mod frame;
mod index;
mod manifest;
mod master;
mod query;
mod record;
mod scenario;
mod secondary;
mod segment;
mod stream;

pub use body::body;
pub use frame::frame;
pub use index::index;
pub use manifest::manifest;
pub use master::master;
pub use query::query;
pub use record::record;
pub use scenario::scenario;
pub use secondary::secondary;
pub use segment::segment;
pub use stream::stream;

/// A target: panics where a property does not hold.
pub type Target = fn(&[u8]);

/// All targets, each with the name of its program and of its folder in `corpus`.
pub const ALL: [(&str, Target); 11] = [
    ("body", body),
    ("frame", frame),
    ("index", index),
    ("manifest", manifest),
    ("master", master),
    ("query", query),
    ("record", record),
    ("scenario", scenario),
    ("secondary", secondary),
    ("segment", segment),
    ("stream", stream),
];
