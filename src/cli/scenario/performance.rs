//! Tells what a player does: the story on standard output, the steps in the stream of the run; and
//! waits before a step where that is wanted.

use std::io::Write;
use std::time::{Duration, Instant};

use acklog_api::recording::STEP_EVENT;
use acklog_api::{RecordedItem, ScenarioStep, StepState};
use acklog_sim::scenario::{Audience, Broken, ScriptLine, Step, Trouble};
use serde_json::json;
use tokio::time::sleep_until;

use super::keys::EnterKey;
use super::run_stream::RunStream;
use crate::contract::wall_clock_us;

/// What a backend adds to the stream of a run.
pub(super) trait Source<B> {
    /// Takes out what the backend has told and is not in the stream yet, in order.
    fn take(&mut self, backend: &mut B) -> Vec<RecordedItem>;

    /// Returns the time for the stream, in microseconds.
    fn now(&self, backend: &B) -> u64;

    /// Waits for something, while the nodes stay as they are or go on by themselves.
    ///
    /// # Errors
    /// When the run is ended meanwhile.
    fn wait_for<T>(&mut self, backend: &mut B, what: impl Future<Output = T>)
    -> Result<T, Trouble>;

    /// Begins to add to a stream what the nodes tell, or to keep it for [`Source::take`].
    fn begin(&mut self, backend: &mut B, stream: &RunStream);

    /// Adds the last that nodes tell.
    fn end(&mut self, backend: &mut B);
}

/// A scenario before its audience.
pub(super) struct Performance<S> {
    out: Box<dyn Write>,
    source: S,
    stream: Option<RunStream>,
    key: Option<EnterKey>,
    /// When virtual time was zero, where it passes as fast as the clock.
    pace: Option<Instant>,
}

impl<S> Performance<S> {
    /// Creates one whose steps and nodes are told to a stream, and whose steps wait for a key.
    /// `by_the_clock`: virtual time passes as fast as the clock from now on, for those who watch.
    pub(super) fn new(
        source: S,
        stream: Option<RunStream>,
        key: Option<EnterKey>,
        by_the_clock: bool,
    ) -> Self {
        let (out, pace) = (Box::new(std::io::stdout()), by_the_clock.then(Instant::now));
        let performance = Self { out, source, stream, key, pace };
        performance.shift();
        performance
    }

    /// Returns the source, at the end.
    pub(super) fn into_source(self) -> S {
        self.source
    }

    /// Lets pages see virtual times as those of the clock.
    fn shift(&self) {
        if let (Some(stream), Some(start)) = (&self.stream, self.pace) {
            let passed = start.elapsed().as_micros() as u64;
            stream.shift(wall_clock_us().saturating_sub(passed));
        }
    }

    /// Shows a piece of the story. A closed output is no reason to stop: the scenario is played to
    /// its end.
    fn show(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Adds to the stream how far a step is, behind what its nodes told until now.
    fn tell<B>(&mut self, backend: &mut B, step: &ScenarioStep, mut told: Vec<RecordedItem>)
    where
        S: Source<B>,
    {
        let Some(stream) = self.stream.clone() else { return };
        let (at, event) = (self.source.now(backend), STEP_EVENT.to_owned());
        told.push(RecordedItem { at, event, data: json!(step) });
        let Some(start) = self.pace else { return stream.add(told) };
        for item in told {
            let until = start + Duration::from_micros(item.at);
            // Where the run is ended meanwhile, its next step says so.
            let _ = self.source.wait_for(backend, async { sleep_until(until.into()).await });
            stream.add(vec![item]);
        }
    }
}

impl<B, S: Source<B>> Audience<B> for Performance<S> {
    fn begins(&mut self, backend: &mut B, line: &ScriptLine, shown: &str) -> Result<(), Trouble> {
        self.show(shown);
        self.tell(backend, &step(line.number, &line.text, StepState::Begins), Vec::new());
        match &mut self.key {
            Some(key) if !is_heading(&line.step) => {
                let began = Instant::now();
                let pressed = self.source.wait_for(backend, key.pressed());
                // Virtual time stands still meanwhile.
                self.pace = self.pace.map(|start| start + began.elapsed());
                self.shift();
                pressed
            }
            _ => Ok(()),
        }
    }

    fn done(&mut self, backend: &mut B, line: &ScriptLine, shown: &str) {
        // Before its first action a backend may have nodes that the scenario replaces.
        let told = if is_heading(&line.step) { Vec::new() } else { self.source.take(backend) };
        self.tell(backend, &step(line.number, &line.text, StepState::Done), told);
        self.show(shown);
    }

    fn broken(&mut self, backend: &mut B, broken: &Broken) {
        if let Trouble::Failed(seen) = &broken.trouble {
            let step = step(broken.line, &broken.text, StepState::Broken);
            let told = self.source.take(backend);
            self.tell(backend, &ScenarioStep { seen: Some(seen.clone()), ..step }, told);
        }
    }
}

fn step(line: usize, text: &str, state: StepState) -> ScenarioStep {
    ScenarioStep { line: line as u64, text: text.to_owned(), state, seen: None }
}

/// Returns whether a step only tells something.
fn is_heading(step: &Step) -> bool {
    matches!(step, Step::Story(_) | Step::Part(_) | Step::Moral(_))
}

#[cfg(test)]
mod tests {
    use acklog_sim::scenario::{Backend, Player, Recorded, Script, Simulated};

    use super::*;

    /// Notes for which of the backend's times it waits.
    struct Waits(Vec<Duration>);

    impl Source<Simulated> for Waits {
        fn take(&mut self, _: &mut Simulated) -> Vec<RecordedItem> {
            Vec::new()
        }

        fn now(&self, _: &Simulated) -> u64 {
            0
        }

        fn wait_for<T>(
            &mut self,
            backend: &mut Simulated,
            what: impl Future<Output = T>,
        ) -> Result<T, Trouble> {
            let done =
                tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(what);
            self.0.push(backend.now());
            match self.0.len() {
                3 => Err(Trouble::Interrupted),
                _ => Ok(done),
            }
        }

        fn begin(&mut self, _: &mut Simulated, _: &RunStream) {}

        fn end(&mut self, _: &mut Simulated) {}
    }

    #[test]
    fn each_step_that_does_something_waits_before_it_is_done_until_the_run_is_ended() {
        let text = "story one\nrun 1s\nstep two\nrun 2s\nrun 4s\nrun 8s\n";
        let (script, mut backend) = (Script::parse(text).unwrap(), Simulated::new(0));
        let key = Some(EnterKey::of_test());
        let mut performance = Performance::new(Waits(vec![]), None, key, false);
        performance.out = Box::new(std::io::sink());
        let mut player = Player::new(&mut backend);
        let broken = player.play_to(&script, Recorded::Ignore, &mut performance).unwrap_err();
        assert_eq!((broken.line, broken.trouble), (5, Trouble::Interrupted));
        let seconds: Vec<_> = performance.source.0.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 1, 3]);
        assert_eq!(backend.now().as_secs(), 3, "the step that waits is not played");
    }
}
