//! The two daemons as programs: from flags to an exit status.

use std::process::ExitCode;
use std::time::SystemTime;

use acklog_types::{NodeName, rfc3339};
use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Level, warn};

#[cfg(all(target_os = "linux", feature = "jemalloc"))]
use super::allocator;
use super::run::{self, StopSignals};
use crate::config::{
    self, BAD_USAGE_STATUS, Contradiction, MasterConfig, SecondaryConfig, UNKNOWN_VARIABLE_ADVICE,
};
use crate::telemetry;
use crate::telemetry::{LogConfig, LogFormat};

/// Runs a master until it is stopped and returns the exit status: 0 after a clean stop, 1 when it
/// cannot run, 2 when its flags contradict its log.
pub fn master_node(
    config: MasterConfig,
    stop: anyhow::Result<StopSignals>,
    unknown_variables: &[String],
) -> ExitCode {
    let (name, log) = (config.name.clone(), config.common.log_config());
    logged("master-node", &name, &log, unknown_variables, || run::master(config, stop?))
}

/// Runs a secondary until it is stopped and returns the exit status: 0 after a clean stop, 1 when
/// it cannot run.
pub fn secondary_node(
    config: SecondaryConfig,
    stop: anyhow::Result<StopSignals>,
    unknown_variables: &[String],
) -> ExitCode {
    let (name, log) = (config.name.clone(), config.common.log_config());
    logged("secondary-node", &name, &log, unknown_variables, || run::secondary(config, stop?))
}

fn logged(
    program: &str,
    name: &NodeName,
    log: &LogConfig,
    unknown_variables: &[String],
    node: impl FnOnce() -> anyhow::Result<()>,
) -> ExitCode {
    #[cfg(all(target_os = "linux", feature = "jemalloc"))]
    let gives_back = allocator::give_back_soon();
    let guard = match telemetry::init(name, log).context("cannot start a thread for log lines") {
        Ok(guard) => guard,
        Err(error) => {
            report(program, name, log.format, &error);
            return ExitCode::FAILURE;
        }
    };
    #[cfg(all(target_os = "linux", feature = "jemalloc"))]
    if let Err(error) = gives_back {
        warn!(%error, "freed memory goes back to the system later than it could");
    }
    for variable in unknown_variables {
        warn!(variable, "{UNKNOWN_VARIABLE_ADVICE}");
    }
    let done = node();
    // Before the last line, so that the lines that led to it come first.
    drop(guard);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(program, name, log.format, &error);
            if error.is::<Contradiction>() {
                return ExitCode::from(BAD_USAGE_STATUS);
            }
            ExitCode::FAILURE
        }
    }
}

/// The last line of a node that cannot run, as a log line for programs. Its members are those of
/// the other lines.
#[derive(Serialize)]
struct LastLine<'a> {
    timestamp: String,
    level: &'a str,
    node: &'a str,
    module: &'a str,
    message: String,
    fields: Map<String, Value>,
}

/// Reports why a node cannot run, in one line on standard error, whatever the log level is.
fn report(program: &str, name: &NodeName, format: LogFormat, error: &anyhow::Error) {
    match format {
        LogFormat::Text => config::report(program, error),
        LogFormat::Json => {
            let line = LastLine {
                timestamp: rfc3339(SystemTime::now()),
                level: Level::ERROR.as_str(),
                node: name.as_str(),
                module: "daemon",
                message: format!("{error:#}"),
                fields: Map::new(),
            };
            config::last_line(serde_json::to_string(&line).expect("texts are JSON"));
        }
    }
}
