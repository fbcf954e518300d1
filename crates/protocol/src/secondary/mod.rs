//! The secondary: finds its master, fetches what it missed, and takes what comes.
//!
//! [`Secondary`] implements [`Machine`] and puts together values that each decide alone:
//!
//! - [`Follower`], one for the log: catch-up, gap buffer, acks. It knows no connection.
//! - [`LinkToMaster`], one for each connection: handshake, requests in flight, liveness. It knows
//!   no log.
//! - [`DialState`]: pauses between attempts to connect, and why the last one failed.
//!
//! Everything of a connection dies with it: the link, and the part of the follower that belongs to
//! the connection.

mod dial_state;
mod disk;
mod faults;
mod follower;
mod handshake;
mod io;
mod link;
mod liveness;
mod positions;
mod repair;
mod request_retry;
mod requests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{Epoch, IdRange, LogEnd, LogId, NodeName, Records, SessionId};
pub use follower::{GapBuffer, HELD_BYTES_MAX};
pub use io::{FollowerEffect, FollowerInput, RestoredSecondary, SecondaryOptions};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::dial_state::DialState;
use self::follower::{Follower, FollowerAction};
use self::link::LinkToMaster;
use super::events::{ConnectionEvent, Detail, Ending, Events, NodeEvent};
use super::frame::{Frame, Request, Response};
use super::line::LineView;
use super::machine::{Effect, Input, Machine};
use super::own_time::OwnTime;
use super::status::{SecondaryHealth, SecondaryPhase};
use super::{CloseReason, ProtocolError, SessionEnd};

/// The secondary's state machine. `L` is its view of its own log.
#[derive(Debug)]
pub struct Secondary<L> {
    options: SecondaryOptions,
    follower: Follower<L>,
    connection: Connection,
    dial_state: DialState,
    /// The name of the master, once it accepted this node.
    master: Option<NodeName>,
    /// The port at which the master serves HTTP, where it told it.
    master_http_port: Option<u16>,
    /// Whether requests are delayed on demand: they are noted as sent when they go out.
    delays_requests: bool,
    /// The node's time: it stands still while the node is paused.
    time: OwnTime,
    rng: ChaCha8Rng,
    effects: VecDeque<Effect<FollowerEffect>>,
    events: Events,
}

#[derive(Debug)]
enum Connection {
    /// Dial when the time has come.
    Idle { dial_at: Instant },
    /// The driver is dialing.
    Dialing,
    /// Connected.
    Up(Box<LinkToMaster>),
    /// The node stops, or its disk takes nothing more.
    Stopped,
}

impl<L: LogView> Secondary<L> {
    /// Creates a secondary that goes on where its log ends. It dials its master right away.
    pub fn new(
        now: Instant,
        options: SecondaryOptions,
        restored: RestoredSecondary,
        log: L,
    ) -> Self {
        let mut events = Events::default();
        events.emit(Detail::Changes, || NodeEvent::Started { end: restored.end });
        Self {
            follower: Follower::new(log, restored, options.seed),
            connection: Connection::Idle { dial_at: now },
            dial_state: DialState::new(options.reconnect_delay),
            master: None,
            master_http_port: None,
            delays_requests: false,
            time: OwnTime::default(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            effects: VecDeque::new(),
            events,
        }
    }

    /// Returns the identity of the log that this node's messages belong to; none while it never had
    /// one.
    pub fn log_id(&self) -> Option<LogId> {
        self.follower.log_id()
    }

    fn link(&self) -> Option<&LinkToMaster> {
        match &self.connection {
            Connection::Up(link) => Some(link),
            _ => None,
        }
    }

    fn session(&self) -> Option<SessionId> {
        self.link().map(LinkToMaster::session)
    }

    /// Returns whether the master has accepted this node's handshake.
    fn has_joined(&self) -> bool {
        self.link().is_some_and(LinkToMaster::has_joined)
    }

    fn dial_failed(&mut self, now: Instant, reason: String) {
        if matches!(self.connection, Connection::Stopped) {
            return;
        }
        let pause = self.dial_later(now);
        let event = || ConnectionEvent::DialFailed { reason: reason.clone(), pause };
        self.events.emit(Detail::Changes, event);
        self.dial_state.on_unreachable(reason);
    }

    /// Gives up what belongs to the connection and sets the time of the next dial. Returns the
    /// pause until then.
    fn dial_later(&mut self, now: Instant) -> Duration {
        if matches!(self.connection, Connection::Stopped) {
            return Duration::ZERO;
        }
        if self.follower.lacks_first_page() && self.dial_state.lost_first_page() {
            self.events.emit(Detail::Changes, || ConnectionEvent::MtuSuspected { peer: None });
        }
        let pause = self.dial_state.back_off(&mut self.rng);
        self.leave(Connection::Idle { dial_at: now + pause });
        pause
    }

    /// Gives up what belongs to the connection.
    fn leave(&mut self, connection: Connection) {
        self.follower.leave();
        self.connection = connection;
    }

    /// Closes the connection and dials again after a pause.
    fn close(&mut self, now: Instant, reason: CloseReason) {
        let Some(session) = self.session() else { return };
        self.leave_master(now, || Ending::Closed(reason.clone()));
        // A refusal has a detail of its own.
        if reason != CloseReason::Refused {
            self.dial_state.on_error(reason.to_string());
        }
        self.effects.push_back(Effect::Close { session, reason });
    }

    /// Gives up the connection, emits how it ended, and dials again after a pause.
    fn leave_master(&mut self, now: Instant, ending: impl FnOnce() -> Ending) {
        let was_ready = self.follower.is_ready();
        let pause = self.dial_later(now);
        let event = || ConnectionEvent::LeftMaster { ending: ending(), was_ready, pause };
        self.events.emit(Detail::Changes, event);
    }

    /// Gives up the connection for good.
    fn end(&mut self, reason: CloseReason) {
        if let Some(session) = self.session() {
            self.effects.push_back(Effect::Close { session, reason });
        }
        self.leave(Connection::Stopped);
    }

    /// Takes in that a connection is gone. Dials again after a pause.
    fn session_down(&mut self, now: Instant, session: SessionId, reason: &SessionEnd) {
        if self.session() == Some(session) {
            self.leave_master(now, || Ending::Lost(reason.clone()));
            self.dial_state.on_error(reason.to_string());
        }
    }

    /// Notes that the master was heard from. Returns whether the session is the current one.
    fn hear(&mut self, now: Instant, session: SessionId) -> bool {
        match &mut self.connection {
            Connection::Up(link) if link.session() == session => {
                link.note_contact(now);
                true
            }
            _ => false,
        }
    }

    fn receive(&mut self, now: Instant, session: SessionId, frame: Frame<Records>) {
        let received = match frame {
            Frame::Request(id, Request::AddMessage { run, positions }) => {
                let taken = self.follower.take_run(now, id, run, &mut self.events);
                // A refused run is no reason to believe its master anything.
                let taken = taken.map(|()| self.follower.note_positions(positions));
                self.carry_out();
                taken
            }
            Frame::Request(id, Request::Heartbeat { log_end, positions }) => {
                if self.has_joined() {
                    self.follower.note_positions(positions);
                    self.follower.note_master_end(log_end);
                    self.send(session, Frame::Response(id, Response::Alive));
                }
                // A heartbeat before the welcome overtook it; nothing is wrong with that.
                Ok(())
            }
            Frame::Request(id, Request::GetMessages { from, .. }) => {
                self.give_page(session, id, from)
            }
            Frame::Request(_, request) => Err(ProtocolError::UnexpectedRequest(request.kind())),
            Frame::Response(id, response) => self.take_response(now, id, response),
        };
        if let Err(error) = received {
            self.close(now, CloseReason::Protocol(error));
        }
    }

    /// Answers and requests what the durable end allows, unless the node is paused.
    fn act_on_durable(&mut self, now: Instant) {
        if !self.is_paused() {
            self.follower.answer_due(&mut self.events);
            self.carry_out();
            self.make_requests(now);
        }
    }

    /// Turns what the follower wants into effects. Call after each of its verbs that may act, so
    /// that effects keep their order.
    fn carry_out(&mut self) {
        while let Some(action) = self.follower.poll_action() {
            let effect = match action {
                FollowerAction::Append(run) => FollowerEffect::Append(run).into(),
                FollowerAction::Mend(run) => {
                    let Some(peer) = self.master.clone() else { continue };
                    Effect::Mend { peer, run }
                }
                FollowerAction::Answer(request, response) => {
                    let Some(session) = self.session() else { continue };
                    Effect::Send { session, frame: Frame::Response(request, response) }
                }
            };
            self.effects.push_back(effect);
        }
    }

    /// Sends a frame.
    fn send(&mut self, session: SessionId, frame: Frame<IdRange>) {
        self.effects.push_back(Effect::Send { session, frame });
    }
}

impl<L: LogView> Machine for Secondary<L> {
    type Input = FollowerInput;
    type Effect = FollowerEffect;
    type Health = SecondaryHealth;

    fn step(&mut self, now: Instant, input: Input<FollowerInput>) {
        let now = self.time.at(now);
        let is_own = matches!(
            input,
            Input::Durable(_)
                | Input::DiskFault(_)
                | Input::DiskWell
                | Input::Damage(_)
                | Input::Shutdown
        );
        assert!(is_own || !self.is_paused(), "a paused node hears nothing");
        match input {
            Input::Frame { session, frame } => {
                if self.hear(now, session) {
                    self.receive(now, session, frame);
                }
            }
            Input::Heard(session) => {
                if self.hear(now, session) {
                    self.follower.on_partial(now);
                }
            }
            Input::Read { session, found } => self.take_read(now, session, found),
            Input::SessionDown { session, reason } => self.session_down(now, session, &reason),
            Input::Durable(end) => {
                self.follower.note_durable(end, &mut self.events);
                self.act_on_durable(now);
            }
            Input::DiskFault(fault) => self.disk_faulty(now, fault),
            Input::DiskWell => self.disk_well(now),
            Input::Damage(damage) => {
                self.follower.note_damage(now, damage, &mut self.rng, &mut self.events);
                self.act_on_durable(now);
            }
            Input::Shutdown => {
                let event = || NodeEvent::Stopping { answered: 0, waiting: false };
                self.events.emit(Detail::Changes, event);
                self.end(CloseReason::Stopping);
            }
            Input::Role(FollowerInput::Connected(session)) => {
                self.connected(now, session);
                self.make_requests(now);
            }
            Input::Role(FollowerInput::DialFailed { reason }) => self.dial_failed(now, reason),
        }
    }

    fn look(&mut self, now: Instant, look: impl FnMut(SessionId) -> LineView) {
        if self.is_paused() {
            return;
        }
        let now = self.time.at(now);
        if let Connection::Up(link) = &mut self.connection {
            link.look(now, look);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.is_paused() {
            return;
        }
        let now = self.time.at(now);
        self.follower.wake(now);
        match &mut self.connection {
            Connection::Idle { .. } if self.follower.is_disk_faulty() => {}
            Connection::Idle { dial_at } if *dial_at <= now => {
                self.connection = Connection::Dialing;
                self.effects.push_back(FollowerEffect::Dial.into());
                self.events.emit(Detail::Changes, || ConnectionEvent::Dialing);
            }
            Connection::Up(link) => {
                link.wake(now);
                if let Some(reason) = link.overdue(now, &mut self.events) {
                    return self.close(now, reason);
                }
                self.follower.store_due(now, &mut self.events);
                self.carry_out();
                self.expire_requests(now);
            }
            _ => {}
        }
    }

    fn poll_effect(&mut self) -> Option<Effect<FollowerEffect>> {
        self.effects.pop_front()
    }

    fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = match &self.connection {
            Connection::Idle { .. } if self.follower.is_disk_faulty() => return None,
            Connection::Idle { dial_at } => *dial_at,
            Connection::Dialing | Connection::Stopped => return None,
            Connection::Up(link) => {
                let of_follower = self.follower.next_deadline();
                of_follower.into_iter().fold(link.next_deadline(), Instant::min)
            }
        };
        self.time.outside(deadline)
    }

    fn health(&self, _: Instant) -> SecondaryHealth {
        SecondaryHealth {
            name: self.options.name.clone(),
            phase: self.phase(),
            log_start: LogEnd::ZERO,
            log_end: self.follower.durable_end(),
            committed_end: self.committed_end(),
            epoch: Epoch::FIRST,
            buffered: self.follower.messages_above_gap(),
            connected: self.has_joined(),
            master: self.master.clone(),
            master_http_port: self.master_http_port,
            master_log_end: self.follower.master_log_end(),
            last_error: self.dial_state.last_error().map(str::to_owned),
            disk: self.follower.disk_health(),
        }
    }

    fn disconnect(&mut self, now: Instant) -> usize {
        self.drop_connection(self.time.at(now))
    }
}

#[cfg(test)]
mod test_log;
#[cfg(test)]
mod tests;
