//! Plays a scenario against a backend, step by step, and returns its story.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use acklog_types::{NodeName, WriteConcern};
use thiserror::Error;

use super::action::{Action, AppendStep};
use super::backend::{Backend, Shown, Ticket, Trouble};
use super::load::Load;
use super::readers::Readers;
use super::sent::{SentMessages, is_dense, list};
use super::step::{Script, ScriptLine, Step};

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {text}\n  seen instead: {trouble}")]
pub struct Broken {
    /// Number of the line, from 1.
    pub line: usize,
    /// Line as it is written.
    pub text: String,
    /// Trouble that was seen instead.
    pub trouble: Trouble,
}

/// A step that a backend cannot carry out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {text}\n  {lacks}")]
pub struct Lacking {
    /// Number of the line, from 1.
    pub line: usize,
    /// Line as it is written.
    pub text: String,
    /// Ability that is missing, as a sentence.
    pub lacks: String,
}

/// Use of the recorded traces in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Compares each with the trace of the run.
    Compare,
    /// Ignores them.
    Ignore,
}

/// Plays scenarios against a backend.
pub struct Player<'a, B> {
    backend: &'a mut B,
    sent: SentMessages,
    load: Option<Load>,
    readers: Readers,
    /// Messages that each watched node showed last.
    watched: BTreeMap<NodeName, Shown>,
    /// Nodes whose processes are stopped.
    paused: Vec<NodeName>,
    parts: usize,
}

impl<'a, B: Backend> Player<'a, B> {
    /// Creates a player of one scenario.
    pub fn new(backend: &'a mut B) -> Self {
        let (sent, readers) = (SentMessages::default(), Readers::default());
        let (load, watched) = (None, BTreeMap::new());
        Self { backend, sent, load, readers, watched, paused: Vec::new(), parts: 0 }
    }

    /// Checks that the backend has everything that the scenario needs, before anything is done.
    ///
    /// # Errors
    /// When it lacks something, with the first line that needs it.
    pub fn check(&self, script: &Script) -> Result<(), Lacking> {
        for ScriptLine { number, text, step } in script.lines() {
            if let Some(lacks) = self.backend.lacks(step) {
                return Err(Lacking { line: *number, text: text.clone(), lacks });
            }
        }
        Ok(())
    }

    /// Plays all steps and passes on the story, piece by piece.
    ///
    /// # Errors
    /// When a step fails; those behind it are not played.
    pub fn play(
        &mut self,
        script: &Script,
        recorded: Recorded,
        story: impl FnMut(&str),
    ) -> Result<(), Broken> {
        self.play_to(script, recorded, &mut Story(story))
    }

    /// Plays all steps before an audience.
    ///
    /// # Errors
    /// When a step fails, or the audience ends the run; the steps behind it are not played.
    pub fn play_to(
        &mut self,
        script: &Script,
        recorded: Recorded,
        audience: &mut impl Audience<B>,
    ) -> Result<(), Broken> {
        let played = self.blocks(script, recorded, audience);
        played.inspect_err(|broken| audience.broken(self.backend, broken))
    }

    fn blocks(
        &mut self,
        script: &Script,
        recorded: Recorded,
        audience: &mut impl Audience<B>,
    ) -> Result<(), Broken> {
        for block in &script.blocks {
            let mut trace = String::new();
            for line in &block.lines {
                let shown = self.headline(line);
                let begun = audience.begins(self.backend, line, &shown);
                begun.map_err(|trouble| line.broken(trouble))?;
                let outcome = self.line(line, &mut trace)?;
                audience.done(self.backend, line, &indented(&outcome.unwrap_or_default()));
            }
            if let (Recorded::Compare, Some(wanted), Some(line)) =
                (recorded, &block.recorded, block.lines.last())
            {
                compared(wanted, &or_ok(trace)).map_err(|trouble| line.broken(trouble))?;
            }
        }
        Ok(())
    }

    /// Plays all steps and returns the text of the file with the traces of this run.
    ///
    /// # Errors
    /// When a step fails.
    pub fn record(&mut self, script: &Script) -> Result<String, Broken> {
        let mut file = String::new();
        for (number, block) in script.blocks.iter().enumerate() {
            file += &block.literal;
            let mut trace = String::new();
            for line in &block.lines {
                self.line(line, &mut trace)?;
            }
            if block.recorded.is_some() {
                let is_last = number + 1 == script.blocks.len();
                let end = if is_last { "" } else { "\n" };
                write!(file, "---\n{}{end}", or_ok(trace)).expect("a string takes all");
            }
        }
        Ok(file)
    }

    /// Plays a line and adds what happened to the trace. Returns its result for the story.
    fn line(&mut self, line: &ScriptLine, trace: &mut String) -> Result<Option<String>, Broken> {
        let outcome = self.step(&line.step).map_err(|trouble| line.broken(trouble))?;
        trace.push_str(&self.backend.take_trace());
        if let Some(outcome) = outcome.as_ref().filter(|_| !matches!(line.step, Step::Expect(_))) {
            trace.push_str(outcome);
        }
        Ok(match line.step {
            // A real node whose process is stopped does not answer.
            Step::Logs | Step::Health => outcome.map(|lines| self.without_paused(&lines)),
            _ => outcome,
        })
    }

    /// Leaves out the lines about simulated nodes that are paused.
    fn without_paused(&self, lines: &str) -> String {
        let is_of = |line: &&str, node: &NodeName| {
            let behind = line.strip_prefix(node.as_str());
            behind.is_some_and(|behind| behind.starts_with([' ', ':']))
        };
        let lines = lines.lines().filter(|line| !self.paused.iter().any(|node| is_of(line, node)));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Returns what a story shows of a line before it is played.
    fn headline(&mut self, line: &ScriptLine) -> String {
        match &line.step {
            Step::Story(text) => format!("== {text}\n"),
            Step::Part(text) => {
                self.parts += 1;
                format!("{:2}. {text}\n", self.parts)
            }
            Step::Moral(text) => format!("== as promised: {text}\n"),
            _ => format!("    {}\n", line.text),
        }
    }

    fn step(&mut self, step: &Step) -> Result<Option<String>, Trouble> {
        match step {
            Step::Story(_) | Step::Part(_) | Step::Moral(_) => {}
            Step::Act(action) => return self.act(action),
            Step::Append(append) => self.append(append)?,
            Step::Wait(wait) => {
                let ticket = self.backend.wait(wait)?;
                self.sent.note_wait(&wait.label, ticket);
            }
            Step::Fill { count, bytes } => {
                let append = AppendStep {
                    label: "fill".to_owned(),
                    texts: vec!["x".repeat(*bytes)],
                    write_concern: Some(WriteConcern::Nodes(1)),
                    timeout: None,
                    key: None,
                    expected_end: None,
                };
                (0..*count).try_for_each(|_| self.append(&append))?;
                self.backend.take_trace();
            }
            Step::Stream(lines) => {
                let tickets = self.backend.stream(lines)?;
                for (text, ticket) in lines.texts.iter().zip(tickets) {
                    self.sent.note(lines.line(text), ticket);
                }
            }
            Step::HangUp(label) if self.backend.end_stream(label) => {}
            Step::HangUp(label) => {
                let ticket = self.ticket(label)?;
                self.backend.hang_up(ticket);
            }
            Step::Follow(follow) => {
                self.look()?;
                self.readers.follow(follow, self.backend)?;
                self.look()?;
            }
            Step::Run(time) => self.run(*time)?,
            Step::Load(plan) => self.load = Some(Load::new(plan.clone())),
            Step::Watch(nodes) => {
                self.watched = nodes.iter().map(|node| (node.clone(), Shown::new())).collect();
            }
            Step::Logs => return Ok(Some(self.logs())),
            Step::Health => return Ok(Some(self.health())),
            Step::Expect(expectation) => return self.expect(expectation).map(Some),
        }
        Ok(None)
    }

    fn act(&mut self, action: &Action) -> Result<Option<String>, Trouble> {
        self.look()?;
        let result = self.backend.act(action)?;
        match action {
            Action::Cluster(_) => self.readers.clear(),
            Action::Pause(node) => self.paused.push(node.clone()),
            Action::Resume(node) => self.paused.retain(|paused| paused != node),
            _ => {}
        }
        let nodes = self.backend.nodes();
        self.paused.retain(|node| nodes.contains(node));
        for (_, shown) in self.watched.iter_mut().filter(|(node, _)| !nodes.contains(node)) {
            // After its next start it may show less than before.
            shown.clear();
        }
        Ok(result)
    }

    fn append(&mut self, append: &AppendStep) -> Result<(), Trouble> {
        let ticket = self.backend.append(append)?;
        self.sent.note(append.clone(), ticket);
        Ok(())
    }

    /// Returns the last client under a label; a number is one of a recorded trace.
    fn ticket(&self, label: &str) -> Result<Ticket, Trouble> {
        let recorded = label.parse().ok().map(Ticket);
        let found = self.sent.ticket(label).or(recorded);
        found.ok_or_else(|| Trouble::failed(format!("nothing was sent as {label:?}")))
    }

    fn run(&mut self, time: Duration) -> Result<(), Trouble> {
        if self.load.is_none() && self.readers.is_empty() && self.watched.is_empty() {
            return self.backend.pass(time);
        }
        let end = self.backend.now() + time;
        while self.backend.now() < end {
            self.look()?;
            let pause = self.backend.pause_between_looks();
            self.backend.pass(pause.min(end.saturating_sub(self.backend.now())))?;
        }
        Ok(())
    }

    /// Checks a condition until it holds, at least once and for at most `within`.
    fn until(
        &mut self,
        within: Duration,
        mut check: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        let end = self.backend.now() + within;
        loop {
            self.look()?;
            let Err(seen) = check(self) else { return Ok(()) };
            if self.backend.now() >= end {
                return Err(Trouble::Failed(seen));
            }
            self.backend.pass(self.backend.pause_between_looks())?;
        }
    }

    /// Checks a condition again and again for this time, in which it must hold.
    fn lasting(
        &mut self,
        time: Duration,
        mut check: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        let end = self.backend.now() + time;
        loop {
            self.look()?;
            check(self).map_err(Trouble::Failed)?;
            if self.backend.now() >= end {
                return Ok(());
            }
            self.backend.pass(self.backend.pause_between_looks())?;
        }
    }

    /// Continues what runs beside the steps: the load, the readers and the watches.
    fn look(&mut self) -> Result<(), Trouble> {
        if let Some(load) = &mut self.load {
            load.go_on(self.backend, &mut self.sent)?;
        }
        self.readers.take(&self.sent, self.backend)?;
        for (node, before) in &mut self.watched {
            // A node that is down shows nothing.
            let Ok(shown) = self.backend.messages(node) else { continue };
            let Ok(all) = self.backend.messages(&super::master()) else { continue };
            if !is_dense(&shown) || !all.starts_with(&shown) || !shown.starts_with(before) {
                return Err(Trouble::Failed(format!(
                    "{node} showed {}, and then {}, while the master showed {}",
                    list(before),
                    list(&shown),
                    list(&all)
                )));
            }
            *before = shown;
        }
        Ok(())
    }

    fn logs(&mut self) -> String {
        let mut out = String::new();
        for node in self.backend.nodes() {
            let Ok(shown) = self.backend.messages(&node) else {
                continue;
            };
            let begin = |(_, text): &(u64, String)| text.chars().take(8).collect::<String>();
            let shown = match shown.len() {
                13.. => format!("{} messages", shown.len()),
                _ => shown.iter().map(begin).collect::<Vec<_>>().join(" "),
            };
            writeln!(out, "{node} shows [{shown}]").expect("a string takes all");
        }
        out
    }

    fn health(&mut self) -> String {
        let nodes = self.backend.nodes();
        let lines = nodes.iter().map(|node| match self.backend.health(node) {
            Ok(health) => health.lines(node),
            Err(error) => format!("{node}: {error}\n"),
        });
        lines.collect()
    }
}

impl ScriptLine {
    fn broken(&self, trouble: Trouble) -> Broken {
        Broken { line: self.number, text: self.text.clone(), trouble }
    }
}

mod audience;
mod expecting;
mod trace;

pub use self::audience::Audience;
use self::audience::Story;
use self::trace::{compared, or_ok};

fn indented(outcome: &str) -> String {
    outcome.lines().map(|line| format!("      {line}\n")).collect()
}
