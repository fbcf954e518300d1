//! `acklog`: starts a cluster on this machine and asks nodes.

use std::process::ExitCode;

use acklog::{cli::Cli, config};

fn main() -> ExitCode {
    match config::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli.run(),
        Err(stop) => stop.report(),
    }
}
