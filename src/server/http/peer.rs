//! A secondary, as its master reaches it over HTTP.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use acklog_client::{Dial, Endpoint};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Time that connecting may take. Shorter: nodes behind slow lines are not reached. Longer: a
/// person who looks at the page learns late that a node is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Most connections to secondaries that clients of this node cause at once. Fewer: fewer people can
/// watch all nodes. More: fewer descriptors are left for connections of clients.
pub(in crate::server) const PEER_CONNECTIONS_MAX: usize = 256;

/// How many of these are kept for requests that are passed on. Fewer: such a request is refused
/// while others wait for nodes that hang. More: fewer people can watch.
const PASSED_ON_MAX: usize = 16;

/// How many of these are for those who watch.
const WATCHED_MAX: usize = PEER_CONNECTIONS_MAX - PASSED_ON_MAX;

/// The connections to secondaries that may be open at once. A clone is the same limit.
#[derive(Clone, Debug)]
pub(super) struct PeerConnections {
    watched: Arc<Semaphore>,
    passed_on: Arc<Semaphore>,
}

impl PeerConnections {
    /// Creates a limit of which nothing is used.
    pub(super) fn new() -> Self {
        let [watched, passed_on] =
            [WATCHED_MAX, PASSED_ON_MAX].map(|max| Arc::new(Semaphore::new(max)));
        Self { watched, passed_on }
    }

    /// Counts one connection more for those who watch, until the permit is dropped.
    ///
    /// # Errors
    /// When there are as many as may be: the reason, for people.
    pub(super) fn watch(&self) -> Result<OwnedSemaphorePermit, String> {
        self.watched.clone().try_acquire_owned().map_err(|_| {
            format!(
                "{WATCHED_MAX} connections to secondaries are open already for those who watch all \
                 nodes, which is the limit; close some pages, or ask the node itself"
            )
        })
    }

    /// Counts one connection more for a request that is passed on, until the permit is dropped.
    /// However many watch, there is room for some: a paused node can be woken.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub(super) fn pass_on(&self) -> Result<OwnedSemaphorePermit, String> {
        self.passed_on.clone().try_acquire_owned().map_err(|_| {
            format!(
                "{PASSED_ON_MAX} requests are being passed on already, which is the limit; try \
                 again in a moment, or ask the node itself"
            )
        })
    }
}

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

/// The reason where a secondary told no HTTP port since the master started, and what to do.
pub(super) const NO_PLACE: &str = "it has not connected since this master started, so its HTTP \
                                   port is not known; start it, or see its log for why it does \
                                   not reach the master";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_no_connection_is_made_until_one_ends() {
        let connections = PeerConnections::new();
        let mut held: Vec<_> = (0..WATCHED_MAX).map(|_| connections.watch().unwrap()).collect();
        assert!(connections.clone().watch().unwrap_err().starts_with("240 connections"));
        held.pop();
        assert!(connections.watch().is_ok());
    }

    #[test]
    fn however_many_watch_there_is_room_for_requests_that_are_passed_on() {
        let connections = PeerConnections::new();
        let _watched: Vec<_> = (0..WATCHED_MAX).map(|_| connections.watch().unwrap()).collect();
        let _passed_on: Vec<_> =
            (0..PASSED_ON_MAX).map(|_| connections.pass_on().unwrap()).collect();
        assert!(connections.pass_on().unwrap_err().starts_with("16 requests"));
    }

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
