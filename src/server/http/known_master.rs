//! The master, as a secondary names it to clients.

use std::fmt;

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
