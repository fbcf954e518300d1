//! Where a master's secondaries serve HTTP.

use std::net::SocketAddr;

use acklog_protocol::PeerFacts;
use acklog_types::NodeName;

/// A secondary that counts, and where it serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerPlace {
    /// Its name.
    pub name: NodeName,
    /// The address that its last connection came from, with the port that it told there; none where
    /// it has not connected since the master started, or told no port.
    pub http: Option<SocketAddr>,
}

impl From<PeerFacts<'_>> for PeerPlace {
    fn from(facts: PeerFacts<'_>) -> Self {
        let address = facts.address.and_then(|address| address.parse::<SocketAddr>().ok());
        let http = address.zip(facts.http_port).map(|(mut address, port)| {
            // A socket for both families shows those of IPv4 in a form of IPv6.
            address.set_ip(address.ip().to_canonical());
            address.set_port(port);
            address
        });
        Self { name: facts.name.clone(), http }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_host_of_the_connection_with_the_port_that_was_told() {
        let name: NodeName = "bonnie".parse().unwrap();
        let place = |address: Option<&str>, http_port| {
            let http = PeerPlace::from(PeerFacts { name: &name, address, http_port }).http;
            http.map(|http| http.to_string())
        };
        let shown = |text: &str| Some(text.to_owned());
        assert_eq!(place(Some("10.0.0.7:41000"), Some(8001)), shown("10.0.0.7:8001"));
        assert_eq!(place(Some("[::1]:41000"), Some(8001)), shown("[::1]:8001"));
        assert_eq!(place(Some("[::ffff:10.0.0.7]:41000"), Some(8001)), shown("10.0.0.7:8001"));
        assert_eq!(place(Some("[fe80::1%3]:41000"), Some(8001)), shown("[fe80::1%3]:8001"));
        assert_eq!(place(Some("10.0.0.7:41000"), None), None);
        assert_eq!(place(None, None), None);
    }
}
