//! Stands between a secondary and its master, so that the way between them can be cut without either being told.
//!
//! `cargo run --example relay -- LISTEN_PORT TARGET_PORT` prints the port that it listens on (0 takes a free one) and
//! copies what comes both ways. Stop the process (SIGSTOP) and the network is cut: connections stay half-open, new ones
//! get nowhere. Let it go on (SIGCONT) and the network is healed.

use std::process::ExitCode;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ports: Option<Vec<u16>> = std::env::args().skip(1).map(|port| port.parse().ok()).collect();
    let Some([listen, target]) = ports.as_deref() else {
        eprintln!("usage: relay LISTEN_PORT TARGET_PORT");
        return ExitCode::from(2);
    };
    match relay(*listen, *target).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: cannot listen on port {listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn relay(listen: u16, target: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", listen)).await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, target).await {
                        eprintln!("relay: a connection to port {target} broke: {error}");
                    }
                });
            }
            // It concerns one client that has gone again, or it passes when others go.
            Err(error) => {
                eprintln!("relay: cannot accept: {error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Ends when both sides have ended, or one is broken: then the other one is closed as well.
async fn connection(mut near: TcpStream, target: u16) -> std::io::Result<()> {
    let mut far = TcpStream::connect(("127.0.0.1", target)).await?;
    // As it came: no waiting for more bytes to send along.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
