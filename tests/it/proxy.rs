//! A forwarder between a secondary and its master that can be slow, stall, swallow and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

const FORWARD: u8 = 0;
/// Nothing is read any more: buffers fill.
const STALL: u8 = 1;
/// Everything is read and nothing arrives: a half-open connection.
const SWALLOW: u8 = 2;

/// Forwards connections to the master.
pub struct Proxy {
    pub address: SocketAddr,
    mode: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    forwarded: Arc<AtomicU64>,
}

/// Bytes of a slow connection in the kernel's buffers at the proxy: few, so that the sender sees
/// how slow it is.
const SLOW_BUFFER: usize = 4096;

impl Proxy {
    pub fn new(to: SocketAddr) -> Self {
        Self::start(to, None)
    }

    /// Creates a forwarder that passes on the master's bytes at `rate` bytes per second.
    pub fn slow(to: SocketAddr, rate: u32) -> Self {
        Self::start(to, Some(rate))
    }

    /// Returns the number of the master's bytes that were forwarded so far.
    pub fn forwarded(&self) -> u64 {
        self.forwarded.load(Ordering::SeqCst)
    }

    fn start(to: SocketAddr, rate: Option<u32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let forwarded = Arc::new(AtomicU64::new(0));
        let count = forwarded.clone();
        let (mode, streams) = (Arc::new(AtomicU8::new(FORWARD)), Arc::new(Mutex::new(Vec::new())));
        let (its_mode, its_streams) = (mode.clone(), streams.clone());
        std::thread::spawn(move || {
            for dialed in listener.incoming().map_while(Result::ok) {
                let Ok(master) = connect(to, rate.is_some()) else { continue };
                let (none, count) = (Arc::default(), count.clone());
                let ways = [(&dialed, &master, None, none), (&master, &dialed, rate, count)];
                for (from, to, rate, count) in ways {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    its_streams.lock().unwrap().push(from.try_clone().unwrap());
                    let mode = its_mode.clone();
                    std::thread::spawn(move || forward(from, to, &mode, rate, &count));
                }
            }
        });
        Self { address, mode, streams, forwarded }
    }

    pub fn stall(&self) {
        self.mode.store(STALL, Ordering::SeqCst);
    }

    pub fn swallow(&self) {
        self.mode.store(SWALLOW, Ordering::SeqCst);
    }

    pub fn go_on(&self) {
        self.mode.store(FORWARD, Ordering::SeqCst);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        // Lets stalled threads see the end.
        self.go_on();
    }
}

fn connect(to: SocketAddr, is_slow: bool) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if is_slow {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
    }
    socket.connect(&to.into())?;
    Ok(socket.into())
}

fn forward(
    mut from: TcpStream,
    mut to: TcpStream,
    mode: &AtomicU8,
    rate: Option<u32>,
    count: &AtomicU64,
) {
    let mut buffer = [0; 4096];
    let room = if rate.is_some() { 1000 } else { buffer.len() };
    loop {
        while mode.load(Ordering::SeqCst) == STALL {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let Ok(read @ 1..) = from.read(&mut buffer[..room]) else { break };
        while mode.load(Ordering::SeqCst) == STALL {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        if mode.load(Ordering::SeqCst) != SWALLOW && to.write_all(&buffer[..read]).is_err() {
            break;
        }
        count.fetch_add(read as u64, Ordering::SeqCst);
        if let Some(rate) = rate {
            std::thread::park_timeout(Duration::from_secs(1) * read as u32 / rate);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
