//! One secondary as its master knows it: its connection, if there is one, and its progress.

mod pages;
mod reads;
mod ready;
mod signs;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{IdRange, InstanceId, LogEnd, MESSAGE_TARGET, NodeName, RequestId, SessionId};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info, trace, warn};

use self::pages::Unanswered;
use super::pages::{ReadFor, Reads};
use super::{LeaderEffect, MasterOptions, send};
use crate::frame::{Frame, Request};
use crate::health::{Health, SILENT_AFTER};
use crate::in_flight::{Completed, InFlight};
use crate::line::{Line, LongFrameLosses};
use crate::machine::Effect;
use crate::progress::{Next, Progress, RUNS_IN_FLIGHT_MAX, SentRun};
use crate::status::{MemberHealth, MemberPhase, Status};

/// A secondary that was let in; numbers grow in the order in which their names first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u32);

/// What a member's methods use of the master.
pub(super) struct Context<'a, L> {
    pub(super) options: &'a MasterOptions,
    pub(super) log: &'a L,
    pub(super) durable_end: LogEnd,
    /// Whether requests are delayed on demand: they are noted as sent when they go out.
    pub(super) delays_requests: bool,
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) effects: &'a mut VecDeque<Effect<LeaderEffect>>,
}

/// Whether a secondary's name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Let in, and never ready so far. It counts nowhere, and nothing of it outlives its connection.
    Guest,
    /// Ready for the first time. Its name is on its way to the disk, in the list of this version.
    Registering(u64),
    /// Its name is written down, and so it counts.
    Registered,
}

/// A secondary that was let in.
#[derive(Debug)]
pub(super) struct Member {
    name: NodeName,
    standing: Standing,
    progress: Progress,
    /// Whether it told its position since the master started.
    is_position_known: bool,
    link: Option<Link>,
    retries: u64,
    rtt: Option<Duration>,
    /// When it was last heard from, on whatever connection.
    last_seen: Option<Instant>,
    long_frame_losses: LongFrameLosses,
    unanswered: Unanswered,
}

/// A member's connection. All of it dies with the connection.
#[derive(Debug)]
struct Link {
    session: SessionId,
    instance: InstanceId,
    address: String,
    ready: bool,
    /// The `SecondaryNodeReady` requests that are answered once the name is written down.
    ready_requests: Vec<RequestId>,
    health: Health,
    in_flight: InFlight<Asked>,
    line: Line,
    /// When it is given up; none while it is not unhealthy.
    give_up_at: Option<Instant>,
    heartbeat_due: Instant,
    /// The end of the last page sent.
    paged: LogEnd,
    reads: Reads,
    /// Whether it was asked for pages.
    is_asked_for_pages: bool,
    /// When a part of a frame came last.
    part_at: Option<Instant>,
    /// It was silent until this request, and of those before it some may have been lost; none once that is settled.
    silent_until: Option<RequestId>,
}

impl Link {
    /// Sends a request that is followed on its line.
    fn send<L>(&mut self, now: Instant, request: Frame<IdRange>, context: &mut Context<'_, L>) {
        if !context.delays_requests {
            self.line.sent(now);
        }
        send(context.effects, self.session, request);
    }
}

/// What a request of the master was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Run(SentRun),
    Heartbeat,
    /// Messages from this position on.
    Page(LogEnd),
}

/// A member's new connection.
pub(super) struct NewLink {
    pub(super) session: SessionId,
    pub(super) instance: InstanceId,
    pub(super) address: String,
    /// The position that the handshake told.
    pub(super) end: LogEnd,
}

impl Member {
    /// A secondary that has no connection yet.
    pub(super) fn new(name: NodeName, standing: Standing, options: &MasterOptions) -> Self {
        Self {
            name,
            standing,
            progress: Progress::new(LogEnd::ZERO, options.heartbeat_interval),
            is_position_known: false,
            link: None,
            retries: 0,
            rtt: None,
            last_seen: None,
            long_frame_losses: LongFrameLosses::default(),
            unanswered: Unanswered::default(),
        }
    }

    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    pub(super) fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Returns whether its name is written down: only then do its name and its acks count.
    pub(super) fn is_registered(&self) -> bool {
        self.standing == Standing::Registered
    }

    /// Returns whether it was heard from since then, on whatever connection.
    pub(super) fn is_seen_since(&self, then: Instant) -> bool {
        self.last_seen.is_some_and(|seen| seen >= then)
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        self.link.as_ref().map(|link| link.session)
    }

    pub(super) fn is_instance(&self, instance: InstanceId) -> bool {
        self.link.as_ref().is_some_and(|link| link.instance == instance)
    }

    pub(super) fn status(&self) -> Status {
        self.link.as_ref().map_or(Status::Unhealthy, |link| link.health.status())
    }

    /// The end of what it is known to have acked.
    pub(super) fn acked_end(&self) -> LogEnd {
        self.progress.acked_end()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.ready)
    }

    /// Takes a new connection. A lower position counts at once: the node lost what it had. A higher one counts with the
    /// first request behind the handshake, which may be of a process that is gone, with what it had.
    pub(super) fn connect(&mut self, now: Instant, new: NewLink, options: &MasterOptions) {
        if self.last_seen.is_some() && self.status() == Status::Unhealthy {
            info!(peer = %self.name, before = Status::Unhealthy.as_str(), "healthy again, over a new connection");
        }
        self.progress = Progress::new(new.end.min(self.acked_end()), options.heartbeat_interval);
        self.last_seen = Some(now);
        self.link = Some(Link {
            session: new.session,
            instance: new.instance,
            address: new.address,
            ready: false,
            ready_requests: Vec::new(),
            health: Health::new(now, options.heartbeat_interval),
            in_flight: InFlight::new(options.request_timeout),
            line: Line::new(options.request_timeout),
            give_up_at: None,
            // The first at once: it measures the round trip.
            heartbeat_due: now,
            paged: new.end,
            reads: Reads::default(),
            is_asked_for_pages: false,
            part_at: None,
            silent_until: None,
        });
    }

    /// Gives up the connection. What was acked stays acked. Returns whether it was not unhealthy before.
    pub(super) fn disconnect(&mut self, options: &MasterOptions) -> bool {
        let was_live = self.status() != Status::Unhealthy;
        if let Some(link) = self.link.take()
            && link.line.view().has_long_frame
            && self.long_frame_losses.lost()
        {
            warn!(peer = %self.name, "connections end again and again while a long frame is under way, \
                and short frames pass: does the path drop large packets? Look at its MTU");
        }
        self.progress = Progress::new(self.acked_end(), options.heartbeat_interval);
        was_live
    }

    /// Notes a position that the secondary told. Returns whether it is news.
    pub(super) fn ack(&mut self, end: LogEnd) -> bool {
        let before = self.acked_end();
        self.is_position_known = true;
        let is_news = self.progress.ack(end);
        if is_news {
            debug!(target: MESSAGE_TARGET, peer = %self.name, id = %IdRange::new(before, end), "acked");
        }
        is_news
    }

    /// An answer arrived. Call after [`ack`](Self::ack) where it told a position. Returns whether the request exists.
    pub(super) fn complete(
        &mut self,
        now: Instant,
        request: RequestId,
        failed: bool,
        rng: &mut ChaCha8Rng,
    ) -> bool {
        let Some(link) = &mut self.link else { return true };
        match link.in_flight.complete(now, request) {
            Completed::InTime { what: Asked::Heartbeat, took } => self.note_rtt(request, took),
            Completed::InTime { what: Asked::Page(_), .. } => self.answers_pages(),
            Completed::InTime { what: Asked::Run(run), took } => {
                if failed {
                    debug!(peer = %self.name, %request, id = %run.range, ?took, "AddMessage failed");
                    self.progress.fail(now, run, false, rng);
                } else {
                    debug!(peer = %self.name, %request, id = %run.range, ?took, "AddMessage answered");
                    self.progress.settle(now, run, rng);
                }
            }
            Completed::Late => {
                debug!(peer = %self.name, %request, "late answer: the request is no longer pending");
            }
            Completed::Unknown => return false,
        }
        true
    }

    /// Sends what may be sent now.
    pub(super) fn pump<L: LogView>(&mut self, now: Instant, context: &mut Context<'_, L>) {
        if self.status() == Status::Healthy {
            self.send_runs(now, RUNS_IN_FLIGHT_MAX, context);
        }
    }

    /// Sends runs while fewer than `runs_max` are in flight.
    fn send_runs<L: LogView>(
        &mut self,
        now: Instant,
        runs_max: usize,
        context: &mut Context<'_, L>,
    ) {
        let Some(link) = self.link.as_mut().filter(|link| link.ready) else { return };
        while let Some(next) =
            self.progress.next_run(now, context.log, context.durable_end, runs_max)
        {
            let plan = match next {
                Next::Run(plan) => plan,
                Next::Read(order) => {
                    if link.reads.begin(ReadFor::Run) {
                        let session = link.session;
                        context.effects.push_back(Effect::Read { session, order });
                    }
                    return;
                }
            };
            let run = SentRun { range: plan.range, bytes: plan.bytes };
            let id = link.in_flight.make(now, Asked::Run(run));
            let request = Request::AddMessage { run: plan.range };
            self.retries += u64::from(plan.is_retry);
            let what =
                if plan.is_retry { "sending AddMessage again" } else { "sending AddMessage" };
            debug!(peer = %self.name, request = %id, id = %plan.range, "{what}");
            link.send(now, Frame::Request(id, request), context);
        }
    }

    pub(super) fn handle_timeout<L: LogView>(
        &mut self,
        now: Instant,
        context: &mut Context<'_, L>,
    ) {
        let Some(link) = &mut self.link else { return };
        if let Some(status) = link.health.update(now) {
            let interval = context.options.heartbeat_interval;
            link.give_up_at =
                (status == Status::Unhealthy).then_some(now + interval * SILENT_AFTER);
            let silent = now.saturating_duration_since(link.health.last_seen());
            warn!(peer = %self.name, status = status.as_str(), ?silent, "not heard from");
        }
        while let Some((request, asked)) = link.in_flight.expire(now) {
            match asked {
                Asked::Heartbeat | Asked::Page(_) => {
                    debug!(peer = %self.name, %request, ?asked, "a request timed out");
                }
                Asked::Run(run) => {
                    debug!(peer = %self.name, %request, id = %run.range, "AddMessage timed out");
                    self.progress.fail(now, run, true, context.rng);
                }
            }
        }
        if link.heartbeat_due <= now {
            link.heartbeat_due = now + context.options.heartbeat_interval;
            let id = link.in_flight.make(now, Asked::Heartbeat);
            trace!(peer = %self.name, request = %id, "sending Heartbeat");
            let heartbeat = Request::Heartbeat { log_end: context.durable_end };
            send(context.effects, link.session, Frame::Request(id, heartbeat));
            if link.health.status() != Status::Healthy {
                // Beside the heartbeat one run at most, and only now: a node that does not answer is probed once an
                // interval. When it is heard from again, all that it missed follows at once.
                self.send_runs(now, 1, context);
            }
        }
        self.pump(now, context);
    }

    pub(super) fn next_deadline(&self, durable_end: LogEnd) -> Option<Instant> {
        let link = self.link.as_ref()?;
        let may_send = link.ready && link.health.status() == Status::Healthy;
        let retry = self.progress.next_wakeup(durable_end).filter(|_| may_send);
        [
            link.health.next_change(),
            link.in_flight.next_deadline(),
            link.line.next_look(),
            link.give_up_at,
            retry,
            Some(link.heartbeat_due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn health(&self, now: Instant, durable_end: LogEnd) -> MemberHealth {
        let link = self.link.as_ref();
        let acked_end = self.is_position_known.then(|| self.acked_end());
        MemberHealth {
            name: self.name.clone(),
            status: self.status(),
            phase: match link {
                None => MemberPhase::Disconnected,
                Some(link) if link.ready => MemberPhase::Ready,
                Some(_) => MemberPhase::CatchingUp,
            },
            acked_end,
            lag: acked_end.map(|end| durable_end.get() - end.get()),
            in_flight: self.progress.runs_in_flight(),
            retries: self.retries,
            rtt: self.rtt.filter(|_| link.is_some()),
            last_seen: self.last_seen.map(|seen| now.saturating_duration_since(seen)),
            address: link.map(|link| link.address.clone()),
        }
    }
}
