//! The simulated network: connections, and what happens to frames on them.

use std::time::Duration;

use acklog_protocol::frame::{Frame, Request, Response};
use acklog_types::{NodeName, Records};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::line::SimLine;

/// Behaviour of the network for every frame. The shares are between 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct NetworkConditions {
    /// Shortest one-way delay.
    pub delay_min: Duration,
    /// Longest one-way delay.
    pub delay_max: Duration,
    /// Whether frames of one connection may overtake each other.
    pub reorder: bool,
    /// Share of the frames that never arrive.
    pub drop_rate: f64,
    /// Share of the frames that arrive twice.
    pub duplicate_rate: f64,
    /// Bandwidth of each direction of a connection in bytes per second; none: unlimited.
    pub bytes_per_second: Option<u64>,
}

impl Default for NetworkConditions {
    /// Returns a network without losses and with a delay of 1 ms.
    fn default() -> Self {
        let millisecond = Duration::from_millis(1);
        Self {
            delay_min: millisecond,
            delay_max: millisecond,
            reorder: false,
            drop_rate: 0.0,
            duplicate_rate: 0.0,
            bytes_per_second: None,
        }
    }
}

impl NetworkConditions {
    /// Draws a delay.
    pub(super) fn delay(&self, rng: &mut ChaCha8Rng) -> Duration {
        let micros = self.delay_min.as_micros() as u64..=self.delay_max.as_micros() as u64;
        Duration::from_micros(rng.random_range(micros))
    }
}

/// A rule for the next frames of one kind between one secondary and the master, on top of the
/// network.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The secondary.
    pub peer: NodeName,
    /// Kind of the frames, as `docs/PROTOCOL.md` names it.
    pub kind: String,
    /// Number of frames for which the rule holds.
    pub times: usize,
    /// Effect on each of them.
    pub action: RuleAction,
}

/// Effect of a [`Rule`].
#[derive(Clone, Copy, Debug)]
pub enum RuleAction {
    /// The frame never arrives.
    Drop,
    /// The frame arrives twice.
    Duplicate,
    /// The frame takes this long.
    Delay(Duration),
}

/// A connection between a secondary and the master. Both ends name their session by its number.
#[derive(Debug)]
pub(super) struct SimLink {
    pub(super) peer: NodeName,
    /// Starts of the master and of the secondary for which it was opened: after another start a
    /// node never had the connection.
    pub(super) lives: (u64, u64),
    /// Whether each end still holds the connection open.
    pub(super) master_open: bool,
    pub(super) secondary_open: bool,
    /// Time at which the last frame in each direction arrives: on a network that keeps order later
    /// ones do not overtake it.
    pub(super) last_to_master: Duration,
    pub(super) last_to_secondary: Duration,
    /// Frames under way in each direction.
    pub(super) to_master: SimLine,
    pub(super) to_secondary: SimLine,
    /// Whether each frame was sent at once, arrived once, and its response was true.
    pub(super) is_faithful: bool,
}

impl SimLink {
    /// Returns whether one end still holds the connection open.
    pub(super) fn is_open(&self, at_master: bool) -> bool {
        if at_master { self.master_open } else { self.secondary_open }
    }

    /// Closes the connection at one end.
    pub(super) fn end_at(&mut self, at_master: bool) {
        let open = if at_master { &mut self.master_open } else { &mut self.secondary_open };
        *open = false;
    }

    /// Returns the direction in which one end sends.
    pub(super) fn line(&self, from_master: bool) -> &SimLine {
        if from_master { &self.to_secondary } else { &self.to_master }
    }
}

/// Describes a frame for a transcript.
pub(super) fn describe(frame: &Frame<Records>) -> String {
    let kind = frame.kind();
    let facts = match frame {
        Frame::Request(_, request) => match request {
            Request::Handshake(handshake) => format!(" end={}", handshake.end),
            Request::HandshakeOfVersion(version) => format!(" version={version}"),
            Request::GetMessages { from, again } => {
                format!(" from={from}{}", if *again { " again" } else { "" })
            }
            Request::SecondaryNodeReady { end } => format!(" end={end}"),
            Request::AddMessage { run, .. } => format!(" id={}", run.range()),
            Request::Heartbeat { log_end, .. } => format!(" log_end={log_end}"),
        },
        Frame::Response(_, response) => match response {
            Response::Welcome(welcome) => format!(" log_end={}", welcome.log_end),
            Response::Refused { code, .. } => format!(" {code:?}"),
            Response::Page { run, log_end, .. } => {
                format!(" id={} log_end={log_end}", run.range())
            }
            Response::Added { contiguous_end } => format!(" contiguous_end={contiguous_end}"),
            Response::Failed { code, .. } => format!(" {code:?}"),
            Response::ReadyNoted | Response::Alive => String::new(),
        },
    };
    format!("{kind:?}#{}{facts}", frame.request())
}
