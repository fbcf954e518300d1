//! Measures how fast the disk below a directory syncs: the yardstick for `--fsync always`. 4 KiB
//! are appended and synced repeatedly, to a file that grows and to one whose blocks were written
//! before.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

/// Bytes appended before each sync.
const APPEND_BYTES: usize = 4096;

/// Measures appends with a sync each, of a growing file and of one whose blocks are there
#[derive(Parser)]
struct Args {
    /// Directory on the disk to measure; two files are made there and removed
    dir: PathBuf,
    /// Syncs of each file
    #[arg(long, default_value_t = 2000)]
    syncs: u64,
}

fn measure(file: &File, syncs: u64) -> std::io::Result<String> {
    let append = vec![b'x'; APPEND_BYTES];
    let mut took = Vec::new();
    let begin = Instant::now();
    for n in 0..syncs {
        let before = Instant::now();
        file.write_all_at(&append, n * APPEND_BYTES as u64)?;
        file.sync_data()?;
        took.push(before.elapsed());
    }
    let rate = syncs as f64 / begin.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(Duration::ZERO);
    Ok(format!("{rate:>8.0}/s  p50 {:>4} us  p99 {:>5} us", at(50).as_micros(), at(99).as_micros()))
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    for (what, blocks_are_there) in [("growing", false), ("written before", true)] {
        let path = args.dir.join(format!("raw-sync-{}", std::process::id()));
        let file = File::create(&path)?;
        if blocks_are_there {
            file.write_all_at(&vec![0; APPEND_BYTES * args.syncs as usize], 0)?;
            file.sync_all()?;
        }
        let measured = measure(&file, args.syncs);
        std::fs::remove_file(&path)?;
        println!("raw write and fdatasync, {what:<15} {}", measured?);
    }
    Ok(())
}
