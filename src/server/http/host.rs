//! Checks the host name of a request, and the origin of the web page that sent it.
//!
//! A browser sends requests for any page that it shows. Two checks keep foreign pages out. A page
//! may bind a name of its own to this node's address, and then read everything as its own: so the
//! name in `Host` must be one of the node's. A page may send a form or a plain `POST` to any
//! address without asking: so an `Origin` of another host may only read.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use acklog_types::NodeName;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use super::problem::{RequestProblem, clip};

/// The host names of a node, besides IP addresses and `localhost`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostNames {
    node: NodeName,
    allowed: Arc<[String]>,
}

/// The check of all requests of one HTTP thread. Clients keep the host that they began with, and
/// most of them use the same one: it is not parsed again for each request.
#[derive(Debug)]
pub(super) struct HostCheck {
    names: HostNames,
    /// The value of `Host` in the last request that was admitted because of it alone.
    last: RefCell<Option<HeaderValue>>,
}

/// Host and port, as in `Host`, in `Origin` or in the target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Authority<'a> {
    host: Host<'a>,
    /// Digits; empty where there are none.
    port: &'a str,
}

#[derive(Clone, Copy, Debug, Eq)]
enum Host<'a> {
    Ip(IpAddr),
    Name(&'a str),
}

/// Names do not depend on case.
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(one), Self::Ip(other)) => one == other,
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

impl HostNames {
    /// Returns the names of a node that is called `node`, and also by the names in `allowed`.
    pub fn new(node: NodeName, allowed: impl IntoIterator<Item = String>) -> Self {
        Self { node, allowed: allowed.into_iter().collect() }
    }

    fn check(&self, head: &Parts) -> Result<(), RequestProblem> {
        let asked = asked_for(head)?;
        if let Some(Authority { host: Host::Name(host), .. }) = asked
            && !self.has(host)
        {
            let name = self.node.as_str().to_owned();
            return Err(RequestProblem::WrongHost { host: clip(host), name });
        }
        if matches!(head.method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let is_foreign = |origin: &&HeaderValue| !is_own(origin, asked);
        match head.headers.get_all(ORIGIN).iter().find(is_foreign) {
            Some(origin) => {
                let origin = String::from_utf8_lossy(origin.as_bytes());
                Err(RequestProblem::WrongOrigin(clip(&origin)))
            }
            None => Ok(()),
        }
    }

    fn has(&self, host: &str) -> bool {
        let is = |name: &str| host.eq_ignore_ascii_case(name);
        is("localhost") || is(self.node.as_str()) || self.allowed.iter().any(|name| is(name))
    }
}

impl HostCheck {
    pub(super) fn new(names: HostNames) -> Self {
        Self { names, last: RefCell::new(None) }
    }

    /// Checks that a request is for this node, and that it comes from no foreign web page.
    ///
    /// # Errors
    /// [`RequestProblem::BadHost`] by RFC 9112, 3.2, [`RequestProblem::WrongHost`],
    /// [`RequestProblem::WrongOrigin`].
    pub(super) fn check(&self, head: &Parts) -> Result<(), RequestProblem> {
        let plain = plain_host(head);
        if plain.is_some() && self.last.borrow().as_ref() == plain {
            return Ok(());
        }
        self.names.check(head)?;
        if plain.is_some() {
            self.last.replace(plain.cloned());
        }
        Ok(())
    }
}

/// Returns the header `Host` where it alone decides: it is there once, the target names no host,
/// and no web page sent the request.
fn plain_host(head: &Parts) -> Option<&HeaderValue> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next()?;
    let is_plain = hosts.next().is_none()
        && head.uri.authority().is_none()
        && !head.headers.contains_key(ORIGIN);
    is_plain.then_some(host)
}

/// Returns the host to which the request is addressed; none where an HTTP/1.0 request names none.
fn asked_for(head: &Parts) -> Result<Option<Authority<'_>>, RequestProblem> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => {
            return Err(RequestProblem::BadHost("the header Host is given more than once"));
        }
        (None, _) if head.version >= Version::HTTP_11 => {
            return Err(RequestProblem::BadHost("the header Host is missing"));
        }
        (None, _) => None,
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(Authority::parse);
            Some(host.ok_or(RequestProblem::BadHost("the header Host is no host with a port"))?)
        }
    };
    // The target of a request to a proxy has the host; it counts, and the header does not.
    match head.uri.authority() {
        Some(authority) => Authority::parse(authority.as_str())
            .map(Some)
            .ok_or(RequestProblem::BadHost("the target of the request has no host with a port")),
        None => Ok(host),
    }
}

/// Returns whether a page of this origin was served by the host of the request.
fn is_own(origin: &HeaderValue, asked: Option<Authority<'_>>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let Some(((scheme, authority), asked)) = origin.zip(asked) else { return false };
    let default_port = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let port = |port| if port == default_port { "" } else { port };
    Authority::parse(authority)
        .is_some_and(|origin| origin.host == asked.host && port(origin.port) == port(asked.port))
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:` or `host:port`, by RFC 3986, 3.2; none for anything else.
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            // A zone has a meaning on the client's machine only.
            let address = address.split_once('%').map_or(address, |(address, _zone)| address);
            let address = address.parse::<Ipv6Addr>().ok()?;
            let port = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
            return is_port(port).then_some(Self { host: Host::Ip(address.into()), port });
        }
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        if !is_port(port) {
            return None;
        }
        match host.parse::<Ipv4Addr>() {
            Ok(address) => Some(Self { host: Host::Ip(address.into()), port }),
            Err(_) => is_name(host).then_some(Self { host: Host::Name(host), port }),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a text is a registered name by RFC 3986, 3.2.2, which may be empty.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
