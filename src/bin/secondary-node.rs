//! `secondary-node`: the daemon of a secondary.

use std::process::ExitCode;

use acklog::cli::Cli;
use acklog::config::{self, SecondaryConfig};
use acklog::server;
use acklog::server::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<SecondaryConfig>(std::env::args_os()) {
        Ok(config) => server::secondary_node(config, stop, &Cli::unknown_variables()),
        Err(stop) => stop.report(),
    }
}
