//! Checks expectations against what the backend shows.

use std::time::Duration;

use acklog_types::{NodeName, WriteConcern};

use super::Player;
use crate::scenario::backend::{Backend, Reply, ReplyReceipt, Shown, TimedReply, Trouble};
use crate::scenario::expect::{Expectation, ReplyDetails, ReplyKind};
use crate::scenario::health::Fact;
use crate::scenario::sent::{is_dense, list};

impl<B: Backend> Player<'_, B> {
    /// Waits until an expectation holds. Returns the line that the story has about it.
    pub(super) fn expect(&mut self, expectation: &Expectation) -> Result<String, Trouble> {
        match expectation {
            Expectation::Answers { kind, labels, like, within } => {
                self.until(*within, |player| {
                    labels.iter().try_for_each(|label| player.answer(label).map(|_| ()))
                })?;
                for label in labels {
                    self.answer_is(label, kind, like).map_err(Trouble::Failed)?;
                }
                let line = |label: &String| format!("{label}: {}{like}\n", kind.as_str());
                return Ok(labels.iter().map(line).collect());
            }
            Expectation::Waiting { labels, lasting } => {
                self.lasting(*lasting, |player| {
                    labels.iter().try_for_each(|label| player.is_waiting(label))
                })?;
                return Ok(labels.iter().map(|label| format!("{label}: waiting\n")).collect());
            }
            Expectation::Health { node, facts, within, lasting } => {
                self.until(*within, |player| player.has_facts(node, facts))?;
                self.lasting(*lasting, |player| player.has_facts(node, facts))?;
                let facts: Vec<_> = facts.iter().map(Fact::to_string).collect();
                return Ok(format!("{node}: {}\n", facts.join(" ")));
            }
            Expectation::Ready { nodes, within } => {
                self.until(*within, |player| player.are_ready(nodes))?;
            }
            Expectation::Messages { node, concern, texts, within } => {
                self.until(*within, |player| player.shows(node, *concern, texts))?;
            }
            Expectation::Followed { reader, texts, within, lasting } => {
                self.until(*within, |player| player.readers.received(reader, texts))?;
                self.lasting(*lasting, |player| player.readers.received(reader, texts))?;
            }
            Expectation::Same { nodes, within } => {
                self.until(*within, |player| player.are_same(nodes))?;
            }
            Expectation::Prefix(nodes) => {
                nodes.iter().try_for_each(|node| self.shows_prefix(node))?;
            }
            Expectation::Once { nodes, texts } => {
                nodes.iter().try_for_each(|node| self.shows_once(node, texts))?;
            }
            Expectation::Kept(nodes) => {
                for node in nodes {
                    let shown = self.messages(node)?;
                    self.sent.judge(node, &shown, self.backend).map_err(Trouble::Failed)?;
                }
            }
            Expectation::Load { answered, within } => {
                self.until(*within, |player| player.load_is_at(*answered))?;
            }
            Expectation::NoStart { node, says } => {
                let said = self.backend.refuses_to_start(node)?;
                if says.as_ref().is_some_and(|says| !said.contains(says)) {
                    return Err(Trouble::Failed(said));
                }
            }
            Expectation::Aside { node, text } => {
                if !self.backend.is_aside(node, text)? {
                    return Err(Trouble::failed("no file that was moved aside holds it"));
                }
            }
        }
        Ok("so it is\n".to_owned())
    }

    fn messages(&mut self, node: &NodeName) -> Result<Shown, Trouble> {
        self.backend.messages(node).map_err(Trouble::Failed)
    }

    fn answer(&mut self, label: &str) -> Result<TimedReply, String> {
        let ticket = self.ticket(label).map_err(|trouble| trouble.to_string())?;
        self.backend.answer(ticket).ok_or_else(|| format!("{label} has no answer"))
    }

    /// A reply that came never changes: it fits now, or never will.
    fn answer_is(
        &mut self,
        label: &str,
        kind: &ReplyKind,
        like: &ReplyDetails,
    ) -> Result<(), String> {
        let answered = self.answer(label)?;
        match kind.is_of(&answered.answer) && like.fits(&answered) {
            true => Ok(()),
            false => Err(format!("{label}: {}", described(&answered))),
        }
    }

    fn is_waiting(&mut self, label: &str) -> Result<(), String> {
        let ticket = self.ticket(label).map_err(|trouble| trouble.to_string())?;
        match self.backend.answer(ticket) {
            None => Ok(()),
            Some(answered) => Err(format!("{label}: {}", described(&answered))),
        }
    }

    fn has_facts(&mut self, node: &NodeName, facts: &[Fact]) -> Result<(), String> {
        let health = self.backend.health(node)?;
        let wrong = |fact: &&Fact| !fact.holds(health.fact(&fact.field).as_deref());
        match facts.iter().find(wrong) {
            None => Ok(()),
            Some(Fact { field, .. }) => {
                let seen = health.fact(field).unwrap_or_else(|| "not known".to_owned());
                Err(format!("{node}: {field} is {seen}"))
            }
        }
    }

    /// Checks both sides: a master may not have noticed yet that a secondary is gone.
    fn are_ready(&mut self, nodes: &[NodeName]) -> Result<(), String> {
        let health = self.backend.health(&crate::scenario::master())?;
        for node in nodes {
            if !health.counts_on(node) {
                return Err(format!("the master does not count on {node}"));
            }
            if !self.backend.health(node)?.is_ready_secondary() {
                return Err(format!("{node} does not say that it is ready"));
            }
        }
        Ok(())
    }

    fn shows(
        &mut self,
        node: &NodeName,
        concern: WriteConcern,
        texts: &[String],
    ) -> Result<(), String> {
        let shown = self.backend.read(node, concern)?;
        let is_same = is_dense(&shown) && shown.iter().map(|(_, text)| text).eq(texts);
        if is_same { Ok(()) } else { Err(format!("{node}: {}", list(&shown))) }
    }

    fn are_same(&mut self, nodes: &[NodeName]) -> Result<(), String> {
        let mut lists = Vec::new();
        for node in nodes {
            lists.push((node, self.backend.messages(node)?));
        }
        for pair in lists.windows(2) {
            if let [(one, first), (other, second)] = pair
                && first != second
            {
                let (first, second) = (list(first), list(second));
                return Err(format!("{one} shows {first}, {other} {second}"));
            }
        }
        Ok(())
    }

    fn shows_prefix(&mut self, node: &NodeName) -> Result<(), Trouble> {
        let (shown, all) = (self.messages(node)?, self.messages(&crate::scenario::master())?);
        if is_dense(&shown) && all.starts_with(&shown) {
            return Ok(());
        }
        let (shown, all) = (list(&shown), list(&all));
        Err(Trouble::Failed(format!("{node} shows {shown}, the master {all}")))
    }

    fn shows_once(&mut self, node: &NodeName, texts: &[String]) -> Result<(), Trouble> {
        let shown = self.messages(node)?;
        for wanted in texts {
            let times = shown.iter().filter(|(_, text)| text == wanted).count();
            if times != 1 {
                return Err(Trouble::Failed(format!("{node} shows {wanted:?} {times} times")));
            }
        }
        Ok(())
    }

    fn load_is_at(&mut self, answered: Option<u64>) -> Result<(), String> {
        let Some(load) = &self.load else { return Err("there is no load".to_owned()) };
        match answered {
            Some(wanted) if load.answered() >= wanted => Ok(()),
            None if load.is_done() => Ok(()),
            _ => Err(format!("{} messages of the load are answered", load.answered())),
        }
    }
}

impl ReplyKind {
    fn is_of(&self, answer: &Reply) -> bool {
        match answer {
            Reply::Stored(_) => *self == Self::Answered,
            Reply::TimedOut(_) => *self == Self::TimedOut,
            Reply::Unfinished(..) => *self == Self::Unfinished,
            Reply::Refused(_) => *self == Self::Refused,
            Reply::Lost(_) => *self == Self::Lost,
        }
    }
}

impl ReplyDetails {
    fn fits(&self, answered: &TimedReply) -> bool {
        let TimedReply { answer, took } = answered;
        let in_time = self.took.is_none_or(|range| (range.min()..=range.max()).contains(took));
        in_time
            && match answer {
                Reply::Stored(receipt) | Reply::TimedOut(receipt) => {
                    self.says.is_none() && self.fits_receipt(receipt)
                }
                Reply::Unfinished(receipt, said) => {
                    self.fits_said(said) && self.fits_receipt(receipt)
                }
                Reply::Refused(said) | Reply::Lost(said) => {
                    self.fits_said(said) && self.id.is_none() && self.acked.is_none()
                }
            }
    }

    fn fits_said(&self, said: &str) -> bool {
        self.says.as_ref().is_none_or(|says| said.contains(says))
    }

    fn fits_receipt(&self, receipt: &ReplyReceipt) -> bool {
        // The order in which secondaries ack varies.
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        let are_same = |names: &Vec<String>| sorted(names) == sorted(&receipt.acked_by);
        self.id.is_none_or(|id| id == receipt.id)
            && self.write_concern.is_none_or(|nodes| nodes == receipt.write_concern)
            && self.acked.as_ref().is_none_or(are_same)
    }
}

impl std::fmt::Display for ReplyDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(id) = self.id {
            write!(f, " id={id}")?;
        }
        if let Some(nodes) = self.write_concern {
            write!(f, " w={nodes}")?;
        }
        if let Some(acked) = &self.acked {
            write!(f, " acked={}", acked.join(","))?;
        }
        self.says.iter().try_for_each(|says| write!(f, " says={says:?}"))?;
        self.took.iter().try_for_each(|range| write!(f, " took={range}"))
    }
}

/// Describes a reply for the report of a failure.
fn described(answered: &TimedReply) -> String {
    let after = millis(answered.took);
    let receipt = |receipt: &ReplyReceipt| {
        let (id, nodes, acked) = (receipt.id, receipt.write_concern, receipt.acked_by.join(","));
        format!("id={id} w={nodes} acked={acked}")
    };
    match &answered.answer {
        Reply::Stored(stored) => format!("answered {} after {after}", receipt(stored)),
        Reply::TimedOut(stored) => format!("timed out {} after {after}", receipt(stored)),
        Reply::Unfinished(it, said) => format!("unfinished {} ({said})", receipt(it)),
        Reply::Refused(said) => format!("refused after {after}: {said}"),
        Reply::Lost(said) => format!("no answer after {after}: {said}"),
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
