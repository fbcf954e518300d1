//! Log lines of the protocol: the one place that turns protocol events into text.
//!
//! Each line has the target of the machine that emitted the event, by which filters name it, or the
//! target of all lines about messages. What the filter lets through decides which events the
//! machine emits at all.

mod connection;
mod frame;
mod message;
mod node;

use acklog_protocol::{Detail, Event};
use acklog_types::MESSAGE_TARGET;
use tracing::{Level, enabled};

/// Target of a master's lines.
const MASTER: &str = "acklog_protocol::master";

/// Target of a secondary's lines.
const SECONDARY: &str = "acklog_protocol::secondary";

/// Target of lines about injected faults.
const FAULTS: &str = "acklog_protocol::faults";

/// Writes a line under the target of the node's role.
macro_rules! line {
    ($role:expr, $level:ident, $($line:tt)+) => {
        match $role {
            $crate::server::node::protocol_log::LogRole::Master => tracing::event!(
                target: $crate::server::node::protocol_log::MASTER,
                tracing::Level::$level,
                $($line)+
            ),
            $crate::server::node::protocol_log::LogRole::Secondary => tracing::event!(
                target: $crate::server::node::protocol_log::SECONDARY,
                tracing::Level::$level,
                $($line)+
            ),
        }
    };
}

use line;

/// The role of the node whose lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogRole {
    /// It gives messages their ids.
    Master,
    /// It copies the master's log.
    Secondary,
}

impl LogRole {
    /// Returns which events have lines that the log's filter lets through. The filter never changes
    /// in a process.
    pub(super) fn detail(self) -> Detail {
        let levels = match self {
            Self::Master => {
                (enabled!(target: MASTER, Level::TRACE), enabled!(target: MASTER, Level::DEBUG))
            }
            Self::Secondary => (
                enabled!(target: SECONDARY, Level::TRACE),
                enabled!(target: SECONDARY, Level::DEBUG),
            ),
        };
        match levels {
            (true, _) => Detail::Heartbeats,
            (false, true) => Detail::Frames,
            _ if enabled!(target: FAULTS, Level::DEBUG) => Detail::Frames,
            _ if enabled!(target: MESSAGE_TARGET, Level::DEBUG) => Detail::Messages,
            _ => Detail::Changes,
        }
    }

    /// Writes the line of an event, if it has one.
    pub(super) fn write(self, event: &Event) {
        match event {
            Event::Message(event) => message::write(event),
            Event::Frame(event) => frame::write(self, event),
            Event::Connection(event) => connection::write(self, event),
            Event::Node(event) => node::write(self, event),
        }
    }
}

#[cfg(test)]
mod tests;
