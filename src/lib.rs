//! A replicated log with tunable write concern.

pub mod cli;
pub mod config;
pub mod log;
pub mod protocol;
pub mod run;
pub mod sim;
pub mod telemetry;
pub mod types;
