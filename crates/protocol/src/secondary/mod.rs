//! The secondary: finds its master, fetches what it missed, and takes what comes.
//!
//! It is driven like the [master](super::Master). Its state outside a connection is small: its
//! log's identity and ends, and when to dial next. Everything else belongs to the [`Link`] and dies
//! with it: the handshake, requests in flight, liveness, the [`CatchUp`] that decides which request
//! is next, and the buffer of what has arrived.

mod buffer;
mod catch_up;
mod disk;
mod faults;
mod handshake;
mod io;
mod link;
mod liveness;
mod repair;
mod store;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{DiskFault, Faults, IdRange, LogEnd, LogId, NodeName, Records, SessionId};
pub use buffer::HELD_BYTES_MAX;
pub use io::{FollowerEffect, FollowerInput, RestoredSecondary, SecondaryOptions};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::{info, warn};

use self::catch_up::CatchUp;
use self::link::Link;
use super::backoff::Backoff;
use super::events::Events;
use super::faults::StoreFaults;
use super::frame::{Frame, Request, Response};
use super::line::{LineView, LongFrameLosses};
use super::machine::{Effect, Input, Machine};
use super::own_time::OwnTime;
use super::repair::Repair;
use super::status::{DiskHealth, SecondaryHealth, SecondaryPhase};
use super::{CloseReason, ProtocolError};

/// First pause after a lost connection or a failed attempt to connect. Shorter would be a hot loop against a master
/// that is down; longer would delay a secondary that starts a moment before its master.
const DIAL_PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The secondary's state. `L` is its view of its own log.
#[derive(Debug)]
pub struct Secondary<L> {
    options: SecondaryOptions,
    log: L,
    log_id: Option<LogId>,
    on_disk: bool,
    /// Why the log takes nothing more.
    disk_fault: Option<DiskFault>,
    /// What of the log is damaged.
    repair: Option<Repair>,
    /// The end of what was appended, durable or not.
    log_end: LogEnd,
    /// The contiguous end: what is durable, visible and acked. Invariant: `contiguous_end <= log_end`.
    contiguous_end: LogEnd,
    connection: Connection,
    /// How the last handshake was refused, until another one gets in or the master cannot be reached.
    refusal: Option<SecondaryPhase>,
    master: Option<NodeName>,
    master_log_end: Option<LogEnd>,
    /// Why the last attempt to be connected failed or ended, until one gets in.
    last_error: Option<String>,
    /// Connections in a row that ended before the first page came.
    page_losses: LongFrameLosses,
    dial_backoff: Backoff,
    store_faults: StoreFaults,
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
    /// The shell is dialing.
    Dialing,
    /// Connected.
    Up(Box<Link>),
    /// The node stops, or its disk takes nothing more.
    Stopped,
}

impl<L: LogView> Secondary<L> {
    /// A secondary that goes on where its log ends; it dials its master right away.
    pub fn new(
        now: Instant,
        options: SecondaryOptions,
        restored: RestoredSecondary,
        log: L,
    ) -> Self {
        Self {
            store_faults: StoreFaults::new(Faults::default(), options.seed),
            delays_requests: false,
            time: OwnTime::default(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            dial_backoff: Backoff::new(DIAL_PAUSE_FIRST, options.reconnect_delay),
            options,
            log,
            log_id: restored.log,
            on_disk: restored.on_disk,
            disk_fault: None,
            repair: None,
            log_end: restored.end,
            contiguous_end: restored.end,
            connection: Connection::Idle { dial_at: now },
            refusal: None,
            master: None,
            master_log_end: None,
            last_error: None,
            page_losses: LongFrameLosses::default(),
            effects: VecDeque::new(),
            events: Events::default(),
        }
    }

    /// The identity of the log that this node's messages belong to; none while it never had one.
    pub fn log_id(&self) -> Option<LogId> {
        self.log_id
    }

    /// Whether runs come over the connection. Its end is a change each time then, and logged.
    fn is_ready(&self) -> bool {
        self.link().is_some_and(Link::is_ready)
    }

    /// Whether the master has accepted this node's handshake.
    fn has_joined(&self) -> bool {
        self.link().is_some_and(|link| link.catch_up().is_some())
    }

    fn link(&self) -> Option<&Link> {
        match &self.connection {
            Connection::Up(link) => Some(link),
            _ => None,
        }
    }

    fn catch_up_mut(&mut self) -> Option<&mut CatchUp> {
        match &mut self.connection {
            Connection::Up(link) => link.catch_up_mut(),
            _ => None,
        }
    }

    fn session(&self) -> Option<SessionId> {
        self.link().map(Link::session)
    }

    fn dial_failed(&mut self, now: Instant, reason: String) {
        if matches!(self.connection, Connection::Stopped) {
            return;
        }
        let pause = self.dial_later(now);
        self.refusal = None;
        warn!(repeats = true, reason, ?pause, "cannot reach the master; trying again");
        self.last_error = Some(reason);
    }

    /// Gives up what belongs to the connection and sets the time of the next dial.
    fn dial_later(&mut self, now: Instant) -> Duration {
        if matches!(self.connection, Connection::Stopped) {
            return Duration::ZERO;
        }
        let catch_up = self.link().and_then(Link::catch_up);
        let lost_page = catch_up.is_some_and(CatchUp::lacks_first_page);
        if lost_page && self.page_losses.lost() {
            warn!(
                "connections end again and again before the first page of messages comes, while short \
                frames pass: does the path drop large packets? Look at its MTU"
            );
        }
        let pause = self.dial_backoff.pause(&mut self.rng);
        self.connection = Connection::Idle { dial_at: now + pause };
        pause
    }

    fn close(&mut self, now: Instant, reason: CloseReason) {
        let Some(session) = self.session() else { return };
        let repeats = !self.is_ready();
        let pause = self.dial_later(now);
        warn!(repeats, %reason, ?pause, "closing the connection to the master; dialing again");
        // A refusal has a detail of its own.
        if reason != CloseReason::Refused {
            self.last_error = Some(reason.to_string());
        }
        self.effects.push_back(Effect::Close { session, reason });
    }

    /// Gives up the connection for good.
    fn end(&mut self, reason: CloseReason) {
        if let Some(session) = self.session() {
            self.effects.push_back(Effect::Close { session, reason });
        }
        self.connection = Connection::Stopped;
    }

    /// Whether the session is the current one; notes that the master was heard from.
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
            Frame::Request(id, Request::AddMessage { run }) => self.take_run(now, id, run),
            Frame::Request(id, Request::Heartbeat { log_end }) => {
                if self.has_joined() {
                    self.note_master_end(log_end);
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

    fn note_master_end(&mut self, end: LogEnd) {
        self.master_log_end = self.master_log_end.max(Some(end));
    }

    /// Answers and asks what the contiguous end allows, unless the node is paused.
    fn act_on_durable(&mut self, now: Instant) {
        if !self.is_paused() {
            self.answer_durable();
            self.make_requests(now);
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
                    self.part_came(now);
                }
            }
            Input::Read { session, found } => self.take_read(now, session, found),
            Input::SessionDown { session, reason } => {
                if self.session() == Some(session) {
                    let repeats = !self.is_ready();
                    let pause = self.dial_later(now);
                    warn!(repeats, %reason, ?pause,
                        "the connection to the master is gone; dialing again");
                    self.last_error = Some(reason.to_string());
                }
            }
            Input::Durable(end) => self.durable(now, end),
            Input::DiskFault(fault) => self.disk_faulty(now, fault),
            Input::DiskWell => self.disk_well(now),
            Input::Damage(damage) => self.damaged(now, damage),
            Input::Shutdown => self.end(CloseReason::Stopping),
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
        self.repair.iter_mut().for_each(|repair| repair.wake(now));
        match &mut self.connection {
            Connection::Idle { .. } if self.disk_fault.is_some() => {}
            Connection::Idle { dial_at } if *dial_at <= now => {
                self.connection = Connection::Dialing;
                self.effects.push_back(FollowerEffect::Dial.into());
                info!(repeats = true, "connecting to the master");
            }
            Connection::Up(_) => {
                if let Some(reason) = self.overdue(now) {
                    return self.close(now, reason);
                }
                self.store_due(now);
                self.link_timeout(now);
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
            Connection::Idle { .. } if self.disk_fault.is_some() => return None,
            Connection::Idle { dial_at } => *dial_at,
            Connection::Dialing | Connection::Stopped => return None,
            Connection::Up(link) => {
                let repair = self.repair.as_ref().and_then(Repair::next_deadline);
                repair.into_iter().fold(link.next_deadline(), Instant::min)
            }
        };
        self.time.outside(deadline)
    }

    fn health(&self, _: Instant) -> SecondaryHealth {
        let link = self.link();
        SecondaryHealth {
            name: self.options.name.clone(),
            phase: self.phase(),
            log_end: self.contiguous_end,
            buffered: link.map_or(0, |link| link.buffer.messages_above_gap()),
            connected: self.has_joined(),
            master: self.master.clone(),
            master_log_end: self.master_log_end,
            last_error: self.last_error.clone(),
            disk: DiskHealth::new(self.on_disk, self.fault_shown()),
        }
    }

    fn disconnect(&mut self, now: Instant) -> usize {
        self.drop_connection(self.time.at(now))
    }
}

#[cfg(test)]
mod tests;
