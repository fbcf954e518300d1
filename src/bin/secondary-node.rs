//! `secondary-node`: the daemon of a secondary.

use std::process::ExitCode;

use acklog::cli;
use acklog::config::{self, SecondaryArgs};
use acklog::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse::<SecondaryArgs>(std::env::args_os()) {
        Ok(args) => cli::secondary_node(args, stop),
        Err(stop) => stop.report(),
    }
}
