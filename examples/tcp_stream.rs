//! What one TCP stream over loopback carries: the yardstick for `scripts/bench-catch-up`. One thread writes, one reads.
//! Usage: `tcp_stream [MEGABYTES]`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// Bytes of each write, and of each read at most: a page of a secondary that catches up.
const PIECE_BYTES: usize = 256 * 1024;

fn main() -> anyhow::Result<()> {
    let megabytes: usize = std::env::args().nth(1).map_or(Ok(4000), |text| text.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        let piece = vec![b'x'; PIECE_BYTES];
        (0..megabytes * 1_000_000 / PIECE_BYTES).try_for_each(|_| stream.write_all(&piece))
    });
    let (mut stream, _) = listener.accept()?;
    let (mut piece, mut bytes, begin) = (vec![0; PIECE_BYTES], 0, Instant::now());
    loop {
        match stream.read(&mut piece)? {
            0 => break,
            read => bytes += read,
        }
    }
    let rate = bytes as f64 / begin.elapsed().as_secs_f64() / 1e6;
    writer.join().map_err(|_| anyhow::anyhow!("the writing thread panicked"))??;
    println!("{rate:.0}");
    Ok(())
}
