//! Where nodes are: the flag `--url` of the tool.

use std::fmt;
use std::io::{self, ErrorKind};
use std::str::FromStr;

use clap::Args;

/// Where a node is: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUrl {
    /// Host and port, as they stand in the `Host` header.
    authority: String,
    host: String,
    port: u16,
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
        Self { authority: format!("{host}:{port}"), host, port }
    }

    /// Host and port, as they stand in the `Host` header.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Host and port, as they are dialled.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Returns why the node cannot be reached, with advice where there is any.
    pub(super) fn advised(&self, error: &io::Error) -> String {
        let is_here = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match error.kind() {
            ErrorKind::ConnectionRefused if is_here => {
                format!("{error}; is the cluster up? `acklog up` starts one")
            }
            _ => error.to_string(),
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
        Ok(Self { authority: authority.to_string(), host, port })
    }
}

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
        assert_eq!("[::1]:80".parse::<NodeUrl>().unwrap().address(), ("::1", 80));
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
}
