//! Iteration 0: sends messages to the echo server, each on a connection of its own.
//!
//! `rustc --edition 2024 -O examples/echo_client.rs` builds it, with nothing but the standard
//! library; then `./echo_client [ADDRESS [MESSAGE…]]`.

mod echo_log;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;

use echo_log::{ADDRESS, log};

/// Messages that are sent when none is given.
const MESSAGES: [&str; 2] = ["Test Message 1 from client", "Another Message from client"];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| ADDRESS.to_owned());
    let mut messages: Vec<_> = args.collect();
    if messages.is_empty() {
        messages = MESSAGES.map(str::to_owned).to_vec();
    }
    for message in messages {
        log("CLIENT", &format!("Sending: '{message}'"));
        match exchange(&address, &message) {
            Ok(echo) => log("CLIENT", &format!("Received echo: '{echo}'")),
            Err(error) => {
                eprintln!("echo_client: {address}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Sends the message and reads until the server has sent all of it back and closed the connection.
fn exchange(address: &str, message: &str) -> std::io::Result<String> {
    let stream = &TcpStream::connect(address)?;
    let mut echo = Vec::new();
    // Both at the same time: a long message fills the buffers of both sides, and the server
    // continues only when its echo is read.
    thread::scope(|scope| {
        let mut writer = stream;
        let sending = scope.spawn(move || {
            writer.write_all(message.as_bytes())?;
            // Tells the server that nothing more comes.
            writer.shutdown(Shutdown::Write)
        });
        let mut reader = stream;
        let received = reader.read_to_end(&mut echo);
        sending.join().unwrap_or(Ok(())).and(received)
    })?;
    Ok(String::from_utf8_lossy(&echo).into_owned())
}
