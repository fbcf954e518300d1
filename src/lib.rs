//! A replicated log with tunable write concern.

pub mod log;
pub mod protocol;
pub mod sim;
pub mod types;
