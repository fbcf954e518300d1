//! A load of senders that each wait for their answer: `load ADDRESS [--clients N] [--seconds S] [--write-concern W]`.
//! Prints answers a second and the latencies' p50 and p99. Speaks just enough HTTP to cost little itself.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Loads a server with appends of 100-byte messages.
#[derive(Parser)]
struct Args {
    /// Where the server listens, as host:port.
    address: String,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Write concern of each message.
    #[arg(long, default_value_t = 1)]
    write_concern: u32,
}

async fn client(address: String, request: Vec<u8>, until: Instant) -> anyhow::Result<Vec<u32>> {
    let mut stream = TcpStream::connect(&address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = vec![0; 4096];
    while Instant::now() < until {
        let start = Instant::now();
        stream.write_all(&request).await?;
        let mut length = 0;
        loop {
            let rest = buffer.get_mut(length..).unwrap_or_default();
            let read = stream.read(rest).await?;
            if read == 0 {
                bail!("the server hung up");
            }
            length += read;
            let so_far = buffer.get(..length).unwrap_or_default();
            if is_whole(so_far) {
                if !so_far.starts_with(b"HTTP/1.1 201") {
                    bail!("not 201: {}", String::from_utf8_lossy(so_far));
                }
                break;
            }
        }
        latencies.push(start.elapsed().as_micros() as u32);
    }
    Ok(latencies)
}

/// Whether the answer is here to its last byte.
fn is_whole(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let body =
        format!("{{\"message\":\"{}\",\"writeConcern\":{}}}", "m".repeat(100), args.write_concern);
    let request = format!(
        "POST /newMessage HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        args.address,
        body.len()
    );
    let start = Instant::now();
    let until = start + Duration::from_secs(args.seconds);
    let clients: Vec<_> = (0..args.clients)
        .map(|_| tokio::spawn(client(args.address.clone(), request.clone().into_bytes(), until)))
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let took = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).copied().unwrap_or_default()
    };
    println!(
        "{:>9.0} answers/s   p50 {:>6} us   p99 {:>6} us",
        latencies.len() as f64 / took,
        at(0.5),
        at(0.99)
    );
    Ok(())
}
