//! A run of a scenario: its story, its stream, and those who watch.

use std::future::pending;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use acklog_api::recording::RECORDING_VERSION;
use acklog_api::{RecordingClock, RecordingHead};
use acklog_sim::scenario::{Backend, Broken, Player, Recorded, Script, Step, Trouble};
use anyhow::Context;

use super::keys::EnterKey;
use super::narrator::{Narrator, Telling};
use super::page_feed::PageFeed;
use super::page_server::PageServer;
use super::recording_file::RecordingFile;
use super::run_stream::RunStream;
use super::{PROGRAM, PlayFailure, RunArgs};

/// A scenario to be played.
pub(super) struct ScenarioRun<'a> {
    pub(super) args: &'a RunArgs,
    /// The name of its file, as it is shown.
    pub(super) file: &'a str,
    pub(super) script: &'a Script,
}

impl ScenarioRun<'_> {
    /// Plays the scenario against a backend.
    ///
    /// # Errors
    /// When it cannot be played, a step does not hold, or the user ends it.
    pub(super) fn play<B: Backend>(
        &self,
        backend: &mut B,
        recorded: Recorded,
        mut telling: impl Telling<B>,
    ) -> Result<(), PlayFailure> {
        if let Err(lacking) = Player::new(backend).check(self.script) {
            let place = format!("{}:{}: {}", self.file, lacking.line, lacking.text);
            return Err(PlayFailure::Unusable(format!("{place}: {}", lacking.lacks)));
        }
        let stream = self.stream().map_err(unusable)?;
        let begun = self.begin(backend, &mut telling, stream.as_ref());
        let (server, key) = begun.inspect_err(|_| stream.iter().for_each(RunStream::discard))?;
        let mut narrator = Narrator::new(
            telling,
            stream.clone(),
            key.filter(|_| self.args.step),
            self.is_by_the_clock(),
        );
        let played = Player::new(backend).play_to(self.script, recorded, &mut narrator);
        let has_failed = narrator.has_failed();
        let words = if has_failed { backend.last_words() } else { String::new() };
        let mut telling = narrator.into_telling();
        let is_stopped = telling.is_stopped(backend);
        telling.end(backend);
        if let (Some(stream), Some(server)) = (&stream, server) {
            stream.end_pages();
            // Whoever ends the run meanwhile does not wait for pages.
            let _ = telling.wait_for(backend, server.end());
        }
        match (played, stream.and_then(|stream| stream.failure())) {
            (Err(broken), _) if has_failed => {
                let Broken { line, text, trouble } = broken;
                let what = format!("{}:{line}: {text}\n  seen instead: {trouble}", self.file);
                Err(PlayFailure::Broken { what, words })
            }
            (Err(_), _) => Err(PlayFailure::Interrupted),
            (Ok(()), _) if is_stopped => Err(PlayFailure::Interrupted),
            (Ok(()), Some(what)) => Err(PlayFailure::Broken { what, words }),
            (Ok(()), None) => Ok(()),
        }
    }

    /// Waits for whoever watches, if somebody is to, and begins the stream. Returns the server of
    /// the page, and the key where something waits for it.
    fn begin<B>(
        &self,
        backend: &mut B,
        telling: &mut impl Telling<B>,
        stream: Option<&RunStream>,
    ) -> Result<(Option<PageServer>, Option<EnterKey>), PlayFailure> {
        let mut key = self.key().map_err(unusable)?;
        let Some(stream) = stream else { return Ok((None, key)) };
        telling.begin(backend, stream);
        let server = match self.args.watch {
            Some(address) => Some(serve(telling, backend, (address, stream), &mut key)?),
            None => None,
        };
        stream.begin(&self.head()).map_err(unusable)?;
        Ok((server, key))
    }

    /// Returns whether virtual time is to pass as fast as the clock.
    const fn is_by_the_clock(&self) -> bool {
        self.args.simulate && self.args.watch.is_some()
    }

    /// Returns the Enter key where something waits for it: each step, or the begin at a terminal.
    fn key(&self) -> anyhow::Result<Option<EnterKey>> {
        let RunArgs { step, watch, .. } = self.args;
        let is_wanted = *step || watch.is_some() && std::io::stdin().is_terminal();
        is_wanted.then(EnterKey::begin).transpose().context("cannot start a thread")
    }

    /// Returns the stream of the run; none where nobody takes it.
    ///
    /// # Errors
    /// When the file of the recording cannot be opened, or is that of another run.
    fn stream(&self) -> anyhow::Result<Option<RunStream>> {
        let file = self.args.record.as_deref().map(RecordingFile::open).transpose()?;
        let pages = self.args.watch.map(|_| PageFeed::default());
        Ok((file.is_some() || pages.is_some()).then(|| RunStream::new(file, pages)))
    }

    /// Returns the head of the recording.
    fn head(&self) -> RecordingHead {
        let title = self.script.lines().find_map(|line| match &line.step {
            Step::Story(title) => Some(title.clone()),
            _ => None,
        });
        let is_virtual = self.args.simulate;
        RecordingHead {
            recording: RECORDING_VERSION,
            made_by: format!("acklog {}", env!("CARGO_PKG_VERSION")),
            clock: if is_virtual { RecordingClock::Virtual } else { RecordingClock::Wall },
            title: title.unwrap_or_else(|| self.file.to_owned()),
        }
    }
}

/// Serves the page, and waits until it is loaded and reads the stream, or for the Enter key.
fn serve<B>(
    telling: &mut impl Telling<B>,
    backend: &mut B,
    (address, stream): (SocketAddr, &RunStream),
    key: &mut Option<EnterKey>,
) -> Result<PageServer, PlayFailure> {
    let interrupted = |_: Trouble| PlayFailure::Interrupted;
    let started = telling.wait_for(backend, PageServer::start(address, stream.clone()));
    let server = started.map_err(interrupted)?.map_err(unusable)?;
    let or = if key.is_some() { ", or for Enter" } else { "" };
    let line = format!("{PROGRAM}: waits until {} is opened or reloaded{or}", server.url());
    let _ = writeln!(std::io::stderr(), "{line}");
    telling.wait_for(backend, seen_or_pressed(server.seen(), key)).map_err(interrupted)?;
    Ok(server)
}

/// Waits for the first of a page and the Enter key. The end of the input is no key: nobody would
/// see the run that it begins.
async fn seen_or_pressed(seen: impl Future<Output = ()>, key: &mut Option<EnterKey>) {
    let pressed = async {
        let is_pressed = match key {
            Some(key) => key.pressed().await,
            None => false,
        };
        if !is_pressed {
            pending().await
        }
    };
    tokio::select! {
        () = seen => {}
        () = pressed => {}
    }
}

fn unusable(error: anyhow::Error) -> PlayFailure {
    PlayFailure::Unusable(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_begun(seen: impl Future<Output = ()>, mut key: Option<EnterKey>) -> bool {
        let begun = pin!(seen_or_pressed(seen, &mut key));
        begun.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn a_run_begins_with_its_page_or_a_key_and_not_with_the_end_of_the_input() {
        let (key, ended) = (|| Some(EnterKey::of_test(1)), || Some(EnterKey::of_test(0)));
        assert!(is_begun(pending(), key()));
        assert!(!is_begun(pending(), ended()), "nobody watches it");
        assert!(!is_begun(pending(), None));
        assert!(is_begun(ready(()), ended()) && is_begun(ready(()), None));
    }
}
