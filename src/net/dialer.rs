//! The dialing end.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for one attempt to connect. An address that swallows packets would otherwise hold the next attempt back for
/// minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to a host (name or address) and port.
///
/// # Errors
/// When the name cannot be resolved, nobody listens there, or it takes too long.
pub async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await.unwrap_or_else(|_| {
        let reason = format!("no connection within {CONNECT_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}
