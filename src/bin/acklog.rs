//! `acklog`: starts a cluster on this machine and asks nodes.

use std::process::ExitCode;

use acklog::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse_args(std::env::args_os()) {
        Ok(cli) => cli.run(),
        Err(stop) => stop.report(),
    }
}
