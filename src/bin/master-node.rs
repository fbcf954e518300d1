//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::cli;
use acklog::config::{self, MasterArgs};
use acklog::run::{StopOn, StopSignals};

fn main() -> ExitCode {
    let stop = StopSignals::install(StopOn::Signals);
    match config::parse::<MasterArgs>(std::env::args_os()) {
        Ok(args) => cli::master_node(args, stop),
        Err(stop) => stop.report(),
    }
}
