//! Pages that a secondary is asked for, where the master's own log is damaged.

use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{InstanceId, LogEnd, RequestId};
use tracing::{debug, warn};

use super::{Asked, Context, Member};
use crate::frame::{Frame, Request};

/// Connections that one instance closed while it was asked for a page, after which it is not asked again: it is of a
/// release that does not know such requests. Fewer: an instance that closed one for another reason just then is not
/// asked. More: one of such a release loses more connections.
const UNANSWERED_MAX: u32 = 2;

/// For how long after a part of a frame a page that did not come in time is not asked for again. Shorter: a line that
/// stutters carries it twice. Longer: what a broken line lost comes later.
const COMING_PAUSE: Duration = Duration::from_millis(500);

/// Whether an instance answers when it is asked for pages.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Option<(InstanceId, u32)>);

impl Member {
    /// Asks for the messages from `from` on.
    pub(in crate::master) fn ask_for_page<L: LogView>(
        &mut self,
        now: Instant,
        from: LogEnd,
        context: &mut Context<'_, L>,
    ) {
        let Some(link) = &mut self.link else { return };
        let id = link.in_flight.make(now, Asked::Page(from));
        link.is_asked_for_pages = true;
        let frame = Frame::Request(id, Request::GetMessages { from, again: true });
        debug!(peer = %self.name, request = %id, %from, "sending GetMessages");
        link.send(now, frame, context);
    }

    /// Whether an answer to a request for a page is awaited.
    pub(in crate::master) fn owes_page(&self) -> bool {
        self.pages_owed() > 0
    }

    fn pages_owed(&self) -> usize {
        let is_page = |asked: &Asked| matches!(asked, Asked::Page(_));
        self.link.as_ref().map_or(0, |link| link.in_flight.count(is_page))
    }

    /// The position from which on this request asks for a page, while its answer is awaited; none for one that comes
    /// late. And whether another answer is awaited beside it.
    pub(in crate::master) fn page_asked_for(&self, request: RequestId) -> (Option<LogEnd>, bool) {
        let asked = self.link.as_ref().and_then(|link| link.in_flight.get(request));
        let from = match asked {
            Some(Asked::Page(from)) => Some(*from),
            _ => None,
        };
        (from, self.pages_owed() > usize::from(from.is_some()))
    }

    /// A part of a frame came from it.
    pub(in crate::master) fn note_part(&mut self, now: Instant) {
        self.link.iter_mut().for_each(|link| link.part_at = Some(now));
    }

    /// Until when a page that did not come in time is likely on its way, since parts of a frame come.
    pub(in crate::master) fn page_comes_until(&self) -> Option<Instant> {
        Some(self.link.as_ref()?.part_at? + COMING_PAUSE)
    }

    /// Whether it was asked for a page on this connection, so that one may come.
    pub(in crate::master) fn is_asked_for_pages(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_asked_for_pages)
    }

    /// Whether this instance is not known to end its connection when it is asked for a page.
    pub(in crate::master) fn may_be_asked_for_pages(&self) -> bool {
        let is_over = |(instance, times): (InstanceId, u32)| {
            times >= UNANSWERED_MAX && self.is_instance(instance)
        };
        !self.unanswered.0.is_some_and(is_over)
    }

    /// It gave a page, or said that it cannot.
    pub(in crate::master) fn answers_pages(&mut self) {
        self.unanswered.0 = None;
    }

    /// The peer closed the connection; a line that breaks says nothing.
    pub(in crate::master) fn note_closed(&mut self) {
        let Some(instance) = self.link.as_ref().map(|link| link.instance) else { return };
        if !self.owes_page() {
            return;
        }
        let before = self.unanswered.0.filter(|(known, _)| *known == instance);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.unanswered.0 = Some((instance, times));
        if times == UNANSWERED_MAX {
            warn!(peer = %self.name, "a secondary ends its connection when it is asked for messages that are \
                damaged here: it is of an earlier release, and is not asked again");
        }
    }
}
