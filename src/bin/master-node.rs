//! `master-node`: the daemon of a master.

use std::process::ExitCode;

use acklog::config::{self, MasterArgs};
use acklog::{cli, run::StopOn};

fn main() -> ExitCode {
    match config::parse::<MasterArgs>(std::env::args_os()) {
        Ok(args) => cli::master_node(args, StopOn::Signals),
        Err(stop) => stop.report(),
    }
}
