//! `secondary-node`: the daemon of a secondary.

use std::process::ExitCode;

use acklog::{Cli, SecondaryConfig, StopOn, StopSignals, abort_on_panic, config, secondary_node};

fn main() -> ExitCode {
    abort_on_panic();
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<SecondaryConfig>(std::env::args_os()) {
        Ok(config) => secondary_node(config, stop, &Cli::unknown_variables()),
        Err(stop) => stop.report(),
    }
}
