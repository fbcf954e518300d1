//! Pages for members, and what is read for members in general: one page or run at a time for each.
//!
//! A member that catches up asks ahead, so that its line never idles. Its requests wait here for their turn: where the
//! next page begins is known only once the last one was read, and a member that asks without end takes no more of the
//! node than one that waits.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_types::{IdRange, LogEnd, RequestId, SessionId};
use acklog_types::{LogView, Unreadable};
use tracing::{debug, warn};

use super::{Master, MemberId};
use crate::ProtocolError;
use crate::frame::{ErrorCode, RUN_BYTES_MAX, Response};
use crate::machine::Effect;
use crate::progress::ReadOrder;

/// Requests for pages of one member that wait for their turn, at most: all that a correct one has under way, each
/// written twice by a fault. Fewer: such a one would be taken for broken. More: a broken one would hold more memory.
pub(super) const REQUESTS_MAX: usize = 16;

/// A request for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    pub(super) request: RequestId,
    /// The member has everything before.
    pub(super) from: LogEnd,
    /// Whether pages were lost, so that this one begins there.
    pub(super) again: bool,
}

/// What is read for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadFor {
    /// A page that it asked for, and the log's end when the reading began. That is what the page tells as the end:
    /// told a later one, a member that has all of it would never know that it has caught up while messages come.
    Page(PageRequest, LogEnd),
    /// A run to send it.
    Run,
}

/// What is read on a member's connection, and the requests that wait for that.
#[derive(Debug, Default)]
pub(super) struct Reads {
    under_way: Option<ReadFor>,
    requests: VecDeque<PageRequest>,
}

impl Reads {
    /// Begins to read, unless something is being read. Returns whether it does.
    pub(super) fn begin(&mut self, what: ReadFor) -> bool {
        let is_free = self.under_way.is_none();
        if is_free {
            self.under_way = Some(what);
        }
        is_free
    }

    /// Takes what was being read.
    fn end(&mut self) -> Option<ReadFor> {
        self.under_way.take()
    }

    /// Whether a page is being made, or a request for one waits.
    fn has_pages(&self) -> bool {
        !self.requests.is_empty() || matches!(self.under_way, Some(ReadFor::Page(..)))
    }

    /// Lets a request wait for its turn; one that was written twice is there once. Returns whether there is room.
    fn push(&mut self, wanted: PageRequest) -> bool {
        let is_there = |other: &PageRequest| other.request == wanted.request;
        let is_made = matches!(&self.under_way, Some(ReadFor::Page(made, _)) if is_there(made));
        if is_made || self.requests.iter().any(is_there) {
            return true;
        }
        let has_room = self.requests.len() < REQUESTS_MAX;
        if has_room {
            self.requests.push_back(wanted);
        }
        has_room
    }

    /// Takes the next request, once nothing is being read.
    fn pop(&mut self) -> Option<PageRequest> {
        self.under_way.is_none().then(|| self.requests.pop_front()).flatten()
    }
}

impl<L: LogView> Master<L> {
    /// A member asks for a page. It gets none where it asks again for one that is still under way: that one comes.
    pub(super) fn want_page(
        &mut self,
        now: Instant,
        id: MemberId,
        wanted: PageRequest,
    ) -> Result<(), ProtocolError> {
        let Some(member) = self.members.get_mut(id) else { unreachable!("who asks is a member") };
        let PageRequest { request, from, again } = wanted;
        let is_under_way = member.has_page_under_way();
        let (peer, Some(reads)) = member.name_and_reads() else { return Ok(()) };
        if again && (is_under_way || reads.has_pages()) {
            debug!(peer, %request, %from, "asked again for a page that is still under way");
            return Ok(());
        }
        if !reads.push(wanted) {
            return Err(ProtocolError::TooManyPages(REQUESTS_MAX));
        }
        self.make_pages(now, id);
        Ok(())
    }

    /// Has the page made whose turn it is, if there is one.
    fn make_pages(&mut self, now: Instant, id: MemberId) {
        while let Some(member) = self.members.get_mut(id)
            && let Some(session) = member.session()
            && let Some(wanted) = member.name_and_reads().1.and_then(Reads::pop)
        {
            let (from, until) = (member.page_from(wanted.from, wanted.again), self.durable_end);
            if from < until {
                let began = member.begin_read(ReadFor::Page(wanted, until));
                assert!(began, "nothing else is being read");
                let order = ReadOrder { from, until, max_bytes: RUN_BYTES_MAX };
                return self.effects.push_back(Effect::Read { session, order });
            }
            self.send_page(now, session, id, wanted, (IdRange::empty(from), until));
        }
    }

    /// What was to be read for a member was read, or could not be.
    ///
    /// # Panics
    /// When nothing was found and nothing was wrong: there was something to read.
    pub(super) fn take_read(
        &mut self,
        now: Instant,
        session: SessionId,
        found: Result<(IdRange, usize), Unreadable>,
    ) {
        let Some(id) = self.members.on_session(session) else { return };
        let Some(member) = self.members.get_mut(id) else { return };
        assert!(!matches!(&found, Ok((range, _)) if range.is_empty()), "{found:?}");
        match (member.name_and_reads().1.and_then(Reads::end), found) {
            (Some(ReadFor::Page(wanted, until)), Ok((run, _))) => {
                self.send_page(now, session, id, wanted, (run, until));
            }
            (
                Some(ReadFor::Page(PageRequest { request, from, again }, _)),
                Err(Unreadable(detail)),
            ) => {
                let peer = member.name().as_str();
                warn!(repeats = true, peer, %request, %from, again, detail,
                    "asked for messages that cannot be read");
                let code = ErrorCode::Internal;
                self.respond(session, request, Response::Failed { code, detail });
            }
            (Some(ReadFor::Run), found) => {
                if let Err(Unreadable(detail)) = &found {
                    let peer = member.name().as_str();
                    warn!(repeats = true, peer, detail, "messages for a secondary cannot be read");
                }
                member.note_read(now, found, &mut self.rng);
            }
            (None, _) => unreachable!("what is read was asked for"),
        }
        self.make_pages(now, id);
        self.let_act(id..=id, |member, context| member.pump(now, context));
    }

    fn send_page(
        &mut self,
        now: Instant,
        session: SessionId,
        id: MemberId,
        PageRequest { request, from, again }: PageRequest,
        (run, log_end): (IdRange, LogEnd),
    ) {
        let Some(member) = self.members.get_mut(id) else { return };
        debug!(peer = %member.name(), %request, %from, again, id = %run,
            "asked for messages; sending a page");
        member.note_page(now, run.end());
        self.respond(session, request, Response::Page { run, log_end });
    }
}
