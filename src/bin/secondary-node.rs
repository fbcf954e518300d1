//! `secondary-node`: the daemon of a secondary.

use std::process::ExitCode;

use acklog::cli;
use acklog::config::{self, SecondaryArgs};
use acklog::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<SecondaryArgs>(std::env::args_os()) {
        Ok(config) => cli::secondary_node(config, stop),
        Err(stop) => stop.report(),
    }
}
