//! Where nodes are: the flag `--url` of the tool.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use tokio::net::TcpStream;

use crate::server::net::SharedDialer;

/// Where a node is: `http://host:port`. Clones resolve a host name together.
#[derive(Clone, Debug)]
pub struct NodeUrl {
    /// Host and port, as they stand in the `Host` header.
    authority: String,
    host: String,
    port: u16,
    dialer: SharedDialer,
}

/// The nodes that a command asks.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// URLs of nodes, one each time or with commas; status asks all, other commands the first that takes the request
    #[arg(long = "url", env = "ACKLOG_URL", value_name = "URL", value_delimiter = ',')]
    #[arg(default_value = "http://127.0.0.1:8000")]
    pub(super) urls: Vec<NodeUrl>,
}

impl NodeUrl {
    /// Returns the URL of a node on this machine.
    pub(super) fn local(port: u16) -> Self {
        let host = "127.0.0.1".to_owned();
        Self::new(format!("{host}:{port}"), host, port)
    }

    fn new(authority: String, host: String, port: u16) -> Self {
        let dialer = SharedDialer::new(host.clone(), port);
        Self { authority, host, port, dialer }
    }

    /// Returns the URL of a node whose name is resolved with this answer.
    #[cfg(test)]
    pub(super) fn resolved(
        host: &str,
        answer: acklog_threads::WorkHandle<io::Result<Vec<SocketAddr>>>,
    ) -> Self {
        let dialer = SharedDialer::resolved(host, answer);
        Self { dialer, ..Self::new(format!("{host}:7"), host.to_owned(), 7) }
    }

    /// Host and port, as they stand in the `Host` header.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Connects to the node.
    ///
    /// # Errors
    /// When its name cannot be resolved, or no address answers.
    pub(super) async fn dial(&self) -> io::Result<TcpStream> {
        self.dialer.dial().await
    }

    /// Returns why the node cannot be reached, with advice where there is any.
    pub(super) fn advised(&self, error: &io::Error) -> String {
        let ip = self.host.parse::<IpAddr>().ok();
        let mut reason = error.to_string();
        // An address that stands in the URL need not be told again; those of a name are.
        if let Some(ip) = ip
            && let Some(rest) =
                reason.strip_prefix(&format!("{}: ", SocketAddr::new(ip, self.port)))
        {
            reason = rest.to_owned();
        }
        let is_here = self.host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
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
        let form = || "it must be like http://127.0.0.1:8000 or localhost:8000".to_owned();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        match scheme {
            "" | "http" => {}
            "https" => return Err("there is no TLS: write http://".to_owned()),
            _ => return Err(form()),
        }
        // People copy the whole address of what they look at.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let uri: hyper::Uri = format!("http://{authority}/").parse().map_err(|_| form())?;
        let authority = uri.authority().ok_or_else(form)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(form());
        }
        // An IPv6 address stands in brackets in a URL only.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => return Err(form()),
            None if scheme.is_empty() => {
                return Err(format!("name the port, too: {text}:8000"));
            }
            None => 80,
        };
        Ok(Self::new(authority.to_string(), host, port))
    }
}

impl PartialEq for NodeUrl {
    fn eq(&self, other: &Self) -> bool {
        self.authority == other.authority
    }
}

impl Eq for NodeUrl {}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_port() {
        let url: NodeUrl = "http://[::1]:8000/".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 8000));
        assert_eq!(url.to_string(), "http://[::1]:8000");
        assert_eq!("http://node".parse::<NodeUrl>().unwrap().port, 80);
        let same = ["localhost:8000", "http://localhost:8000/newMessage", "localhost:8000/a?b#c"];
        for same in same {
            assert_eq!(same.parse::<NodeUrl>().unwrap().to_string(), "http://localhost:8000");
        }
        let url: NodeUrl = "[::1]:80".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 80));
        for bad in ["", "node", "ftp://a:1", "http://u@a", "a b:1", "a:", "::1", "http://", "a:x"] {
            assert!(bad.parse::<NodeUrl>().is_err(), "{bad:?}");
        }
        let error = "https://a:1".parse::<NodeUrl>().unwrap_err();
        assert_eq!(error, "there is no TLS: write http://");
    }

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
