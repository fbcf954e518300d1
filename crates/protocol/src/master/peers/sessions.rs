//! Sessions: pending ones, how a session ends, and what is sent on one.

use std::time::Instant;

use acklog_types::{IdRange, LogEnd, NodeName, RequestId, SessionId};

use super::event::MemberId;
use super::{Output, Peer, Peers};
use crate::events::{ConnectionEvent, Detail, Ending, Events, NodeEvent};
use crate::frame::{Frame, Handshake, Positions, Request, Response};
use crate::machine::Effect;
use crate::progress::RunPlan;
use crate::status::Status;
use crate::{CloseReason, SessionEnd};

impl Peers {
    /// Adds a session that was accepted now.
    pub(in crate::master) fn accept(
        &mut self,
        now: Instant,
        session: SessionId,
        address: String,
        out: &mut Output,
    ) {
        let event = || ConnectionEvent::Opened { session, address: address.clone() };
        out.events.emit(Detail::Changes, event);
        if let Some(oldest) = self.pending.surplus() {
            self.close(now, oldest, CloseReason::TooManyHandshakes, out);
        }
        self.pending.insert(now, session, address);
    }

    /// Closes the pending sessions whose time for a handshake is over.
    pub(in crate::master) fn close_expired(&mut self, now: Instant, out: &mut Output) {
        while let Some(session) = self.pending.expired(now) {
            self.close(now, session, CloseReason::HandshakeTimeout, out);
        }
    }

    /// Returns whether a session has not finished its handshake.
    pub(in crate::master) fn is_pending(&self, session: SessionId) -> bool {
        self.pending.contains(session)
    }

    /// Notes that a handshake was repeated while its log is compared. Returns false if nothing is
    /// compared.
    pub(in crate::master) fn repeat_handshake(
        &mut self,
        session: SessionId,
        request: RequestId,
    ) -> bool {
        self.pending.repeat_handshake(session, request)
    }

    /// Keeps a handshake while the secondary's log is compared with this one. Returns false if the
    /// session is not pending.
    pub(in crate::master) fn start_comparison(
        &mut self,
        session: SessionId,
        request: RequestId,
        handshake: Handshake,
    ) -> bool {
        self.pending.start_comparison(session, request, handshake)
    }

    /// Takes the handshake whose log was compared, if its session is still pending.
    pub(in crate::master) fn finish_comparison(
        &mut self,
        session: SessionId,
    ) -> Option<(RequestId, Handshake)> {
        self.pending.finish_comparison(session)
    }

    /// Closes a session. Nothing that still comes on it counts.
    pub(in crate::master) fn close(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: CloseReason,
        out: &mut Output,
    ) {
        let pending = self.pending.remove(session);
        let member = self.members.disconnect(session, &mut out.events);
        let is_early = matches!(
            reason,
            CloseReason::Protocol(_)
                | CloseReason::HandshakeTimeout
                | CloseReason::TooManyHandshakes
        );
        let ending = || Ending::Closed(reason.clone());
        match member {
            None if is_early => self.ended_early(now, session, pending, ending, &mut out.events),
            member => emit_ended(session, member, ending, &mut out.events),
        }
        out.push(Effect::Close { session, reason });
    }

    /// Takes in that a session ended from outside.
    pub(in crate::master) fn lose(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: &SessionEnd,
        events: &mut Events,
    ) {
        let pending = self.pending.remove(session);
        if *reason == SessionEnd::Closed
            && let Some(member) = self.on_session(session)
            && let Some(peer) = self.members.get_mut(member)
        {
            peer.note_closed(events);
        }
        let ending = || Ending::Lost(reason.clone());
        match self.members.disconnect(session, events) {
            None if matches!(reason, SessionEnd::Garbage(_)) => {
                self.ended_early(now, session, pending, ending, events);
            }
            member => emit_ended(session, member, ending, events),
        }
    }

    /// Closes the connections of secondaries that stay unhealthy, so that they dial again: what
    /// they sent may wait for the next attempt of their kernel for minutes.
    pub(in crate::master) fn close_unresponsive(&mut self, now: Instant, out: &mut Output) {
        let unresponsive = self.members.iter().filter(|(_, peer)| peer.is_unresponsive(now));
        let sessions: Vec<SessionId> =
            unresponsive.filter_map(|(_, peer)| peer.session()).collect();
        for session in sessions {
            self.close(now, session, CloseReason::Unresponsive, out);
        }
    }

    /// Drops all connections, as an operator requested. Returns how many there were.
    pub(in crate::master) fn drop_all(&mut self, now: Instant, out: &mut Output) -> usize {
        let sessions = self.members.sessions().chain(self.pending.iter());
        let sessions: Vec<SessionId> = sessions.collect();
        let connections = sessions.len();
        out.events.emit(Detail::Changes, || NodeEvent::ConnectionsDropped { connections });
        for &session in &sessions {
            self.close(now, session, CloseReason::OnDemand, out);
        }
        connections
    }

    /// Emits why a connection without a handshake ended, unless there were too many in this minute.
    fn ended_early(
        &mut self,
        now: Instant,
        session: SessionId,
        address: Option<String>,
        ending: impl FnOnce() -> Ending,
        events: &mut Events,
    ) {
        if self.lines.admits(now) {
            let event = || ConnectionEvent::EndedEarly { session, address, ending: ending() };
            events.emit(Detail::Changes, event);
        }
    }

    /// Emits how many such events were left out, once a minute.
    pub(in crate::master) fn emit_left_out(&mut self, now: Instant, events: &mut Events) {
        let left_out = self.lines.end(now);
        if left_out > 0 {
            events.emit(Detail::Changes, || ConnectionEvent::MoreEndedEarly { left_out });
        }
    }

    /// Answers a request.
    pub(in crate::master) fn respond(
        &self,
        session: SessionId,
        request: RequestId,
        response: Response<IdRange>,
        out: &mut Output,
    ) {
        let frame = Frame::Response(request, response);
        out.push(Effect::Send { session, frame });
    }

    /// Sends a run to a member.
    pub(in crate::master) fn send_run(
        &mut self,
        now: Instant,
        member: MemberId,
        (plan, positions): (RunPlan, Positions),
        out: &mut Output,
    ) {
        let make = |peer: &mut Peer, events: &mut Events| peer.make_run(now, plan, events);
        let request = Request::AddMessage { run: plan.range, positions };
        self.send_request(now, member, make, request, out);
    }

    /// Requests the messages from `from` on from a member.
    pub(in crate::master) fn request_page(
        &mut self,
        now: Instant,
        member: MemberId,
        from: LogEnd,
        out: &mut Output,
    ) {
        let make = |peer: &mut Peer, events: &mut Events| peer.make_page_request(now, from, events);
        self.send_request(now, member, make, Request::GetMessages { from, again: true }, out);
    }

    /// Sends a request that `make` makes, if the member has a connection. How far it gets on its
    /// way is followed: from now on, unless it is to be delayed first.
    fn send_request(
        &mut self,
        now: Instant,
        member: MemberId,
        make: impl FnOnce(&mut Peer, &mut Events) -> Option<(SessionId, RequestId)>,
        request: Request<IdRange>,
        out: &mut Output,
    ) {
        let Some(peer) = self.members.get_mut(member) else { return };
        let Some((session, id)) = make(peer, &mut out.events) else { return };
        if !self.delays_requests {
            peer.note_sent(now);
        }
        out.push(Effect::Send { session, frame: Frame::Request(id, request) });
    }

    /// Sends a heartbeat to a member, if one is due. Returns whether it does.
    pub(in crate::master) fn send_heartbeat(
        &mut self,
        now: Instant,
        member: MemberId,
        (log_end, positions): (LogEnd, Positions),
        out: &mut Output,
    ) -> bool {
        let peer = self.members.get_mut(member);
        let made = peer.and_then(|peer| peer.make_heartbeat(now, &mut out.events));
        let Some((session, id)) = made else { return false };
        let frame = Frame::Request(id, Request::Heartbeat { log_end, positions });
        out.push(Effect::Send { session, frame });
        true
    }
}

/// Emits how a connection ended. `member`: whose it was, and the status until then.
fn emit_ended(
    session: SessionId,
    member: Option<(NodeName, Status)>,
    ending: impl FnOnce() -> Ending,
    events: &mut Events,
) {
    let (peer, status) = member.unzip();
    let was_live = status.is_some_and(|status| status != Status::Unhealthy);
    let gone = peer.clone().filter(|_| was_live);
    events.emit(Detail::Changes, || ConnectionEvent::Ended {
        session,
        peer,
        ending: ending(),
        was_live,
    });
    if let Some(peer) = gone {
        events.emit(Detail::Changes, || NodeEvent::Gone { peer });
    }
}
