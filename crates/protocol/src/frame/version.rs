//! Versions of the protocol, and what a handshake settles for all frames of its connection.

use std::fmt;

use acklog_types::Epoch;

use super::{Frame, Request};

/// A version of the protocol. Any change of a frame's bytes or meaning makes a new one. The
/// handshake settles the version of a connection.
///
/// A secondary speaks the present version only. A master also speaks the one before, so that
/// secondaries are upgraded after their master, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtocolVersion {
    /// The version before: no checksum over lengths and heads, no positions but the log end.
    V3,
    /// The present version.
    V4,
}

impl ProtocolVersion {
    /// The present version.
    pub const PRESENT: Self = Self::V4;

    /// Returns the version of this number, if a master speaks it.
    pub const fn spoken(number: u16) -> Option<Self> {
        match number {
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            _ => None,
        }
    }

    /// Returns the version's number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// Returns the version that answers a frame, where the frame is a handshake: its own, or else
    /// the spoken one that is next to it.
    pub fn answering<R>(frame: &Frame<R>) -> Option<Self> {
        match frame {
            Frame::Request(_, Request::Handshake(handshake)) => Some(handshake.version),
            Frame::Request(_, Request::HandshakeOfVersion(version)) => {
                Some(if *version < Self::V3.number() { Self::V3 } else { Self::PRESENT })
            }
            _ => None,
        }
    }
}

/// The terms of a connection, which are settled by the handshake and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionTerms {
    /// The version of all frames.
    pub version: ProtocolVersion,
    /// The epoch of all frames but the handshake: the master's, when it admitted the secondary.
    pub epoch: Epoch,
}

impl Default for ConnectionTerms {
    /// Returns the terms as long as nothing is settled.
    fn default() -> Self {
        Self { version: ProtocolVersion::PRESENT, epoch: Epoch::FIRST }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}
