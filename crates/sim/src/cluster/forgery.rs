//! A secondary that breaks the protocol: it sends frames that no correct node sends, or not at that
//! time.

use std::time::Duration;

use acklog_protocol::frame::{ErrorCode, Frame, Handshake, Request, Response};
use acklog_types::{InstanceId, LogEnd, NodeName, Records, RequestId};
use rand::RngExt;

use super::Cluster;
use super::network::payload_of;
use crate::event::ScheduledEvent;
use crate::line::SimLine;
use crate::link::SimLink;

/// Name of the secondary whose frames are drawn. What it reports is not true, and is not judged.
const STRAY: &str = "stray";

/// Most frames of one stray connection.
const FRAMES_MAX: u64 = 30;

impl Cluster {
    /// Returns the name of the peer whose frames are drawn.
    pub fn stray() -> NodeName {
        STRAY.parse().expect("a name")
    }

    /// Lets a peer whose frames are drawn dial the master, and send them.
    pub fn dial_stray(&mut self) {
        let (link, life) = (self.link_numbers.next(), self.life(None));
        let peer = Self::stray();
        self.positions.add_liar(peer.clone());
        let (master_open, secondary_open) = (true, false);
        let (last_to_master, last_to_secondary) = (self.now, self.now);
        let lives = (life, self.life(Some(&peer)));
        let link_state = SimLink {
            peer,
            lives,
            master_open,
            secondary_open,
            last_to_master,
            last_to_secondary,
            to_master: SimLine::default(),
            to_secondary: SimLine::default(),
            is_faithful: false,
        };
        self.links.insert(link, link_state);
        self.note(&format!("a stray peer dials, as connection {link}"));
        self.schedule(Duration::ZERO, ScheduledEvent::Accepted { link });
        for at in 1..=self.rng.random_range(1..=FRAMES_MAX) {
            let frame = if at == 1 && self.rng.random_bool(0.8) {
                Frame::Request(RequestId::new(0), Request::from(self.some_handshake()))
            } else {
                self.some_frame_of_a_secondary()
            };
            self.deliver(link, Duration::from_millis(at), &frame);
        }
        let end = Duration::from_millis(self.rng.random_range(1..10_000));
        self.schedule(end, ScheduledEvent::Down { link, at_master: true });
    }

    fn deliver(&mut self, link: u64, delay: Duration, frame: &Frame<Records>) {
        let (kind, bytes) = (frame.kind(), payload_of(frame));
        self.schedule(delay, ScheduledEvent::Arrive { link, at_master: true, kind, bytes });
    }

    /// Draws a position, mostly one that exists.
    fn some_end(&mut self) -> LogEnd {
        let end = self.master.as_ref().map_or(0, |node| node.log.reader.durable_end().get());
        LogEnd::new(self.rng.random_range(0..=end + 2))
    }

    fn some_request(&mut self) -> RequestId {
        RequestId::new(self.rng.random_range(0..20))
    }

    fn some_handshake(&mut self) -> Handshake {
        let log = self.master.as_ref().map(|node| node.machine.get_ref().log_id());
        let end = self.master.as_ref().map(|node| node.log.reader.durable_end());
        let (is_empty, end) = (self.rng.random_bool(0.7), end.unwrap_or_default());
        let instance = InstanceId::new(self.rng.random());
        Handshake {
            log: log.filter(|_| self.rng.random_bool(0.9)),
            // A position beyond the master's end would make it read-only. Other tests have that.
            end: if is_empty { LogEnd::ZERO } else { self.some_end().min(end) },
            ..Handshake::new(Self::stray(), instance)
        }
    }

    fn some_frame_of_a_secondary(&mut self) -> Frame<Records> {
        let (id, end) = (self.some_request(), self.some_end());
        match self.rng.random_range(0..8) {
            0 => Frame::Request(id, Request::from(self.some_handshake())),
            1 | 2 => {
                Frame::Request(id, Request::GetMessages { from: end, again: self.rng.random() })
            }
            3 | 4 => Frame::Request(id, Request::SecondaryNodeReady { end }),
            5 => Frame::Response(id, Response::Added { contiguous_end: end }),
            6 => Frame::Response(id, Response::Alive),
            _ => self.some_failure(id),
        }
    }

    fn some_failure(&mut self, id: RequestId) -> Frame<Records> {
        let code = if self.rng.random() { ErrorCode::Internal } else { ErrorCode::NoRoom };
        Frame::Response(id, Response::Failed { code, detail: "drawn".to_owned() })
    }
}
