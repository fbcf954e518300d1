//! Iteration 0: a server that sends back the bytes that it receives.
//!
//! `rustc --edition 2024 -O examples/echo_server.rs` builds it, with nothing but the standard
//! library; then `./echo_server [ADDRESS]`.

mod echo_log;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use echo_log::{ADDRESS, log};

/// Bytes that are read and sent back at once. Longer input comes back in several pieces.
const PIECE_BYTES: usize = 4096;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| ADDRESS.to_owned());
    match serve(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address)?;
    log("SERVER", &format!("Echo server listening on {}", listener.local_addr()?));
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                thread::spawn(move || connection(stream, peer));
            }
            // The error concerns one client that has gone again, or it passes when others go.
            Err(error) => {
                log("SERVER", &format!("Cannot accept: {error}"));
                thread::yield_now();
            }
        }
    }
}

fn connection(stream: TcpStream, peer: SocketAddr) {
    let peer = format!("('{}', {})", peer.ip(), peer.port());
    log("SERVER", &format!("Connected by {peer}"));
    if let Err(error) = echo(stream, &peer) {
        log("SERVER", &format!("Connection to {peer} broke: {error}"));
    }
    log("SERVER", &format!("Connection closed by {peer}"));
}

fn echo(mut stream: TcpStream, peer: &str) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = stream.read(&mut buffer)?;
        let piece = buffer.get(..length).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        // For the log only: a character that is cut in two is shown as unreadable; its bytes go
        // back as they came.
        let text = String::from_utf8_lossy(piece);
        log("SERVER", &format!("Received from {peer}: {text}"));
        stream.write_all(piece)?;
        log("SERVER", &format!("Echoed to {peer}: {text}"));
    }
}
