//! `acklog check`: sends a load to a running cluster and verifies, from outside, that the cluster
//! keeps its guarantees.
//!
//! [`acklog_judge`] judges. `load` sends, `watch`, `lookup` and `follow` read, `restart` restarts
//! nodes in the middle, `basic` checks other programs by fewer requests, `driver` runs it all,
//! `report` prints.

mod answer;
mod basic;
mod check_run;
mod converge;
mod driver;
mod follow;
mod load;
mod lookup;
mod mix;
mod nodes;
mod report;
mod restart;

mod texts;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use acklog_types::NODES_MAX;
use clap::Args;

use super::{NodeUrl, faults};
use crate::config::{Stop, as_given, interval_with_unit, number};

/// Most messages of one run: they take less than a gigabyte of memory.
const MESSAGES_MAX: usize = 50_000_000;

/// Most clients: each holds a connection.
const SENDERS_MAX: usize = 10_000;

/// Flags of `acklog check`.
#[derive(Clone, Debug, Args)]
pub(super) struct CheckArgs {
    /// URLs of the master and of secondaries, in any order; one each time, or with commas
    #[arg(long, env = "ACKLOG_URL", value_name = "URL", value_delimiter = ',')]
    #[arg(default_value = "http://127.0.0.1:8000,http://127.0.0.1:8001,http://127.0.0.1:8002")]
    url: Vec<NodeUrl>,

    /// How long to send
    #[arg(long, env = "ACKLOG_DURATION", value_name = "DURATION")]
    #[arg(value_parser = interval_with_unit)]
    #[arg(default_value = "10s")]
    duration: Duration,

    /// Senders, each with one request under way; every fourth asks for the master alone, so that
    /// the load never stops
    #[arg(long, env = "ACKLOG_SENDERS", value_name = "N", value_parser = senders)]
    #[arg(default_value_t = 64)]
    senders: usize,

    /// Most messages to send
    #[arg(long, env = "ACKLOG_MESSAGES", value_name = "N", value_parser = messages)]
    #[arg(default_value_t = 5_000_000)]
    messages: usize,

    /// Most messages a second [default: as many as there are answers]
    #[arg(long, env = "ACKLOG_RATE", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// How long all nodes may take to show the same log, once the load and the faults are over
    #[arg(long, env = "ACKLOG_CONVERGE", value_name = "DURATION")]
    #[arg(value_parser = interval_with_unit)]
    #[arg(default_value = "10s")]
    converge: Duration,

    /// Drop the connections of a random secondary that often; needs --allow-faults [default: never]
    #[arg(long, env = "ACKLOG_DISCONNECT_EVERY", value_name = "DURATION")]
    #[arg(value_parser = interval_with_unit)]
    disconnect_every: Option<Duration>,

    /// Command that restarts nodes, run once with `sh -c` in the middle; what was acked must still
    /// be there
    #[arg(long, env = "ACKLOG_RESTART_COMMAND", value_name = "CMD")]
    restart_command: Option<String>,

    /// Leave out nodes that cannot be reached at the start [default: the check does not begin]
    #[arg(long, env = "ACKLOG_ALLOW_DOWN")]
    allow_down: bool,

    /// Ask only for POST /messages (or /newMessage) and GET /messages, of somebody's own solution
    /// of the exercise; the first URL is the master's
    // Not `conflicts_with`, which also counts a variable that says false.
    #[arg(long, env = "ACKLOG_BASIC")]
    basic: bool,

    /// Leave the nodes' faults on at the end [default: they are cleared]
    #[arg(long, env = "ACKLOG_KEEP_FAULTS")]
    keep_faults: bool,

    /// Repeats the choice of write concerns and time limits [default: another one each time]
    #[arg(long, env = "ACKLOG_SEED", value_name = "N", value_parser = faults::seed)]
    seed: Option<u64>,

    /// Print what was found as one JSON object
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,
}

fn senders(text: &str) -> Result<usize, String> {
    number(text, 1, SENDERS_MAX)
}

fn messages(text: &str) -> Result<usize, String> {
    number(text, 1, MESSAGES_MAX)
}

/// Checks a cluster and returns the exit status: 0 when everything holds.
pub(super) fn run(args: &CheckArgs) -> ExitCode {
    if let Some(wrong) = unusable(args) {
        return Stop::bad_usage("acklog", &wrong).report();
    }
    let done = super::block_on(driver::run(args, &mut std::io::stdout()));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            crate::config::report("acklog", &error);
            ExitCode::FAILURE
        }
    }
}

/// Returns why the flags are unusable together; `None` if they are usable.
fn unusable(args: &CheckArgs) -> Option<String> {
    let urls = &args.url;
    let twice = |(n, url): &(usize, &NodeUrl)| urls.iter().take(*n).any(|before| before == *url);
    if let Some((_, url)) = urls.iter().enumerate().find(twice) {
        return Some(format!("--url {url} is given twice: name each node once"));
    }
    if urls.len() > usize::from(NODES_MAX) {
        let count = urls.len();
        return Some(format!("--url is given {count} times: a cluster has {NODES_MAX} nodes"));
    }
    let of_faults = [
        ("--disconnect-every", args.disconnect_every.is_some()),
        ("--keep-faults", args.keep_faults),
    ];
    let (flag, _) = of_faults.into_iter().find(|(_, is_given)| args.basic && *is_given)?;
    let (basic, flag) = (as_given("--basic"), as_given(flag));
    Some(format!("{flag} is about faults, and with {basic} no node is asked for any"))
}
