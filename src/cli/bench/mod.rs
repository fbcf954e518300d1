//! `acklog bench`: how fast a running cluster takes messages, seen by its senders.
//!
//! `engine` drives connections of any kind, so that other systems can be measured in the same way; `pace` says when a
//! request is due, `tally` counts, `report` tells.

mod alarm;
pub mod engine;
mod pace;
mod patience;
mod report;
mod tally;

pub use report::{Failures, Percentiles, Report};
