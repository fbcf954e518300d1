//! Stands between a secondary and its master, so that the way between them can be cut without either
//! being told.
//!
//! `rustc --edition 2024 -O examples/relay.rs` builds it, with nothing but the standard library. `relay
//! LISTEN_PORT TARGET_PORT` prints the port that it listens on (0 takes a free one) and copies what
//! comes both ways. Stop the process (SIGSTOP) and the network is cut: connections stay half-open, new
//! ones get nowhere. Let it go on (SIGCONT) and the network is healed.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let ports: Option<Vec<u16>> = std::env::args().skip(1).map(|port| port.parse().ok()).collect();
    let Some([listen, target]) = ports.as_deref() else {
        eprintln!("usage: relay LISTEN_PORT TARGET_PORT");
        return ExitCode::from(2);
    };
    match relay(*listen, *target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: cannot listen on port {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn relay(listen: u16, target: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", listen))?;
    println!("{}", listener.local_addr()?.port());
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                thread::spawn(move || {
                    if let Err(error) = connection(&stream, target) {
                        eprintln!("relay: a connection to port {target} broke: {error}");
                    }
                });
            }
            // It concerns one client that has gone again, or it passes when others go.
            Err(error) => {
                eprintln!("relay: cannot accept: {error}");
                thread::yield_now();
            }
        }
    }
}

/// Ends when both sides have ended, or one is broken: then the other one is closed as well.
fn connection(near: &TcpStream, target: u16) -> io::Result<()> {
    let far = &TcpStream::connect(("127.0.0.1", target))?;
    // As it came: no waiting for more bytes to send along.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    thread::scope(|scope| {
        let back = scope.spawn(|| copy(far, near));
        let there = copy(near, far);
        there.and(back.join().unwrap_or(Ok(())))
    })
}

/// Copies until one side has ended and tells the other, or closes both where one is broken.
fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.shutdown(Shutdown::Write));
    if copied.is_err() {
        // It may be closed already.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
    copied
}
