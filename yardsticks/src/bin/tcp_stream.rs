//! Measures what one TCP stream over loopback carries: the yardstick for `scripts/bench-catch-up`.
//! One thread writes, one reads. Usage: `tcp_stream [MEGABYTES] [keep]`. With `keep` the reader
//! keeps in memory what it reads, as a log in memory does: the first touch of fresh memory may cost
//! more than the transfer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// Bytes of each write, and most bytes of each read: a page of a secondary that catches up.
const PIECE_BYTES: usize = 256 * 1024;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let megabytes: usize = args.next().map_or(Ok(4000), |text| text.parse())?;
    let keeps = args.next().is_some_and(|text| text == "keep");
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        let piece = vec![b'x'; PIECE_BYTES];
        (0..megabytes * 1_000_000 / PIECE_BYTES).try_for_each(|_| stream.write_all(&piece))
    });
    let (mut stream, _) = listener.accept()?;
    let (mut kept, mut bytes, begin) = (Vec::new(), 0, Instant::now());
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    loop {
        let read = (&mut stream).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        bytes += read;
        if read == 0 {
            break;
        }
        if keeps {
            kept.push(std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES)));
        }
        piece.clear();
    }
    let rate = bytes as f64 / begin.elapsed().as_secs_f64() / 1e6;
    writer.join().map_err(|_| anyhow::anyhow!("the writing thread panicked"))??;
    println!("{rate:.0}");
    Ok(())
}
