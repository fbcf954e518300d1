//! Connections and the frames on them: dialed, sent, lost, delayed, duplicated, and closed.

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_protocol::frame::{
    ConnectionTerms, Frame, FrameKind, Handshake, ProtocolVersion, Request,
};
use acklog_protocol::{FrameStage, LineView, frame};
use acklog_types::{NodeName, Records, SessionId};
use bytes::{Bytes, BytesMut};
use rand::RngExt;

use super::Cluster;
use crate::event::ScheduledEvent;
use crate::line::{FrameSubject, PART, SimLine, time_on_line};
use crate::link::{Rule, RuleAction, SimLink, describe};

impl Cluster {
    /// Dials the master from a secondary.
    pub(super) fn dial(&mut self, name: &NodeName) {
        let (delay, life) = (self.network.delay(&mut self.rng), self.life(Some(name)));
        let secondary = name.clone();
        if self.partitioned.contains(name) || self.master.is_none() {
            let event = ScheduledEvent::Dialed { secondary, life, link: None };
            return self.schedule(Duration::from_secs(1), event);
        }
        let link = self.link_numbers.next();
        let state = SimLink {
            peer: name.clone(),
            lives: (self.life(None), life),
            master_open: true,
            secondary_open: true,
            last_to_master: self.now + delay,
            last_to_secondary: self.now + delay,
            to_master: SimLine::default(),
            to_secondary: SimLine::default(),
            is_faithful: !self.has_faults(None) && !self.has_faults(Some(name)),
        };
        self.links.insert(link, state);
        self.schedule(delay, ScheduledEvent::Accepted { link });
        self.schedule(delay, ScheduledEvent::Dialed { secondary, life, link: Some(link) });
    }

    /// Closes a link at one end. The other end notices after all frames that are under way.
    pub(super) fn hang_up(&mut self, number: u64, by_master: bool) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let last = if by_master {
            link.master_open = false;
            link.last_to_secondary
        } else {
            link.secondary_open = false;
            link.last_to_master
        };
        if self.partitioned.contains(&link.peer) {
            return;
        }
        let delay = self.network.delay(&mut self.rng).max(last.saturating_sub(self.now));
        self.schedule(delay, ScheduledEvent::Down { link: number, at_master: !by_master });
    }

    /// Sends a frame, as the network and the rules treat it.
    pub(super) fn transmit(&mut self, number: u64, from_master: bool, frame: &Frame<Records>) {
        let Some(link) = self.links.get(&number) else { return };
        let (peer, kind) = (link.peer.clone(), frame.kind());
        let (bytes, length) = (payload_of(frame), length_on_line(frame));
        let rule = self.take_rule(&peer, kind);
        let lost = self.partitioned.contains(&peer)
            || matches!(rule, Some(RuleAction::Drop))
            || self.rng.random_bool(self.network.drop_rate);
        let twice = matches!(rule, Some(RuleAction::Duplicate))
            || self.rng.random_bool(self.network.duplicate_rate);
        // Heartbeats would hide what a trace is read for.
        if !matches!(kind, FrameKind::Heartbeat | FrameKind::Alive) {
            let rate = self.network.bytes_per_second;
            let fate = if rate.is_some_and(|rate| time_on_line(length, rate) > PART) {
                " (slowly)"
            } else if lost {
                " (lost)"
            } else if twice {
                " (twice)"
            } else {
                ""
            };
            let (from, to) =
                if from_master { ("master", peer.as_str()) } else { (peer.as_str(), "master") };
            self.note(&format!("{from} -> {to}: {}{fate}", describe(frame)));
        }
        if let Some(link) = self.links.get_mut(&number).filter(|_| lost || twice || rule.is_some())
        {
            link.is_faithful = false;
        }
        if lost {
            return self.tell_fate(&peer, from_master, frame, FrameStage::Dropped);
        }
        if twice {
            self.tell_fate(&peer, from_master, frame, FrameStage::Doubled);
        }
        for copy in 0..=usize::from(twice) {
            let subject = FrameSubject::of(frame).filter(|_| copy == 0);
            let sent = self.pass(number, from_master, length, subject);
            let mut at = sent
                + match rule {
                    Some(RuleAction::Delay(delay)) => delay,
                    _ => self.network.delay(&mut self.rng),
                };
            if !self.network.reorder && !matches!(rule, Some(RuleAction::Delay(_))) {
                let Some(link) = self.links.get_mut(&number) else { return };
                let last = if from_master {
                    &mut link.last_to_secondary
                } else {
                    &mut link.last_to_master
                };
                at = at.max(*last);
                *last = at;
            }
            let event = ScheduledEvent::Arrive {
                link: number,
                at_master: !from_master,
                kind,
                bytes: bytes.clone(),
            };
            self.schedule(at.saturating_sub(self.now), event);
        }
    }

    /// Puts a frame on the line of a connection. Its receiver sees each part. Returns when the last
    /// byte is transferred.
    fn pass(
        &mut self,
        number: u64,
        from_master: bool,
        bytes: usize,
        subject: Option<FrameSubject>,
    ) -> Duration {
        let (now, rate) = (self.now, self.network.bytes_per_second);
        let Some(link) = self.links.get_mut(&number) else { return now };
        if let Some(FrameSubject::Request(_, run)) = subject
            && link.is_faithful
        {
            let is_again = link.line(from_master).carries(now, run);
            assert!(!is_again, "messages {run} are sent again while they are under way");
        }
        let line = if from_master { &mut link.to_secondary } else { &mut link.to_master };
        let (begin, end) = line.send(now, bytes, rate, subject);
        let mut part = begin + PART;
        while part < end {
            let event = ScheduledEvent::Part { link: number, at_master: !from_master };
            self.schedule(part.saturating_sub(now), event);
            part += PART;
        }
        end
    }

    /// Returns the progress of a node's frames (`None`: the master's).
    pub(super) fn view_of(
        links: &BTreeMap<u64, SimLink>,
        now: Duration,
        session: SessionId,
        is_master: bool,
    ) -> LineView {
        let link = links.get(&session.get());
        link.map_or_else(LineView::default, |link| link.line(is_master).look(now))
    }

    fn take_rule(&mut self, peer: &NodeName, kind: FrameKind) -> Option<RuleAction> {
        let holds = |rule: &Rule| rule.peer == *peer && rule.kind == format!("{kind:?}");
        let at = self.rules.iter().position(holds)?;
        let rule = self.rules.get_mut(at)?;
        let action = rule.action;
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            self.rules.remove(at);
        }
        Some(action)
    }
}

/// Returns the bytes of a frame as its receiver decodes them: without the length.
pub(super) fn payload_of(frame: &Frame<Records>) -> Bytes {
    let encoded = frame::encode(frame);
    let mut bytes = BytesMut::from(encoded.head.get(4..).unwrap_or_default());
    bytes.extend_from_slice(&encoded.records);
    bytes.freeze()
}

/// Returns how many bytes of a frame take time on a slow line: as many as it had in version 3 of
/// the protocol. So a seed gives the same schedule, and a transcript the same times, whatever a
/// version adds to the heads of frames.
fn length_on_line(frame: &Frame<Records>) -> usize {
    let version = ProtocolVersion::V3;
    let terms = ConnectionTerms { version, ..ConnectionTerms::default() };
    let encoded = match frame {
        Frame::Request(id, Request::Handshake(handshake)) => {
            let handshake = Handshake { version, ..(**handshake).clone() };
            frame::encode_as(&Frame::Request(*id, handshake.into()), terms)
        }
        frame => frame::encode_as(frame, terms),
    };
    encoded.bytes().saturating_sub(4)
}
