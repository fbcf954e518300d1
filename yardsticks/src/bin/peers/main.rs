//! Drives systems that acklog is compared with. It uses the engine of `acklog bench`, so that all
//! are measured by the same loops and histograms. `scripts/bench-peers` starts them and calls this.
//! Requests are bytes that are made beforehand, so that the load generator costs next to nothing.

mod etcd;
mod nats;
mod pool;
mod postgres;
mod redis;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use acklog::cli::bench::engine::{self, BenchLoad, BenchProgress, LoadModel};
use acklog_types::parse_duration;
use clap::{Parser, ValueEnum};

/// Time after which a request without an answer has failed: the default of `acklog bench`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The system to load.
#[derive(Clone, Copy, ValueEnum)]
enum System {
    Redis,
    Nats,
    Etcd,
    Postgres,
}

/// Loads a system with appends that each wait for their ack; prints what it measured as JSON
#[derive(Parser)]
struct Args {
    /// What listens there
    #[arg(value_enum)]
    system: System,
    /// Where it listens, as host:port
    address: String,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How long to send before anything counts
    #[arg(long, value_parser = parse_duration, default_value = "1s")]
    warm_up: Duration,
    /// How long to measure
    #[arg(long, value_parser = parse_duration, default_value = "10s")]
    duration: Duration,
    /// Bytes of a message
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Messages in a request
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Clients that share a connection, where the protocol tells their answers apart (nats, etcd)
    #[arg(long, default_value_t = 1)]
    shared_by: usize,
    /// Messages a second that are due, answered or not; without it each client waits for its
    /// answers
    #[arg(long)]
    rate: Option<u32>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<String> {
    let batch = args.batch as u64;
    let open = |rate| LoadModel::Open { per_second: f64::from(rate) / batch as f64 };
    let load = BenchLoad {
        clients: args.clients,
        model: args.rate.map_or(LoadModel::Closed, open),
        warm_up: args.warm_up,
        duration: args.duration,
        timeout: TIMEOUT,
        threads: 1,
        batch,
    };
    let (address, message) = (args.address.clone(), "m".repeat(args.size));
    let progress = Arc::new(BenchProgress::default());
    let report = match args.system {
        System::Redis => {
            engine::run(redis::Redis::new(address, &message, args.batch), &load, &progress)
        }
        System::Nats => engine::run(
            nats::Nats::new(address, message, args.batch, args.shared_by),
            &load,
            &progress,
        ),
        System::Etcd => engine::run(
            etcd::Etcd::new(address, &message, args.batch, args.shared_by),
            &load,
            &progress,
        ),
        System::Postgres => {
            engine::run(postgres::Postgres::new(address, &message, args.batch), &load, &progress)
        }
    }?;
    Ok(serde_json::to_string(&report)?)
}
