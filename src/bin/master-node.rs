//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::cli::Cli;
use acklog::config::{self, MasterConfig};
use acklog::server;
use acklog::server::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<MasterConfig>(std::env::args_os()) {
        Ok(config) => server::master_node(config, stop, &Cli::unknown_variables()),
        Err(stop) => stop.report(),
    }
}
