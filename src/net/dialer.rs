//! The dialing end.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::threads::ThreadPool;

/// Time for one attempt to connect. An address that swallows packets would otherwise hold the next attempt back for
/// minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to a host (name or address) and port. A name is resolved on a thread of `names`.
///
/// # Errors
/// When the name cannot be resolved, nobody listens there, or it takes too long.
pub async fn dial(names: &ThreadPool, host: &str, port: u16) -> io::Result<TcpStream> {
    let connected = async {
        let addresses = resolve(names, host, port).await?;
        TcpStream::connect(addresses.as_slice()).await
    };
    timeout(CONNECT_TIMEOUT, connected).await.unwrap_or_else(|_| {
        let reason = format!("no connection within {CONNECT_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

/// Returns all addresses of a host. An address is its own.
async fn resolve(names: &ThreadPool, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let resolved =
        names.run(move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    resolved.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_resolved_and_an_address_needs_no_thread() {
        let (none, one) = (ThreadPool::new("names", 0), ThreadPool::new("names", 1));
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 7);
        assert_eq!(resolve(&none, "127.0.0.2", 7).await.unwrap(), [at("127.0.0.2")]);
        assert_eq!(resolve(&none, "::1", 7).await.unwrap(), [at("::1")]);
        let found = resolve(&one, "localhost", 7).await.unwrap();
        assert!(found.contains(&at("127.0.0.1")) || found.contains(&at("::1")), "{found:?}");
        let refused = resolve(&none, "localhost", 7).await.unwrap_err();
        assert!(refused.to_string().contains("no thread"), "{refused}");
    }
}
