//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::{Cli, MasterConfig, StopOn, StopSignals, abort_on_panic, config, master_node};

fn main() -> ExitCode {
    abort_on_panic();
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<MasterConfig>(std::env::args_os()) {
        Ok(config) => master_node(config, stop, &Cli::unknown_variables()),
        Err(stop) => stop.report(),
    }
}
