//! A reader that takes a response as fast as it arrives. Usage: `drain ADDRESS PATH [--accept TYPE]
//! [--pid PID]`. Prints the throughput and, with `--pid`, the processor time of the process that
//! serves it. Parses nothing, so that it costs as little as a reader can.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;

/// Bytes that are read at once. Fewer: more system calls of the reader.
const READ_BYTES: usize = 1024 * 1024;

/// The end of a chunked response, which proves that it was not cut off.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Takes a response as fast as it arrives.
#[derive(Parser)]
struct Args {
    /// Address of the server, as host:port.
    address: String,
    /// Path to request.
    path: String,
    /// Accepted media type.
    #[arg(long, default_value = "*/*")]
    accept: String,
    /// Id of the process that serves it.
    #[arg(long)]
    pid: Option<u32>,
}

/// Returns the processor time of all threads of a process so far, in nanoseconds.
fn spent(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("no such process")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut stream = TcpStream::connect(&args.address).context("cannot connect")?;
    let head = format!("Host: {}\r\nAccept: {}\r\nConnection: close", args.address, args.accept);
    let mut buffer = vec![0; READ_BYTES];
    let before = args.pid.map(spent).transpose()?;
    let start = Instant::now();
    stream.write_all(format!("GET {} HTTP/1.1\r\n{head}\r\n\r\n", args.path).as_bytes())?;
    let (mut bytes, mut last) = (0, Vec::new());
    loop {
        let read = stream.read(&mut buffer)?;
        let got = buffer.get(..read).unwrap_or_default();
        if got.is_empty() {
            break;
        }
        ensure!(bytes > 0 || got.starts_with(b"HTTP/1.1 200"), "the answer is not 200");
        bytes += read;
        last.extend_from_slice(
            got.get(read.saturating_sub(LAST_CHUNK.len())..).unwrap_or_default(),
        );
        last.drain(..last.len().saturating_sub(LAST_CHUNK.len()));
    }
    let took = start.elapsed().as_secs_f64();
    ensure!(last == LAST_CHUNK, "the answer is cut off after {bytes} bytes");
    let megabytes = bytes as f64 / 1e6;
    print!("{megabytes:>7.1} MB {:>7.0} MB/s", megabytes / took);
    if let (Some(pid), Some(before)) = (args.pid, before) {
        print!("   server {:>7.1} us/MB", (spent(pid)? - before) as f64 / 1e3 / megabytes);
    }
    println!();
    Ok(())
}
