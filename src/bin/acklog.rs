//! `acklog`: starts a cluster on this machine, and works with nodes.

use std::process::ExitCode;

use acklog::Cli;

fn main() -> ExitCode {
    match Cli::parse_args(std::env::args_os()) {
        Ok(cli) => cli.run(),
        Err(stop) => stop.report(),
    }
}
