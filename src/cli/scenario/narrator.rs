//! Tells what a player does: the story on standard output, the steps in the stream of the run; and
//! waits before a step where that is wanted.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use acklog_api::recording::STEP_EVENT;
use acklog_api::{RecordedItem, ScenarioStep, StepState};
use acklog_sim::scenario::{Audience, Broken, ScriptLine, Step, Trouble};
use serde_json::json;
use tokio::time::sleep_until;

use super::keys::EnterKey;
use super::run_stream::RunStream;
use crate::contract::wall_clock_us;

/// What is said at a terminal before a step waits. Its line ends with the key, which the terminal
/// shows.
const PROMPT: &str = "press Enter for this step (Ctrl-D: for all that follow, Ctrl-C: end) ";

/// What a backend adds to the stream of a run.
pub(super) trait Telling<B> {
    /// Takes out what the backend has told and is not in the stream yet, in order.
    fn take(&mut self, backend: &mut B) -> Vec<RecordedItem>;

    /// Returns the time for the stream, in microseconds.
    fn now(&self, backend: &B) -> u64;

    /// Waits for something, while the nodes stay as they are or go on by themselves. Where the run
    /// is ended meanwhile, what is waited for is dropped: it must be cancel safe, or not be needed
    /// any more.
    ///
    /// # Errors
    /// When the run is ended meanwhile.
    fn wait_for<T>(&mut self, backend: &mut B, what: impl Future<Output = T>)
    -> Result<T, Trouble>;

    /// Returns whether the user has ended the run. What a step sees since then may be due to that:
    /// a request that it waits for is given up.
    fn is_stopped(&self, backend: &B) -> bool;

    /// Begins to add to a stream what the nodes tell, or to keep it for [`Telling::take`].
    fn begin(&mut self, backend: &mut B, stream: &RunStream);

    /// Adds the last that nodes tell.
    fn end(&mut self, backend: &mut B);
}

/// Tells a scenario to its audience.
pub(super) struct Narrator<S> {
    out: Box<dyn Write>,
    telling: S,
    stream: Option<RunStream>,
    /// What each step waits for; none where it does not, or the input has ended.
    key: Option<EnterKey>,
    /// Where it is said that a step waits; none where nobody sits at a terminal.
    terminal: Option<Box<dyn Write>>,
    /// When virtual time was zero, where it passes as fast as the clock.
    pace: Option<Instant>,
    /// Whether a step failed, and was not only cut short by the end of the run.
    has_failed: bool,
}

impl<S> Narrator<S> {
    /// Creates one whose steps and nodes are told to a stream, and whose steps wait for a key.
    /// `by_the_clock`: virtual time passes as fast as the clock from now on, for those who watch.
    pub(super) fn new(
        telling: S,
        stream: Option<RunStream>,
        key: Option<EnterKey>,
        by_the_clock: bool,
    ) -> Self {
        let (out, pace) = (Box::new(std::io::stdout()), by_the_clock.then(Instant::now));
        let terminal = terminal().map(|terminal| -> Box<dyn Write> { Box::new(terminal) });
        let narrator = Self { out, telling, stream, key, terminal, pace, has_failed: false };
        narrator.shift();
        narrator
    }

    /// Returns whether a step failed. One that the end of the run cut short did not.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the telling, at the end.
    pub(super) fn into_telling(self) -> S {
        self.telling
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

    /// Says something to whoever sits at the terminal, if there is one.
    fn say(&mut self, words: &str) {
        if let Some(terminal) = &mut self.terminal {
            let _ = terminal.write_all(words.as_bytes()).and_then(|()| terminal.flush());
        }
    }

    /// Waits for a key, and keeps it for the next step until its input ends.
    ///
    /// # Errors
    /// When the run is ended meanwhile.
    fn wait_for<B>(&mut self, mut key: EnterKey, backend: &mut B) -> Result<(), Trouble>
    where
        S: Telling<B>,
    {
        self.say(PROMPT);
        let began = Instant::now();
        let pressed = self.telling.wait_for(backend, key.pressed());
        // Virtual time stands still meanwhile.
        self.pace = self.pace.map(|start| start + began.elapsed());
        self.shift();
        match pressed {
            Ok(true) => self.key = Some(key),
            // No key ended the line.
            _ => self.say("\n"),
        }
        pressed.map(drop)
    }

    /// Adds to the stream how far a step is, behind what its nodes told until now.
    fn tell<B>(&mut self, backend: &mut B, step: &ScenarioStep, mut told: Vec<RecordedItem>)
    where
        S: Telling<B>,
    {
        let Some(stream) = self.stream.clone() else { return };
        let (at, event) = (self.telling.now(backend), STEP_EVENT.to_owned());
        told.push(RecordedItem { at, event, data: json!(step) });
        let Some(start) = self.pace else { return stream.add(told) };
        for item in told {
            let until = start + Duration::from_micros(item.at);
            // Where the run is ended meanwhile, its next step says so.
            let _ = self.telling.wait_for(backend, async { sleep_until(until.into()).await });
            stream.add(vec![item]);
        }
    }
}

impl<B, S: Telling<B>> Audience<B> for Narrator<S> {
    fn begins(&mut self, backend: &mut B, line: &ScriptLine, shown: &str) -> Result<(), Trouble> {
        self.show(shown);
        if let Some(key) = self.key.take_if(|_| !is_heading(&line.step)) {
            self.tell(backend, &step(line.number, &line.text, StepState::Waits), Vec::new());
            self.wait_for(key, backend)?;
        }
        self.tell(backend, &step(line.number, &line.text, StepState::Begins), Vec::new());
        Ok(())
    }

    fn done(&mut self, backend: &mut B, line: &ScriptLine, shown: &str) {
        // Before its first action a backend may have nodes that the scenario replaces.
        let told = if is_heading(&line.step) { Vec::new() } else { self.telling.take(backend) };
        self.tell(backend, &step(line.number, &line.text, StepState::Done), told);
        self.show(shown);
    }

    fn broken(&mut self, backend: &mut B, broken: &Broken) {
        let Trouble::Failed(seen) = &broken.trouble else { return };
        if self.telling.is_stopped(backend) {
            return;
        }
        self.has_failed = true;
        let step = step(broken.line, &broken.text, StepState::Broken);
        let told = self.telling.take(backend);
        self.tell(backend, &ScenarioStep { seen: Some(seen.clone()), ..step }, told);
    }
}

/// Returns standard error, where it is a terminal at which somebody can press a key.
fn terminal() -> Option<std::io::Stderr> {
    let err = std::io::stderr();
    (err.is_terminal() && std::io::stdin().is_terminal()).then_some(err)
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
    use std::sync::{Arc, Mutex};

    use acklog_sim::scenario::{Backend, Player, Recorded, Script, Simulated};

    use super::*;

    /// Notes for which of the backend's times it waits.
    struct Waits(Vec<Duration>);

    impl Telling<Simulated> for Waits {
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

        fn is_stopped(&self, _: &Simulated) -> bool {
            false
        }

        fn begin(&mut self, _: &mut Simulated, _: &RunStream) {}

        fn end(&mut self, _: &mut Simulated) {}
    }

    /// A terminal that keeps what it shows.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn stepping(key: EnterKey) -> Narrator<Waits> {
        let mut narrator = Narrator::new(Waits(vec![]), None, Some(key), false);
        (narrator.out, narrator.terminal) = (Box::new(std::io::sink()), None);
        narrator
    }

    #[test]
    fn each_step_that_does_something_waits_before_it_is_done_until_the_run_is_ended() {
        let text = "story one\nrun 1s\nstep two\nrun 2s\nrun 4s\nrun 8s\n";
        let (script, mut backend) = (Script::parse(text).unwrap(), Simulated::new(0));
        let mut narrator = stepping(EnterKey::of_test(9));
        let mut player = Player::new(&mut backend);
        let broken = player.play_to(&script, Recorded::Ignore, &mut narrator).unwrap_err();
        assert_eq!((broken.line, broken.trouble), (5, Trouble::Interrupted));
        let seconds: Vec<_> = narrator.telling.0.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 1, 3]);
        assert_eq!(backend.now().as_secs(), 3, "the step that waits is not played");
    }

    #[test]
    fn a_terminal_says_what_a_step_waits_for_until_the_input_ends() {
        let script = Script::parse("story one\nrun 1s\nrun 2s\nrun 4s\n").unwrap();
        let (mut backend, screen) = (Simulated::new(0), Screen::default());
        let mut narrator = stepping(EnterKey::of_test(1));
        narrator.terminal = Some(Box::new(screen.clone()));
        let mut player = Player::new(&mut backend);
        player.play_to(&script, Recorded::Ignore, &mut narrator).unwrap();
        let said = screen.0.lock().unwrap();
        assert_eq!(str::from_utf8(&said).unwrap(), format!("{PROMPT}{PROMPT}\n"));
    }
}
