//! The URL of a node, and the flag `--url`.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use acklog_client::Endpoint;
use clap::Args;
use tokio::net::TcpStream;

use crate::server::net::SharedDialer;

/// The URL of a node: `http://host:port`. Clones share each resolution of a host name.
#[derive(Clone, Debug)]
pub struct NodeUrl {
    endpoint: Endpoint,
    dialer: SharedDialer,
}

/// The flag that names the nodes to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct TargetArgs {
    /// URLs of nodes, one each time or with commas; status asks all, other commands the first that
    /// takes the request
    #[arg(long = "url", env = "ACKLOG_URL", value_name = "URL", value_delimiter = ',')]
    #[arg(default_value = "http://127.0.0.1:8000")]
    pub(super) urls: Vec<NodeUrl>,
}

impl NodeUrl {
    /// Returns the URL of a node on this machine.
    pub(super) fn local(port: u16) -> Self {
        Self::new(Endpoint::local(port))
    }

    fn new(endpoint: Endpoint) -> Self {
        let dialer = SharedDialer::new(endpoint.host().to_owned(), endpoint.port());
        Self { endpoint, dialer }
    }

    /// Returns the URL of a node whose name is resolved to this answer.
    #[cfg(test)]
    pub(super) fn resolved(
        host: &str,
        answer: acklog_threads::WorkHandle<io::Result<Vec<SocketAddr>>>,
    ) -> Self {
        let endpoint = format!("{host}:7").parse().unwrap();
        Self { dialer: SharedDialer::resolved(host, answer), endpoint }
    }

    /// Returns the host and the port.
    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the host and the port, as they are written in the `Host` header.
    pub(super) fn authority(&self) -> &str {
        self.endpoint.authority()
    }

    /// Connects to the node.
    ///
    /// # Errors
    /// When its name cannot be resolved, or no address answers.
    pub(super) async fn dial(&self) -> io::Result<TcpStream> {
        self.dialer.dial().await
    }

    /// Returns why the node cannot be reached, with advice if there is any.
    pub(super) fn advised(&self, error: &io::Error) -> String {
        let ip = self.endpoint.host().parse::<IpAddr>().ok();
        let mut reason = error.to_string();
        // An address that is in the URL is not repeated; those of a name are shown.
        if let Some(ip) = ip
            && let Some(rest) =
                reason.strip_prefix(&format!("{}: ", SocketAddr::new(ip, self.endpoint.port())))
        {
            reason = rest.to_owned();
        }
        let is_here = self.endpoint.host() == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        match error.kind() {
            ErrorKind::ConnectionRefused if is_here => {
                format!("{reason}; is the cluster up? `acklog up` starts one")
            }
            _ => reason,
        }
    }
}

impl FromStr for NodeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self::new)
    }
}

impl PartialEq for NodeUrl {
    fn eq(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
    }
}

impl Eq for NodeUrl {}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_on_this_machine_comes_with_advice() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        assert!(NodeUrl::local(1).advised(&refused).contains("acklog up"));
        let elsewhere: NodeUrl = "http://192.0.2.1:1".parse().unwrap();
        assert!(!elsewhere.advised(&refused).contains("acklog up"));
    }

    #[test]
    fn the_addresses_of_a_name_are_told_and_an_address_of_the_url_only_once() {
        let told = |url: &str, reason: &str| {
            url.parse::<NodeUrl>().unwrap().advised(&io::Error::other(reason.to_owned()))
        };
        assert_eq!(told("http://192.0.2.1:7", "192.0.2.1:7: gone"), "gone");
        assert_eq!(told("http://[::1]", "[::1]:80: gone"), "gone");
        assert_eq!(told("http://node:7", "192.0.2.1:7: gone"), "192.0.2.1:7: gone");
    }
}
