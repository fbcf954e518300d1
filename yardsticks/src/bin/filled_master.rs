//! A master with a full log, for `scripts/bench-catch-up`: filling it over HTTP would take longer
//! than the measurement. It serves secondaries until it is ended, and has no HTTP.

use std::path::PathBuf;
use std::time::Duration;

use acklog::start_master;
use acklog_log::disk::{DiskOptions, Role, Sizes};
use acklog_log::{self, Background, Opened};
use acklog_protocol::{MasterOptions, STRANGERS_MAX};
use acklog_types::{Batch, Faults, Fsync, LogId, WriteConcern};
use clap::Parser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most bytes that may wait for the disk while the log is filled.
const BACKLOG_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Fills a log and serves it to secondaries; prints the port on which they find it
#[derive(Parser)]
struct Args {
    /// Messages in the log
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// Bytes of each message
    #[arg(long, default_value_t = 100)]
    message_bytes: usize,
    /// Directory of the log; in memory without it
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// Messages between two checks of how many bytes wait for the disk.
const FLUSH_MESSAGES: u64 = 10_000;

async fn fill(log: &mut Opened, args: &Args) {
    let batch = Batch::new("x".repeat(args.message_bytes));
    for n in 1..=args.messages {
        log.writer.append(0, None, &batch);
        if n % FLUSH_MESSAGES == 0 || n == args.messages {
            log.writer.flush();
            while log.writer.backlog_bytes() > BACKLOG_BYTES_MAX {
                log.reader.changed().await;
            }
        }
    }
    while log.reader.durable_end().get() < args.messages {
        log.reader.changed().await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let new_log = LogId::new(rand::random());
    let (mut log, _background) = match &args.data_dir {
        None => (Opened::in_memory(), Background::default()),
        Some(dir) => {
            let (fsync, seed, sizes) = (Fsync::Always, rand::random(), Sizes::DEFAULT);
            let role = Role::Master;
            acklog_log::open(
                dir,
                DiskOptions { role, fsync, new_log, keys: 0, seed, require_log: false, sizes },
            )?
        }
    };
    fill(&mut log, &args).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let options = MasterOptions {
        name: "master".parse()?,
        log: log.log.unwrap_or(new_log),
        http_port: None,
        request_timeout: Duration::from_millis(1500),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Majority,
        quorum: None,
        max_waiting: 0,
        max_strangers: STRANGERS_MAX,
        idempotency_window: 0,
        seed: rand::random(),
    };
    let tasks = TaskTracker::new();
    let _master =
        start_master(options, Faults::default(), log, listener, CancellationToken::new(), &tasks);
    std::future::pending().await
}
