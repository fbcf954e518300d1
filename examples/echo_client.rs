//! Iteration 0: sends messages to the echo server, each on a connection of its own.
//!
//! `cargo run --example echo_client [ADDRESS [MESSAGE…]]`

mod echo_log;

use std::process::ExitCode;

use echo_log::{ADDRESS, log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is sent when no message is given.
const MESSAGES: [&str; 2] = ["Test Message 1 from client", "Another Message from client"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| ADDRESS.to_owned());
    let mut messages: Vec<_> = args.collect();
    if messages.is_empty() {
        messages = MESSAGES.map(str::to_owned).to_vec();
    }
    for message in messages {
        log("CLIENT", &format!("Sending: '{message}'"));
        match exchange(&address, &message).await {
            Ok(echo) => log("CLIENT", &format!("Received echo: '{echo}'")),
            Err(error) => {
                eprintln!("echo_client: {address}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Sends the message and reads until the server has sent all of it back and closed.
async fn exchange(address: &str, message: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut reader, mut writer) = stream.into_split();
    let send = async {
        writer.write_all(message.as_bytes()).await?;
        // Tells the server that nothing more comes.
        writer.shutdown().await
    };
    let mut echo = Vec::new();
    // At the same time: a long message fills the buffers of both sides, and the server goes on
    // only when its echo is taken.
    let (sent, received) = tokio::join!(send, reader.read_to_end(&mut echo));
    sent?;
    received?;
    Ok(String::from_utf8_lossy(&echo).into_owned())
}
