//! Runs random schedules: `cargo run --release --example sim -- --seeds 1..1000`, one again with `--replay SEED`.

use acklog::sim::Schedule;
use std::sync::atomic::{AtomicU64, Ordering};
static SEED: AtomicU64 = AtomicU64::new(0);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (a, b) = args[2].split_once("..").unwrap();
    let range: std::ops::Range<u64> = a.parse().unwrap()..b.parse().unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        println!("seed {}", SEED.load(Ordering::Relaxed));
        hook(info)
    }));
    let mut msgs = 0;
    for seed in range {
        SEED.store(seed, Ordering::Relaxed);
        msgs += Schedule::new(seed).run().messages;
    }
    println!("ok {msgs} messages");
}
