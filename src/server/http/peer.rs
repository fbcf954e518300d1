//! A secondary, as its master reaches it over HTTP.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use acklog_client::{Dial, Endpoint};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time that connecting may take. Shorter: nodes behind slow lines are not reached. Longer: a
/// person who looks at the page learns late that a node is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The address at which a secondary serves HTTP.
#[derive(Clone, Debug)]
pub(super) struct PeerTarget {
    endpoint: Endpoint,
    address: SocketAddr,
}

impl PeerTarget {
    /// Returns the target at an address.
    pub(super) fn new(address: SocketAddr) -> Self {
        // A zone has a meaning for this machine's sockets, and none in a URL.
        let named = match address {
            SocketAddr::V6(address) => {
                SocketAddrV6::new(*address.ip(), address.port(), 0, 0).into()
            }
            address => address,
        };
        let endpoint = named.to_string().parse().expect("an address and a port are an endpoint");
        Self { endpoint, address }
    }
}

impl Dial for PeerTarget {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address)).await.unwrap_or_else(|_| {
            let text = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

/// Returns why a secondary is not reached, and what to do.
pub(super) fn not_reached(reason: impl std::fmt::Display) -> String {
    format!(
        "{reason}; see that the node runs, and that its --bind and the firewalls between let the \
         master reach its HTTP port"
    )
}

/// The reason where a secondary told no HTTP port since the master started.
pub(super) const NO_PLACE: &str =
    "it has not connected since this master started, so its HTTP port is not known";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_dialed_as_it_is_and_named_as_in_a_url() {
        for (address, url) in [
            ("127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("[::1]:8001", "http://[::1]:8001"),
            ("[fe80::1%7]:8001", "http://[fe80::1]:8001"),
        ] {
            let target = PeerTarget::new(address.parse().unwrap());
            assert_eq!(target.endpoint().to_string(), url);
            assert_eq!(target.address.to_string(), address);
        }
    }
}
