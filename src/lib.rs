//! A replicated log with tunable write concern.

pub mod http;
pub mod log;
pub mod node;
pub mod protocol;
pub mod types;
