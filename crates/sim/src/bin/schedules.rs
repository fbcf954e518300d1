//! Runs as many random schedules of simulated clusters as one wants: `cargo run --release -p
//! acklog-sim -- --seeds 1..100000`. A failure names its seed; `--replay SEED` runs it again and
//! prints the trace.

use std::cell::Cell;
use std::ops::Range;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use acklog_sim::Schedule;
use clap::Parser;

thread_local! {
    /// Seed of the schedule that this thread runs, for the report of a failure.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Runs random schedules of a simulated cluster and checks them.
#[derive(Parser)]
struct Args {
    /// Seeds of the schedules to run, START..END.
    #[arg(long, value_parser = seeds, default_value = "0..1000", conflicts_with = "replay")]
    seeds: Range<u64>,
    /// One seed to run again, with its trace.
    #[arg(long)]
    replay: Option<u64>,
    /// With appends on condition and append streams, too.
    #[arg(long)]
    streams: bool,
}

impl Args {
    fn schedule(&self, seed: u64) -> Schedule {
        if self.streams { Schedule::with_streams(seed) } else { Schedule::new(seed) }
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let form = || "write START..END, two whole numbers".to_owned();
    let (start, end) = text.split_once("..").ok_or_else(form)?;
    let number = |text: &str| text.parse().map_err(|_| form());
    Ok(number(start)?..number(end)?)
}

fn main() {
    let args = Args::parse();
    // A hook, since a release build aborts on a panic.
    let further = if args.streams { " --streams" } else { "" };
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        show(panic);
        let seed = SEED.get();
        println!("seed {seed} failed");
        println!("replay with: cargo run --release -p acklog-sim -- --replay {seed}{further}");
        exit(1);
    }));
    match args.replay {
        Some(seed) => {
            SEED.set(seed);
            let mut schedule = args.schedule(seed);
            schedule.print_trace();
            let report = schedule.run();
            println!("seed {seed} holds: {} messages", report.messages);
        }
        None => live(&args),
    }
}

fn live(args: &Args) {
    let seeds = args.seeds.clone();
    let count = seeds.end.saturating_sub(seeds.start);
    let next = AtomicU64::new(seeds.start);
    let (messages, answered, seconds) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    SEED.set(seed);
                    let report = args.schedule(seed).run();
                    messages.fetch_add(report.messages, Ordering::Relaxed);
                    answered.fetch_add(report.answered as u64, Ordering::Relaxed);
                    seconds.fetch_add(report.took.as_secs(), Ordering::Relaxed);
                    let done = seed - seeds.start + 1;
                    if done.is_multiple_of(10_000) {
                        println!("{done} of {count} schedules begun");
                    }
                }
            });
        }
    });
    println!(
        "{count} schedules hold: {} messages, {} responses, {} hours of virtual time",
        messages.into_inner(),
        answered.into_inner(),
        seconds.into_inner() / 3600
    );
}
