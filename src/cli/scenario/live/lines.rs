//! The lines of append streams to real nodes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acklog_sim::scenario::{
    Backend, NodeHealth, Reply, StreamStep, Ticket, TimedReply, Trouble, master,
};

use super::{LineTickets, Live, lock};
use crate::cli::scenario::line_stream::{LineStream, OnReply};
use crate::cli::scenario::nodes::{Nodes, Reach};

impl<N: Nodes> Live<N> {
    /// Sends lines of a stream, and waits until the master has taken them or has answered.
    pub(super) fn send_lines(&mut self, step: &StreamStep) -> Result<Vec<Ticket>, Trouble> {
        let before = match self.health(&master()) {
            Ok(NodeHealth::Master(health)) => Some(health.end),
            _ => None,
        };
        let sent = Instant::now();
        let tickets: Vec<Ticket> = step.texts.iter().map(|_| self.next_ticket()).collect();
        let Some(Reach::Url(url)) = self.nodes.reach(&master()) else {
            for ticket in &tickets {
                let answer = Reply::Lost("the master is down".to_owned());
                let lost = TimedReply { answer, took: Duration::ZERO };
                lock(&self.answers).insert(*ticket, lost);
            }
            return Ok(tickets);
        };
        if !self.streams.contains_key(&step.stream) {
            let lines = LineTickets::default();
            let on_reply = self.on_reply(&lines);
            let stream = LineStream::begin(&self.runtime, url, on_reply);
            self.streams.insert(step.stream.clone(), (stream, lines));
        }
        if let Some((stream, lines)) = self.streams.get_mut(&step.stream) {
            lock(lines).extend(tickets.iter().map(|ticket| (*ticket, sent)));
            stream.send(step);
        }
        if let (Some(before), Some(&last)) = (before, tickets.last()) {
            self.wait_until_taken(last, before + tickets.len() as u64 - 1)?;
        }
        Ok(tickets)
    }

    /// Returns what notes the replies to the lines of a stream.
    fn on_reply(&self, lines: &LineTickets) -> OnReply {
        let (answers, lines) = (Arc::clone(&self.answers), Arc::clone(lines));
        Arc::new(move |line, reply| {
            let lines = lock(&lines);
            let answered = match line {
                Some(line) => lines.get(line as usize..=line as usize),
                None => Some(&lines[..]),
            };
            for (ticket, sent) in answered.unwrap_or_default() {
                let timed = TimedReply { answer: reply.clone(), took: sent.elapsed() };
                lock(&answers).entry(*ticket).or_insert(timed);
            }
        })
    }
}
