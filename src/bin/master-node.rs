//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::cli;
use acklog::config::{self, MasterArgs};
use acklog::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse_node::<MasterArgs>(std::env::args_os()) {
        Ok(config) => cli::master_node(config, stop),
        Err(stop) => stop.report(),
    }
}
