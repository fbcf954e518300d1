//! The facts of a peer that are only shown: nothing is decided by them but what it is called.

use std::time::{Duration, Instant};

use acklog_types::NodeName;

use super::Peer;
use crate::master::peers::connection::PeerConnection;
use crate::status::MemberPhase;

impl Peer {
    pub(in crate::master) fn name(&self) -> &NodeName {
        &self.name
    }

    /// Returns how far it is in joining.
    pub(in crate::master) fn phase(&self) -> MemberPhase {
        match &self.connection {
            None => MemberPhase::Disconnected,
            Some(connection) if connection.is_ready() => MemberPhase::Ready,
            Some(_) => MemberPhase::CatchingUp,
        }
    }

    /// Returns where the connection comes from.
    pub(in crate::master) fn address(&self) -> Option<&str> {
        self.connection.as_ref().map(PeerConnection::address)
    }

    /// Returns where the connection comes from, or the last one came from.
    pub(in crate::master) fn last_address(&self) -> Option<&str> {
        self.last_address.as_deref()
    }

    /// Returns the port at which it serves HTTP, as it told on that connection.
    pub(in crate::master) fn http_port(&self) -> Option<u16> {
        self.http_port
    }

    /// Returns the round-trip time of the last heartbeat, while there is a connection.
    pub(in crate::master) fn rtt(&self) -> Option<Duration> {
        self.rtt.filter(|_| self.connection.is_some())
    }

    /// Returns when it was last heard from.
    pub(in crate::master) fn last_seen(&self) -> Option<Instant> {
        self.last_seen
    }
}
