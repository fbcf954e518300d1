//! `acklog`: starts a cluster on this machine, and works with nodes.

use std::process::ExitCode;

use acklog::{Cli, abort_on_panic};

fn main() -> ExitCode {
    abort_on_panic();
    match Cli::parse_args(std::env::args_os()) {
        Ok(cli) => cli.run(),
        Err(stop) => stop.report(),
    }
}
