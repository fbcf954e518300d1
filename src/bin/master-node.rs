//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::{Cli, MasterConfig, StopOn, StopSignals, config, master_node};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<MasterConfig>(std::env::args_os()) {
        Ok(config) => master_node(config, stop, &Cli::unknown_variables()),
        Err(stop) => stop.report(),
    }
}
