//! A forwarder between a secondary and its master that can stall, swallow and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
}

impl Proxy {
    pub fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, streams) = (Arc::new(AtomicU8::new(FORWARD)), Arc::new(Mutex::new(Vec::new())));
        let (its_mode, its_streams) = (mode.clone(), streams.clone());
        std::thread::spawn(move || {
            for dialed in listener.incoming().map_while(Result::ok) {
                let Ok(master) = TcpStream::connect(to) else { continue };
                for (from, to) in [(&dialed, &master), (&master, &dialed)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    its_streams.lock().unwrap().push(from.try_clone().unwrap());
                    let mode = its_mode.clone();
                    std::thread::spawn(move || forward(from, to, &mode));
                }
            }
        });
        Self { address, mode, streams }
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

fn forward(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8) {
    let mut buffer = [0; 4096];
    loop {
        while mode.load(Ordering::SeqCst) == STALL {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let Ok(read @ 1..) = from.read(&mut buffer) else { break };
        while mode.load(Ordering::SeqCst) == STALL {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        if mode.load(Ordering::SeqCst) != SWALLOW && to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
