//! `secondary-node`: the daemon of a secondary.

use std::process::ExitCode;

use acklog::config::{self, SecondaryArgs};
use acklog::{cli, run::StopOn};

fn main() -> ExitCode {
    match config::parse::<SecondaryArgs>(std::env::args_os()) {
        Ok(args) => cli::secondary_node(args, StopOn::Signals),
        Err(stop) => stop.report(),
    }
}
