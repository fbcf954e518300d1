//! A wrapper that injects faults into a machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use acklog_types::{Faults, IdRange, NodeName, SessionId};

use super::{FaultHooks, Injector, Outgoing};
use crate::delayed::Delayed;
use crate::events::{Detail, Events, NodeEvent};
use crate::frame::Frame;
use crate::line::LineView;
use crate::machine::{Effect, Input, Machine};

/// A machine of either role whose frames are delayed, dropped or doubled on demand, and which can
/// be paused.
///
/// Requests are timed from when the machine makes them, however late they are written. Delayed ones
/// die with their session. The clock of delays stands still while the node is paused.
///
/// Until it is given a fault it passes everything on, at the cost of one branch. A node without
/// `--allow-faults` and without delays stays like that. This is decided by a value and not by a
/// type, so that the driver, which is generic over machines, is not compiled twice for each role.
#[derive(Debug)]
pub struct Faulty<M> {
    machine: M,
    /// None until faults are set.
    injection: Option<Box<Injection>>,
}

/// The state of the injected faults.
#[derive(Debug)]
struct Injection {
    injector: Injector,
    /// The node's own time, as of the last call with a time.
    now: Instant,
    outbound: BTreeMap<SessionId, Outbound>,
    /// Frames to write next.
    ready: VecDeque<(SessionId, Frame<IdRange>)>,
}

/// The sending direction of one session.
#[derive(Debug)]
struct Outbound {
    /// Kept here, since a session may end while some of its frames are not polled yet.
    peer: Option<NodeName>,
    /// Requests that wait for their delay.
    delayed: Delayed<Outgoing>,
}

impl<M: FaultHooks> Faulty<M> {
    /// Wraps a machine, with these faults from the start.
    pub fn new(now: Instant, machine: M, faults: Faults) -> Self {
        let mut faulty = Self { machine, injection: None };
        // Drawn in any case, so that the machine's other draws are the same with faults and
        // without.
        let seed = faulty.machine.draw_seed();
        if faults != Faults::default() {
            faulty.inject(now, faults, seed);
        }
        faulty
    }

    /// Returns the machine inside.
    #[inline]
    pub fn get_ref(&self) -> &M {
        &self.machine
    }

    /// Returns the machine inside, for calls of one role only.
    #[inline]
    pub fn get_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Replaces the faults; they start new draws. Frames that wait for a delay keep it.
    pub fn set_faults(&mut self, now: Instant, faults: Faults) {
        let seed = self.machine.draw_seed();
        self.inject(now, faults, seed);
    }

    fn inject(&mut self, now: Instant, faults: Faults, seed: u64) {
        let own_now = self.machine.own_time().at(now);
        let injection = self.injection.get_or_insert_with(|| Box::new(Injection::new(own_now)));
        let was = injection.injector.faults();
        if faults != was {
            let event = || NodeEvent::FaultsChanged { faults, was };
            self.machine.events().emit(Detail::Changes, event);
        }
        injection.injector.replace(faults, seed);
        self.machine.set_faults(now, faults, seed);
        injection.now = self.machine.own_time().at(now);
    }

    /// Returns the faults in force.
    pub fn faults(&self) -> Faults {
        self.injection.as_ref().map(|injection| injection.injector.faults()).unwrap_or_default()
    }

    /// Returns whether the node is paused on demand. A paused node must not be given connections
    /// and frames.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.machine.own_time().is_paused()
    }
}

impl<M: FaultHooks> Machine for Faulty<M> {
    type Input = M::Input;
    type Effect = M::Effect;
    type Health = M::Health;

    #[inline]
    fn step(&mut self, now: Instant, input: Input<M::Input>) {
        if let Some(injection) = &mut self.injection {
            injection.now = self.machine.own_time().at(now);
            if let Input::SessionDown { session, .. } = input {
                injection.session_ends(&self.machine, session);
            }
        }
        self.machine.step(now, input);
    }

    fn look(&mut self, now: Instant, look: impl FnMut(SessionId) -> LineView) {
        self.machine.look(now, look);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
        if let Some(injection) = &mut self.injection
            && !self.machine.own_time().is_paused()
        {
            injection.now = self.machine.own_time().at(now);
            injection.send_due(&mut self.machine);
        }
    }

    #[inline]
    fn poll_effect(&mut self) -> Option<Effect<M::Effect>> {
        let Some(injection) = &mut self.injection else { return self.machine.poll_effect() };
        loop {
            if let Some((session, frame)) = injection.ready.pop_front() {
                return Some(Effect::Send { session, frame });
            }
            match self.machine.poll_effect()? {
                Effect::Send { session, frame } if injection.injector.touches_frames() => {
                    injection.send(&mut self.machine, session, frame);
                }
                effect => {
                    if let Effect::Close { session, .. } = &effect {
                        injection.outbound.remove(session);
                    }
                    return Some(effect);
                }
            }
        }
    }

    fn events(&mut self) -> &mut Events {
        self.machine.events()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.machine.next_deadline();
        let Some(injection) = &self.injection else { return deadline };
        let delayed = injection.outbound.values().filter_map(|out| out.delayed.next_deadline());
        let delayed = delayed.min().and_then(|due| self.machine.own_time().outside(due));
        deadline.into_iter().chain(delayed).min()
    }

    fn health(&self, now: Instant) -> M::Health {
        self.machine.health(now)
    }

    fn disconnect(&mut self, now: Instant) -> usize {
        self.machine.disconnect(now)
    }
}

impl Injection {
    /// Creates the state without a fault.
    fn new(now: Instant) -> Self {
        let injector = Injector::new(Faults::default(), 0);
        Self { injector, now, outbound: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// Sends a frame, now or later, as many times as drawn.
    fn send<M: FaultHooks>(&mut self, machine: &mut M, session: SessionId, frame: Frame<IdRange>) {
        let peer = self.peer(machine, session);
        let is_late = self.injector.delays(&frame);
        let outgoing = self.injector.outgoing(peer.as_ref(), frame);
        for stage in outgoing.stages() {
            machine.events().emit(Detail::Frames, || outgoing.event(peer.clone(), stage));
        }
        if outgoing.delay.is_zero() {
            if is_late {
                machine.sent(self.now, session);
            }
            self.ready.extend(outgoing.frames().map(|frame| (session, frame)));
        } else if machine.is_open(session) {
            let out = self.outbound.entry(session).or_insert_with(|| Outbound::to(peer));
            out.delayed.insert(self.now + outgoing.delay, outgoing);
        }
    }

    /// Returns the peer of a session, as [`FaultHooks::peer`] does, also once the session has
    /// ended.
    fn peer<M: FaultHooks>(&mut self, machine: &M, session: SessionId) -> Option<NodeName> {
        if let Some(out) = self.outbound.get(&session) {
            return out.peer.clone();
        }
        let peer = machine.peer(session)?;
        self.outbound.retain(|&session, _| machine.is_open(session));
        self.outbound.insert(session, Outbound::to(Some(peer.clone())));
        Some(peer.clone())
    }

    /// Drops the frames that wait on a session. Must be called before the machine learns that it
    /// ends.
    fn session_ends<M: FaultHooks>(&mut self, machine: &M, session: SessionId) {
        // Frames of this event-loop iteration may still be polled.
        if self.injector.touches_frames() {
            self.peer(machine, session);
        }
        if let Some(out) = self.outbound.get_mut(&session) {
            out.delayed = Delayed::new();
        }
    }

    /// Sends the requests whose delay is over, and drops those of sessions that the machine has
    /// closed.
    fn send_due<M: FaultHooks>(&mut self, machine: &mut M) {
        let mut sent = Vec::new();
        for session in machine.sessions() {
            let Some(out) = self.outbound.get_mut(&session) else { continue };
            while let Some(outgoing) = out.delayed.pop(self.now) {
                // Another copy may have brought the run meanwhile.
                if outgoing.run().is_none_or(|run| machine.lacks(session, run)) {
                    sent.push(session);
                    self.ready.extend(outgoing.frames().map(|frame| (session, frame)));
                }
            }
        }
        sent.into_iter().for_each(|session| machine.sent(self.now, session));
        for (_, out) in self.outbound.iter_mut().filter(|(session, _)| !machine.is_open(**session))
        {
            out.delayed = Delayed::new();
        }
    }
}

impl Outbound {
    fn to(peer: Option<NodeName>) -> Self {
        Self { peer, delayed: Delayed::new() }
    }
}

#[cfg(test)]
mod tests;
