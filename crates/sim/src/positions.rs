//! The positions that the master was told, written down beside it: from the frames that it received, not from what it
//! made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acklog_protocol::frame::{Frame, Request, Response};
use acklog_protocol::{MasterHealth, MemberHealth, Status};
use acklog_types::{InstanceId, LogEnd, NodeName, Records};

/// Heartbeat intervals of silence after which a secondary is suspected, and unhealthy.
const SUSPECTED_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 5;

/// What the master's secondaries told it, by connection and by name.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// The position that each connection's handshake told, and the largest one that was told behind it.
    introduced: BTreeMap<u64, LogEnd>,
    told: BTreeMap<u64, LogEnd>,
    /// The name and the process that each connection brought, and by name the last connection that was ready.
    names: BTreeMap<u64, (NodeName, InstanceId)>,
    ready: BTreeMap<NodeName, u64>,
    /// When something last came on each connection.
    heard: BTreeMap<u64, Duration>,
    /// When the master last saw on each connection that a frame to the secondary was over in part. That is a sign of
    /// life where it is more than at the look before.
    busy: BTreeMap<u64, Duration>,
    /// The newest connection that the master took for each name, and the position that counts.
    counts: BTreeMap<NodeName, (u64, Option<LogEnd>)>,
    /// Names whose frames are drawn: what they tell is not true.
    liars: BTreeSet<NodeName>,
    /// When the master last stood still: silences before that cannot be judged.
    stood_still: Option<Duration>,
}

impl Positions {
    /// The master started: it knows of no position.
    pub(super) fn master_started(&mut self) {
        *self = Self { liars: std::mem::take(&mut self.liars), ..Self::default() };
    }

    /// From now on, what comes under this name is not judged.
    pub(super) fn does_lie(&mut self, name: NodeName) {
        self.liars.insert(name);
    }

    /// Whether what comes under this name is not judged.
    pub(super) fn is_liar(&self, name: &NodeName) -> bool {
        self.liars.contains(name)
    }

    /// The same, of a name in an answer.
    pub(super) fn is_named_liar(&self, name: &str) -> bool {
        self.liars.iter().any(|liar| liar.as_str() == name)
    }

    /// The master stands still, or goes on just now.
    pub(super) fn stands_still(&mut self, now: Duration) {
        self.stood_still = Some(now);
    }

    /// Whether the master stood still at some time after `since`.
    pub(super) fn stood_still(&self, since: Duration) -> bool {
        self.stood_still.is_some_and(|stood| stood >= since)
    }

    /// The master sees that a frame to the secondary is over in part.
    pub(super) fn is_busy(&mut self, now: Duration, link: u64) {
        self.busy.insert(link, now);
    }

    /// The master received a part of a frame on a connection.
    pub(super) fn heard(&mut self, now: Duration, link: u64) {
        self.heard.insert(link, now);
    }

    /// The master received a frame on a connection.
    pub(super) fn received(&mut self, now: Duration, link: u64, frame: &Frame<Records>) {
        self.heard.insert(link, now);
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
        let Some(told) = told_by(frame) else { return };
        let before = self.told.entry(link).or_default();
        *before = told.max(*before);
    }

    /// A secondary's log is compared: a connection that is let in then counts as heard from just now.
    pub(super) fn compared(&mut self, now: Duration, link: u64) {
        self.heard.insert(link, now);
    }

    /// Takes over which connection is whose, from the rows of the master's health. A new connection replaces what an
    /// earlier one told: by less at once, by more with its first request. One that is gone leaves what it told.
    pub(super) fn look_at(&mut self, health: &MasterHealth) {
        self.counts.retain(|name, _| health.secondaries.iter().any(|row| row.name == *name));
        for row in &health.secondaries {
            // A name may be written down after the connection that brought it is gone.
            let is_new = !self.counts.contains_key(&row.name);
            let brought = || self.ready.get(&row.name).copied().filter(|_| is_new);
            let before = || self.counts.get(&row.name).map(|&(link, _)| link);
            let Some(link) = link_of(row).or_else(brought).or_else(before) else { continue };
            // A master that stood still lets in at once all that waited, one for the other: which of them counted in
            // between is not seen here, so its word is taken.
            if let Some(end) = row.acked_end.filter(|_| self.stood_still.is_some()) {
                self.told.insert(link, end);
            }
            // A name that is new may have been brought by a connection that was replaced before the name was written.
            let of_ready = || self.told.get(self.ready.get(&row.name)?).copied();
            let counted = match self.counts.get(&row.name) {
                Some(&(_, counted)) => counted,
                None => of_ready(),
            };
            let lowered = || Some(counted?.min(*self.introduced.get(&link)?));
            let told = self.told.get(&link).copied().or_else(lowered);
            self.counts.insert(row.name.clone(), (link, told));
        }
    }

    /// The position that counts for a name; none where none was told since the master started.
    pub(super) fn of(&self, name: &NodeName) -> Option<LogEnd> {
        self.counts.get(name).and_then(|&(_, told)| told)
    }

    /// Number of secondaries that told `end` or more, and did not lie.
    pub(super) fn at_least(&self, end: LogEnd) -> usize {
        let told = |(name, (_, told)): &(&NodeName, &(u64, Option<LogEnd>))| {
            told.is_some_and(|told| end <= told) && !self.is_liar(name)
        };
        self.counts.iter().filter(told).count()
    }

    /// Whether a connection may be replaced by another one of its name: by the same process, or where nothing was heard
    /// on it for so long that it is unhealthy.
    pub(super) fn may_be_replaced(&self, now: Duration, interval: Duration, link: u64) -> bool {
        let process = |link| self.names.get(&link).map(|(_, instance)| *instance);
        let name = self.names.get(&link).map(|(name, _)| name);
        let newer = name.and_then(|name| self.counts.get(name)).map(|&(newer, _)| newer);
        let is_same = newer.is_none_or(|newer| process(newer) == process(link));
        is_same || self.status_of(now, interval, link).is_none_or(|it| it == Status::Unhealthy)
    }

    /// The status that the master must show for a secondary; none where both neighbours would be right.
    pub(super) fn status(
        &self,
        now: Duration,
        interval: Duration,
        row: &MemberHealth,
    ) -> Option<Status> {
        link_of(row).map_or(Some(Status::Unhealthy), |link| self.status_of(now, interval, link))
    }

    fn status_of(&self, now: Duration, interval: Duration, link: u64) -> Option<Status> {
        let heard = self.heard.get(&link).copied().unwrap_or_default();
        if self.stood_still(heard) || self.busy.get(&link).is_some_and(|&seen| seen > heard) {
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

/// The position that a secondary tells by a frame, if it tells one.
pub(super) fn told_by(frame: &Frame<Records>) -> Option<LogEnd> {
    match frame {
        Frame::Request(_, Request::Handshake(handshake)) => Some(handshake.end),
        Frame::Request(_, Request::GetMessages { from, .. }) => Some(*from),
        Frame::Request(_, Request::SecondaryNodeReady { end }) => Some(*end),
        Frame::Response(_, Response::Added { contiguous_end }) => Some(*contiguous_end),
        _ => None,
    }
}

/// The connection that a row of the master's health is about.
fn link_of(row: &MemberHealth) -> Option<u64> {
    row.address.as_deref()?.strip_prefix("link ")?.parse().ok()
}
