//! The address of a node, and how it is dialed.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time that connecting to an [`Endpoint`] may take. Shorter: nodes behind slow lines are not
/// reached. Longer: a client of several nodes is slower to try the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a node: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port, as they stand in the `Host` header.
    authority: String,
    host: String,
    port: u16,
}

/// Connects to a node. [`Endpoint`] does it with the system's resolver.
pub trait Dial: Clone + Send + Sync + 'static {
    /// Returns where the node is.
    fn endpoint(&self) -> &Endpoint;

    /// Connects to the node.
    ///
    /// # Errors
    /// When its name cannot be resolved, or no address answers in time.
    fn dial(&self) -> impl Future<Output = io::Result<TcpStream>> + Send;

    /// Returns why the node cannot be reached, for people.
    fn reason(&self, error: &io::Error) -> String {
        error.to_string()
    }
}

impl Endpoint {
    /// Returns the endpoint of a node on this machine.
    pub fn local(port: u16) -> Self {
        let host = "127.0.0.1".to_owned();
        Self { authority: format!("{host}:{port}"), host, port }
    }

    /// Returns the host and the port, as they stand in the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Dial for Endpoint {
    fn endpoint(&self) -> &Endpoint {
        self
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| {
            let text = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "it must be like http://127.0.0.1:8000 or localhost:8000".to_owned();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        match scheme {
            "" | "http" => {}
            "https" => return Err("there is no TLS: write http://".to_owned()),
            _ => return Err(form()),
        }
        // Users copy the whole address of what they look at.
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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_port() {
        let url: Endpoint = "http://[::1]:8000/".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 8000));
        assert_eq!(url.to_string(), "http://[::1]:8000");
        assert_eq!("http://node".parse::<Endpoint>().unwrap().port(), 80);
        let same = ["localhost:8000", "http://localhost:8000/newMessage", "localhost:8000/a?b#c"];
        for same in same {
            assert_eq!(same.parse::<Endpoint>().unwrap().to_string(), "http://localhost:8000");
        }
        let url: Endpoint = "[::1]:80".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 80));
        for bad in ["", "node", "ftp://a:1", "http://u@a", "a b:1", "a:", "::1", "http://", "a:x"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad:?}");
        }
        let error = "https://a:1".parse::<Endpoint>().unwrap_err();
        assert_eq!(error, "there is no TLS: write http://");
    }
}
