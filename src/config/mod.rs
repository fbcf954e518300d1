//! From flags and environment variables to plain, checked configurations.
//!
//! `args` declares the flags, `defaults` their defaults and limits, and `parse` turns a command
//! line into a configuration or into one line that says what is wrong. Nothing is checked again
//! elsewhere: a configuration that exists is usable.

mod args;
mod defaults;
mod parse;
mod registered;
mod values;
mod variables;

pub use args::{CommonConfig, MasterConfig, SecondaryConfig};
pub use defaults::{COMM_PORT, MASTER_HTTP_PORT};
pub(crate) use parse::{BAD_USAGE_STATUS, as_given};
pub use parse::{NodeConfig, Stop, last_line, parse, parse_node, report};
pub use registered::Contradiction;
pub(crate) use values::{interval_with_unit, number, port, port_range_end};
pub use variables::{UNKNOWN_VARIABLE_ADVICE, unknown_variables};

#[cfg(test)]
mod tests;
