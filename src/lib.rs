//! A replicated log with tunable write concern.

pub mod cli;
pub mod config;
pub mod log;
pub mod node;
pub mod protocol;
pub mod run;
pub mod telemetry;
pub mod types;
