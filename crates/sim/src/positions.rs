//! The positions that secondaries acked to the master, derived a second time: from the frames that
//! the master received, not from its own state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acklog_protocol::frame::{Frame, Request, Response};
use acklog_protocol::{MasterHealth, MemberHealth, Status};
use acklog_types::{InstanceId, LogEnd, NodeName, Records};

/// Heartbeat intervals without contact after which a secondary is suspected, and unhealthy.
const SUSPECTED_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 5;

/// Positions that secondaries reported to the master, by connection and by name.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// Position in the handshake of each connection, and the highest position reported behind it.
    introduced: BTreeMap<u64, LogEnd>,
    reported: BTreeMap<u64, LogEnd>,
    /// Name and instance in the handshake of each connection, and by name the last connection that
    /// became ready.
    names: BTreeMap<u64, (NodeName, InstanceId)>,
    ready: BTreeMap<NodeName, u64>,
    /// Time of the last contact on each connection.
    last_contact: BTreeMap<u64, Duration>,
    /// Time at which the master last saw that a part of a frame to the secondary was taken. If more
    /// was taken than at the look before, that is a sign of life.
    busy: BTreeMap<u64, Duration>,
    /// Newest connection that the master admitted for each name, and the position that counts.
    counts: BTreeMap<NodeName, (u64, Option<LogEnd>)>,
    /// Names whose frames are drawn at random: what they report is not true.
    liars: BTreeSet<NodeName>,
    /// Time at which the master last stalled. Liveness before it cannot be judged.
    stalled_at: Option<Duration>,
}

impl Positions {
    /// Forgets all positions, since a new master starts.
    pub(super) fn master_started(&mut self) {
        *self = Self { liars: std::mem::take(&mut self.liars), ..Self::default() };
    }

    /// Excludes what comes under this name from judgement.
    pub(super) fn add_liar(&mut self, name: NodeName) {
        self.liars.insert(name);
    }

    /// Returns whether what comes under this name is excluded from judgement.
    pub(super) fn is_liar(&self, name: &NodeName) -> bool {
        self.liars.contains(name)
    }

    /// As [`Self::is_liar`], for a name in a response.
    pub(super) fn is_named_liar(&self, name: &str) -> bool {
        self.liars.iter().any(|liar| liar.as_str() == name)
    }

    /// Notes that the master is stalled, or continues just now.
    pub(super) fn note_stall(&mut self, now: Duration) {
        self.stalled_at = Some(now);
    }

    /// Returns whether the master was stalled at some time after `since`.
    pub(super) fn stalled_since(&self, since: Duration) -> bool {
        self.stalled_at.is_some_and(|stalled_at| stalled_at >= since)
    }

    /// Notes that a part of a frame to the secondary was taken.
    pub(super) fn note_busy(&mut self, now: Duration, link: u64) {
        self.busy.insert(link, now);
    }

    /// Notes that the master received a part of a frame on a connection.
    pub(super) fn note_contact(&mut self, now: Duration, link: u64) {
        self.last_contact.insert(link, now);
    }

    /// Notes that the master received a frame on a connection.
    pub(super) fn note_frame(&mut self, now: Duration, link: u64, frame: &Frame<Records>) {
        self.last_contact.insert(link, now);
        match frame {
            Frame::Request(_, Request::Handshake(handshake)) => {
                self.names.insert(link, (handshake.name.clone(), handshake.instance));
                self.introduced.entry(link).or_insert(handshake.end);
                return;
            }
            Frame::Request(_, Request::SecondaryNodeReady { .. }) => {
                let name = self.names.get(&link).map(|(name, _)| name.clone());
                self.ready.extend(name.map(|name| (name, link)));
            }
            _ => {}
        }
        let Some(end) = reported_by(frame) else { return };
        let before = self.reported.entry(link).or_default();
        *before = end.max(*before);
    }

    /// Notes that the log of a secondary was compared: if its connection is admitted, its last
    /// contact is now.
    pub(super) fn note_compared(&mut self, now: Duration, link: u64) {
        self.last_contact.insert(link, now);
    }

    /// Assigns connections to names, by the rows of the master's health. A new connection replaces
    /// the position of an earlier one: at once if its own is lower, with its first request if it is
    /// higher. A connection that is gone leaves its position.
    pub(super) fn look_at(&mut self, health: &MasterHealth) {
        self.counts.retain(|name, _| health.secondaries.iter().any(|row| row.name == *name));
        for row in &health.secondaries {
            // A member may be persisted after the connection that brought its name is gone.
            let is_new = !self.counts.contains_key(&row.name);
            let brought = || self.ready.get(&row.name).copied().filter(|_| is_new);
            let before = || self.counts.get(&row.name).map(|&(link, _)| link);
            let Some(link) = link_of(row).or_else(brought).or_else(before) else { continue };
            // After a stall the master admits at once all that waited, one in place of the other.
            // Which of them counted in between is not seen here, so the master's own value is
            // taken.
            if let Some(end) = row.acked_end.filter(|_| self.stalled_at.is_some()) {
                self.reported.insert(link, end);
            }
            // The connection that brought a new name may have been replaced before the name was
            // persisted.
            let of_ready = || self.reported.get(self.ready.get(&row.name)?).copied();
            let counted = match self.counts.get(&row.name) {
                Some(&(_, counted)) => counted,
                None => of_ready(),
            };
            let lowered = || Some(counted?.min(*self.introduced.get(&link)?));
            let reported = self.reported.get(&link).copied().or_else(lowered);
            self.counts.insert(row.name.clone(), (link, reported));
        }
    }

    /// Returns the position that counts for a name; none if none was reported since the master
    /// started.
    pub(super) fn of(&self, name: &NodeName) -> Option<LogEnd> {
        self.counts.get(name).and_then(|&(_, reported)| reported)
    }

    /// Returns the number of secondaries that reported `end` or more, without the liars.
    pub(super) fn at_least(&self, end: LogEnd) -> usize {
        let counts = |(name, (_, reported)): &(&NodeName, &(u64, Option<LogEnd>))| {
            reported.is_some_and(|reported| end <= reported) && !self.is_liar(name)
        };
        self.counts.iter().filter(counts).count()
    }

    /// Returns whether a connection may be replaced by another one of its name: by one of the same
    /// instance, or after so long without contact that it is unhealthy.
    pub(super) fn may_be_replaced(&self, now: Duration, interval: Duration, link: u64) -> bool {
        let process = |link| self.names.get(&link).map(|(_, instance)| *instance);
        let name = self.names.get(&link).map(|(name, _)| name);
        let newer = name.and_then(|name| self.counts.get(name)).map(|&(newer, _)| newer);
        let is_same = newer.is_none_or(|newer| process(newer) == process(link));
        is_same || self.status_of(now, interval, link).is_none_or(|it| it == Status::Unhealthy)
    }

    /// Returns the status that the master must show for a secondary; none where two neighbouring
    /// ones are right.
    pub(super) fn status(
        &self,
        now: Duration,
        interval: Duration,
        row: &MemberHealth,
    ) -> Option<Status> {
        link_of(row).map_or(Some(Status::Unhealthy), |link| self.status_of(now, interval, link))
    }

    fn status_of(&self, now: Duration, interval: Duration, link: u64) -> Option<Status> {
        let heard = self.last_contact.get(&link).copied().unwrap_or_default();
        if self.stalled_since(heard) || self.busy.get(&link).is_some_and(|&seen| seen > heard) {
            return None;
        }
        let silent = now - heard;
        if silent < interval * SUSPECTED_AFTER {
            Some(Status::Healthy)
        } else if silent > interval * UNHEALTHY_AFTER {
            Some(Status::Unhealthy)
        } else {
            let is_border =
                silent == interval * SUSPECTED_AFTER || silent == interval * UNHEALTHY_AFTER;
            (!is_border).then_some(Status::Suspected)
        }
    }
}

/// Returns the position that a secondary reports by a frame, if it reports one.
pub(super) fn reported_by(frame: &Frame<Records>) -> Option<LogEnd> {
    match frame {
        Frame::Request(_, Request::Handshake(handshake)) => Some(handshake.end),
        Frame::Request(_, Request::GetMessages { from, .. }) => Some(*from),
        Frame::Request(_, Request::SecondaryNodeReady { end }) => Some(*end),
        Frame::Response(_, Response::Added { contiguous_end }) => Some(*contiguous_end),
        _ => None,
    }
}

/// Returns the connection that a row of the master's health is about.
fn link_of(row: &MemberHealth) -> Option<u64> {
    row.address.as_deref()?.strip_prefix("link ")?.parse().ok()
}
