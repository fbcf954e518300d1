//! One session: what is typed and what nodes tell goes in, and the screen is drawn.

use std::future::pending;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use acklog_threads::{NoThread, WorkHandle};
use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::feed::{self, News};
use super::keys::{Key, Keys};
use super::model::Model;
use super::painter::Painter;
use super::screen::{Layout, draw};
use super::terminal::Terminal;
use super::view::{Choice, Link, View};
use crate::cli::NodeUrl;
use crate::telemetry::wants_colour;

/// Shortest time between two pictures. Shorter: more work, and nobody reads so fast. Longer: what
/// is typed shows late.
const PICTURE_INTERVAL: Duration = Duration::from_millis(100);

/// How long a node is tried to be reached at first. Shorter: a cluster that starts is missed.
/// Longer: who mistyped a URL waits.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// How long more of a key is waited for. Shorter: over a slow line, an arrow is taken for Escape.
/// Longer: Escape leaves late.
const KEY_PATIENCE: Duration = Duration::from_millis(100);

/// How long leaving waits for a picture that is being written. Shorter: a slow line gets half of
/// one. Longer: a stalled line delays the end.
const LAST_PICTURE_PATIENCE: Duration = Duration::from_secs(1);

/// Most news that wait to be taken, each with what came in one piece. Smaller: the connection is
/// read in smaller steps. Larger: more memory.
const NEWS_MAX: usize = 16;

/// Shows the cluster until the user leaves.
///
/// # Errors
/// When no node could be reached at first, or the terminal cannot be used.
pub(super) async fn run(urls: &[NodeUrl]) -> anyhow::Result<()> {
    let (mut stops, mut resized) = (Stops::listen()?, signal(SignalKind::window_change())?);
    let (terminal, mut typed) = Terminal::enter().context("cannot use the terminal")?;
    let (tell, mut news) = mpsc::channel(NEWS_MAX);
    tokio::spawn(feed::read(urls.to_vec(), tell));
    let mut session = Session::new();
    let mut drawing: Option<WorkHandle<io::Result<()>>> = None;
    let mut next_picture = tokio::time::Instant::now();
    let gives_up = next_picture + FIRST_PATIENCE;
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let why = loop {
        tokio::select! {
            biased;
            () = stops.next() => break None,
            _ = resized.recv() => session.resize(),
            bytes = typed.recv() => match bytes {
                Some(bytes) if session.take_keys(&bytes) => {}
                _ => break None,
            },
            () = sleep_until(session.key_ends), if session.keys.has_begun() => {
                if session.keys.end().is_some() {
                    break None;
                }
            }
            written = finished(&mut drawing) => {
                drawing = None;
                written.context("cannot write to the terminal")?
                    .context("cannot write to the terminal")?;
            }
            () = sleep_until(next_picture), if session.is_changed && drawing.is_none() => {
                let bytes = session.picture();
                if !bytes.is_empty() {
                    drawing = Some(terminal.write(bytes));
                }
                next_picture = tokio::time::Instant::now() + PICTURE_INTERVAL;
            }
            () = sleep_until(gives_up), if session.is_unreached() => break session.why_unreached(),
            _ = seconds.tick() => session.is_changed = true,
            Some(some) = news.recv() => session.take_news(some),
        }
    };
    if drawing.is_some() {
        let _ = timeout(LAST_PICTURE_PATIENCE, finished(&mut drawing)).await;
    }
    drop(terminal);
    if let Some(why) = why {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        let seconds = FIRST_PATIENCE.as_secs();
        bail!("no node answered within {seconds} s at {}: {why}", urls.join(", "));
    }
    Ok(())
}

/// Waits until a picture is written, if one is being written. Cancel safe.
async fn finished(
    drawing: &mut Option<WorkHandle<io::Result<()>>>,
) -> Result<io::Result<()>, NoThread> {
    match drawing {
        Some(drawing) => drawing.await,
        None => pending().await,
    }
}

/// The signals that end the program.
struct Stops([Signal; 4]);

impl Stops {
    fn listen() -> io::Result<Self> {
        let [terminate, quit] = [SignalKind::terminate(), SignalKind::quit()].map(signal);
        let [hang_up, interrupt] = [SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        Ok(Self([terminate?, hang_up?, interrupt?, quit?]))
    }

    /// Waits for one of them. Cancel safe.
    async fn next(&mut self) {
        let Self([terminate, hang_up, interrupt, quit]) = self;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// What is shown, and what the user chose to see of it.
struct Session {
    model: Model,
    /// What is shown instead while the screen is frozen, and since when it is.
    frozen: Option<(Model, Instant)>,
    link: Link,
    choice: Choice,
    keys: Keys,
    /// When a key that has begun is taken as it is.
    key_ends: tokio::time::Instant,
    painter: Painter,
    size: (usize, usize),
    /// Whether something may look different than in the last picture.
    is_changed: bool,
}

impl Session {
    fn new() -> Self {
        Self {
            model: Model::default(),
            frozen: None,
            link: Link::Connecting(None),
            choice: Choice::default(),
            keys: Keys::default(),
            key_ends: tokio::time::Instant::now(),
            painter: Painter::new(wants_colour(io::stdout().is_terminal())),
            size: Terminal::size(),
            is_changed: true,
        }
    }

    fn resize(&mut self) {
        self.size = Terminal::size();
        self.painter.forget();
        self.is_changed = true;
    }

    /// Takes what was typed. Returns whether the session goes on.
    fn take_keys(&mut self, bytes: &[u8]) -> bool {
        self.key_ends = tokio::time::Instant::now() + KEY_PATIENCE;
        for key in self.keys.take(bytes) {
            if key == Key::Leave {
                return false;
            }
            self.take_key(key);
            self.is_changed = true;
        }
        true
    }

    fn take_key(&mut self, key: Key) {
        let page = Layout::of(self.size.1).event_rows.max(1) as u64;
        match key {
            Key::Leave => {}
            Key::Freeze if self.frozen.is_some() => {
                self.frozen = None;
                self.choice.frozen_at = None;
                self.choice.events_end = None;
            }
            Key::Freeze => {
                self.frozen = Some((self.model.clone(), Instant::now()));
                self.choice.frozen_at = Some(self.model.events_total());
            }
            Key::Left => {
                self.choice.nodes_hidden = self.choice.nodes_hidden.saturating_sub(1);
            }
            Key::Right => {
                let most = self.shown().nodes().len().saturating_sub(1);
                self.choice.nodes_hidden = (self.choice.nodes_hidden + 1).min(most);
            }
            Key::Up => self.scroll(|end| end.saturating_sub(1)),
            Key::Down => self.scroll(|end| end.saturating_add(1)),
            Key::PageUp => self.scroll(|end| end.saturating_sub(page)),
            Key::PageDown => self.scroll(|end| end.saturating_add(page)),
            Key::First => self.scroll(|_| 0),
            Key::Last => self.scroll(|_| u64::MAX),
        }
    }

    /// Moves what is shown of the events; at their end it follows them again.
    fn scroll(&mut self, moved: impl FnOnce(u64) -> u64) {
        let rows = Layout::of(self.size.1).event_rows as u64;
        let model = self.shown();
        let total = model.events_total();
        let lowest = total.min(total - model.events().len() as u64 + rows);
        let end = moved(self.choice.events_end.unwrap_or(total)).clamp(lowest, total);
        self.choice.events_end = (end < total).then_some(end);
    }

    fn shown(&self) -> &Model {
        self.frozen.as_ref().map_or(&self.model, |(model, _)| model)
    }

    fn take_news(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Items(items) => {
                for item in items {
                    self.model.take(&item.name, &item.data, now);
                }
            }
            News::Link(link) => {
                match (&self.link, &link) {
                    (_, Link::Live(_)) => self.model.miss_events(),
                    (Link::Live(_), Link::Lost(why)) => {
                        self.model.note(format!("connection lost: {why}"));
                    }
                    _ => {}
                }
                self.link = link;
            }
        }
        self.is_changed = true;
    }

    fn is_unreached(&self) -> bool {
        matches!(self.link, Link::Connecting(_))
    }

    /// Returns the reason why no node was reached, as far as one is known.
    fn why_unreached(&self) -> Option<String> {
        match &self.link {
            Link::Connecting(why) => Some(why.clone().unwrap_or("no answer came".to_owned())),
            Link::Live(_) | Link::Lost(_) => None,
        }
    }

    /// Draws the picture, and returns what makes the terminal show it.
    fn picture(&mut self) -> String {
        self.is_changed = false;
        let view = View {
            model: self.shown(),
            link: &self.link,
            choice: self.choice,
            events_total: self.model.events_total(),
            now: self.frozen.as_ref().map_or_else(Instant::now, |(_, then)| *then),
        };
        let picture = draw(&view, self.size.0, self.size.1);
        self.painter.paint(picture)
    }
}
