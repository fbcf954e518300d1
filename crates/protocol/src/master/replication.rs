//! Replication: the leader of a log names what is sent, and the connections of peers carry it.

use std::time::Instant;

use acklog_types::{IdRange, LogView, SessionId, Unreadable};

use super::Master;
use super::leader::{NextPage, PageRequest, ReadPage, ReadResult};
use super::peers::{MemberId, Peer};
use crate::ProtocolError;
use crate::frame::{ErrorCode, Response};
use crate::machine::Effect;
use crate::progress::{NextRun, RUNS_IN_FLIGHT_MAX};
use crate::status::Status;

impl<L: LogView> Master<L> {
    /// Sends a member what may be sent to it now.
    pub(super) fn pump(&mut self, now: Instant, id: MemberId) {
        self.relay();
        if self.peers.get(id).is_some_and(Peer::is_live) {
            self.send_runs(now, id, RUNS_IN_FLIGHT_MAX);
        }
    }

    /// Sends runs to a member while fewer than `runs_max` are in flight.
    fn send_runs(&mut self, now: Instant, id: MemberId, runs_max: usize) {
        while let Some(next) = self.leader.next_run(now, id, runs_max) {
            match next {
                NextRun::Run(plan) => {
                    let positions = self.positions();
                    self.peers.send_run(now, id, (plan, positions), &mut self.out);
                }
                NextRun::Read(order) => {
                    if let Some(session) = self.peers.get(id).and_then(Peer::session) {
                        self.out.push(Effect::Read { session, order });
                    }
                    return;
                }
            }
        }
    }

    /// Does what is due for a member.
    pub(super) fn handle_member_timeout(&mut self, now: Instant, id: MemberId) {
        self.peers.update_status(now, id, &mut self.out.events);
        while let Some(run) = {
            let peer = self.peers.get_mut(id);
            peer.and_then(|peer| peer.expire_run(now, &mut self.out.events))
        } {
            self.leader.run_timed_out(now, id, run, &mut self.rng);
        }
        let told = (self.leader.durable_end(), self.positions());
        if self.peers.send_heartbeat(now, id, told, &mut self.out)
            && let Some(peer) = self.peers.get(id)
            && peer.is_ready()
            && peer.status() != Status::Healthy
        {
            // Beside the heartbeat one run at most, and only now: a node that does not answer is
            // probed once an interval. When it is heard from again, all that it missed follows at
            // once.
            self.send_runs(now, id, 1);
        }
        self.pump(now, id);
    }

    /// Takes in a member's request for a page.
    pub(super) fn want_page(
        &mut self,
        now: Instant,
        id: MemberId,
        wanted: PageRequest,
    ) -> Result<(), ProtocolError> {
        let is_under_way = self.peers.get(id).is_some_and(Peer::has_page_under_way);
        if self.leader.want_page(id, wanted, is_under_way, &mut self.out.events)? {
            self.make_pages(now, id);
        }
        Ok(())
    }

    /// Has the page made whose turn it is, if there is one.
    fn make_pages(&mut self, now: Instant, id: MemberId) {
        let Some(session) = self.peers.get(id).and_then(Peer::session) else { return };
        while let Some(next) = self.leader.next_page(id) {
            match next {
                NextPage::Read(order) => {
                    return self.out.push(Effect::Read { session, order });
                }
                NextPage::Send(page) => self.send_page(now, session, id, page),
            }
        }
    }

    /// Takes in what was read for a member, or could not be.
    pub(super) fn take_read(
        &mut self,
        now: Instant,
        session: SessionId,
        found: Result<(IdRange, usize), Unreadable>,
    ) {
        let Some(id) = self.peers.on_session(session) else { return };
        match self.leader.take_read(now, id, found, &mut self.rng, &mut self.out.events) {
            Some(ReadResult::Page(page)) => self.send_page(now, session, id, page),
            Some(ReadResult::Unreadable(PageRequest { request, .. }, detail)) => {
                let code = ErrorCode::Internal;
                self.respond(session, request, Response::Failed { code, detail });
            }
            Some(ReadResult::Run) | None => {}
        }
        self.make_pages(now, id);
        self.pump(now, id);
    }

    fn send_page(&mut self, now: Instant, session: SessionId, id: MemberId, page: ReadPage) {
        self.leader.note_page(id, page, &mut self.out.events);
        self.peers.note_sent(now, id);
        let ReadPage { wanted, run, log_end } = page;
        let page = Response::Page { run, log_end, positions: self.positions() };
        self.respond(session, wanted.request, page);
    }

    /// Requests what is damaged here from a member, if that is due.
    pub(super) fn pursue_repair(&mut self, now: Instant) {
        if self.is_paused() {
            return;
        }
        self.relay();
        let (rng, events) = (&mut self.rng, &mut self.out.events);
        if let Some((id, from)) = self.leader.next_repair(now, &self.peers, rng, events) {
            self.peers.request_page(now, id, from, &mut self.out);
        }
    }
}
