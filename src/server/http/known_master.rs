//! The master, as a secondary names it to clients.

use std::fmt;

use crate::server::node::SecondaryHandle;

/// A secondary's knowledge of where clients reach its master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownMaster {
    /// Its name, where a handshake has told it.
    pub(super) name: Option<String>,
    /// The address at which it listens for secondaries, as `host:port`.
    pub(super) address: String,
    /// The URL at which it serves HTTP, where a handshake has told its port.
    pub(super) url: Option<String>,
}

impl KnownMaster {
    /// Returns what a secondary knows of its master: at least the address that it dials.
    pub(super) async fn of(secondary: &SecondaryHandle) -> Self {
        // Best effort: without an answer of the core task, the address must do.
        let (name, http_port) = match secondary.health().await {
            Ok(health) => (health.master, health.master_http_port),
            Err(_) => (None, None),
        };
        let address = secondary.master_address();
        Self {
            name: name.map(|name| name.to_string()),
            address: address.to_string(),
            url: http_port.map(|port| address.http_url(port)),
        }
    }
}

impl fmt::Display for KnownMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP port of its master")?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        match (&self.url, &self.address) {
            (Some(url), _) => write!(f, ": {url}"),
            (None, address) => {
                write!(f, ". This node knows only the master's port for secondaries: {address}")
            }
        }
    }
}
