//! The two daemons as programs: flags in, logs on, exit status out.

use std::process::ExitCode;

use crate::config::{
    BAD_USAGE_STATUS, Contradiction, LogConfig, MasterArgs, NodeArgs, SecondaryArgs,
};
use crate::run::{self, StopSignals};
use crate::telemetry;
use crate::types::NodeName;

/// Runs a master until it is told to stop and returns the exit status: 0 after a clean stop, 1
/// when it cannot run, 2 when its flags contradict each other or its log.
pub fn master_node(args: MasterArgs, stop: anyhow::Result<StopSignals>) -> ExitCode {
    match args.into_config() {
        Ok(config) => {
            let (name, log) = (config.name.clone(), config.log.clone());
            logged("master-node", &name, &log, || run::master(config, stop?))
        }
        Err(stop) => stop.report(),
    }
}

/// Runs a secondary until it is told to stop and returns the exit status: 0 after a clean stop,
/// 1 when it cannot run, 2 when its flags contradict each other.
pub fn secondary_node(args: SecondaryArgs, stop: anyhow::Result<StopSignals>) -> ExitCode {
    match args.into_config() {
        Ok(config) => {
            let (name, log) = (config.name.clone(), config.log.clone());
            logged("secondary-node", &name, &log, || run::secondary(config, stop?))
        }
        Err(stop) => stop.report(),
    }
}

fn logged(
    program: &str,
    name: &NodeName,
    log: &LogConfig,
    node: impl FnOnce() -> anyhow::Result<()>,
) -> ExitCode {
    let guard = telemetry::init(name, log);
    let done = node();
    // Before the last line, so that it stands behind what led to it.
    drop(guard);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::report(program, &error);
            if error.is::<Contradiction>() {
                return ExitCode::from(BAD_USAGE_STATUS);
            }
            ExitCode::FAILURE
        }
    }
}
