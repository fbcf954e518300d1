//! Iteration 0: a server that sends back whatever bytes come.
//!
//! `cargo run --example echo_server [ADDRESS]`

mod echo_log;

use std::net::SocketAddr;
use std::process::ExitCode;

use echo_log::{ADDRESS, log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that are read and sent back at once. Longer input comes back in several pieces.
const PIECE_BYTES: usize = 4096;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| ADDRESS.to_owned());
    match serve(&address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    log("SERVER", &format!("Echo server listening on {}", listener.local_addr()?));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer));
            }
            // It concerns one client that has gone again, or it passes when others go.
            Err(error) => {
                log("SERVER", &format!("Cannot accept: {error}"));
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr) {
    let peer = format!("('{}', {})", peer.ip(), peer.port());
    log("SERVER", &format!("Connected by {peer}"));
    if let Err(error) = echo(stream, &peer).await {
        log("SERVER", &format!("Connection to {peer} broke: {error}"));
    }
    log("SERVER", &format!("Connection closed by {peer}"));
}

async fn echo(mut stream: TcpStream, peer: &str) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = stream.read(&mut buffer).await?;
        let piece = buffer.get(..length).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        // For the log only: a character that is cut in two is shown as unreadable, and its
        // bytes go back as they came.
        let text = String::from_utf8_lossy(piece);
        log("SERVER", &format!("Received from {peer}: {text}"));
        stream.write_all(piece).await?;
        log("SERVER", &format!("Echoed to {peer}: {text}"));
    }
}
