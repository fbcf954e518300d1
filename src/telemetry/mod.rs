//! Logs of a node: one line per event, to standard error, through a thread of their own.
//!
//! A terminal that blocks (Ctrl-S, a stopped pager) must not block a node, so lines go through a
//! bounded buffer; when it is full, further lines are dropped and the node goes on.

#[cfg(test)]
pub(crate) mod captured;
mod clock;
mod fields;
mod format;
mod line_limit;
mod repeats;
mod targets;
mod writer;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use acklog_types::NodeName;
use clock::Clock;
use format::{LineFormat, SharedFormat, Style};
use line_limit::LineLimit;
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry};
use writer::{LogLines, WholeLines};

/// Most lines that wait for standard error. At about 200 bytes a line this is less than 4 MiB.
/// Fewer: lines are lost in a burst of `debug`. More: lines that are lost anyway are lost later.
const BUFFERED_LINES_MAX: usize = 16_384;

/// Longest time at the end for the line that reports lost ones: a standard error that blocks must
/// not keep a node from ending.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(300);

/// Pause between two attempts to write that line.
const LAST_LINE_PAUSE: Duration = Duration::from_millis(10);

/// The default filter of nodes that `up` starts: the life of the cluster, and of each message that
/// it was accepted, stored, acked, received above a gap or twice.
pub const UP_FILTER: &str = "info,acklog::message=debug";

/// The settings of the log lines.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A filter in the notation of `tracing`, checked: `info`, `acklog=debug`, …
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
    /// The time at which the cluster began that this node was started with by `acklog up`; none for
    /// a node that was started alone.
    pub up_since: Option<SystemTime>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per event.
    Json,
}

/// Keeps logging alive. Dropping it reports lost lines and writes those that still wait, for about
/// a second at most.
#[must_use = "dropping the guard ends logging"]
pub struct Guard {
    lines: LogLines,
    #[expect(dead_code, reason = "held for its drop, which comes after this one's")]
    worker: WorkerGuard,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let give_up = Instant::now() + LAST_LINE_TIMEOUT;
        while !self.lines.report_lost() && Instant::now() < give_up {
            std::thread::sleep(LAST_LINE_PAUSE);
        }
    }
}

/// Starts logging for this process. To be called once, before anything is logged.
///
/// # Errors
/// When the system has no thread for it.
///
/// # Panics
/// When the process has a log already: that is a bug of the caller.
pub fn init(name: &NodeName, config: &LogConfig) -> io::Result<Guard> {
    // One more than is needed: a thread that has ended counts for a moment longer.
    acklog_threads::ask_for(2)?;
    let is_terminal = io::stderr().is_terminal();
    let style = match config.up_since {
        Some(_) => Style::Up,
        None if is_terminal => Style::Terminal { colour: wants_colour(true) },
        None => Style::Kept,
    };
    let mut format = LineFormat::new(config.format, style, name, Clock::start(config.up_since));
    format.limit =
        (config.up_since.is_some() && config.filter == UP_FILTER).then(LineLimit::default);
    let format = Arc::new(format);
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES_MAX)
        .thread_name("log")
        .finish(WholeLines::new(io::stderr(), Arc::clone(&format)));
    let lines = LogLines::new(writer, Arc::clone(&format));
    tracing::subscriber::set_global_default(subscriber(&config.filter, format, lines.clone()))
        .expect("logging starts once");
    Ok(Guard { lines, worker })
}

/// Returns whether output is coloured, to a terminal or not: see <https://no-color.org>.
pub fn wants_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns the line of a node under `up` with its level coloured, as a terminal shows it.
pub fn with_coloured_level(line: &str) -> String {
    let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' '));
    let (time, rest) = line.split_at(line.len() - rest.len());
    let level = levels
        .into_iter()
        .find(|level| rest.strip_prefix(level.as_str()).is_some_and(|rest| rest.starts_with(' ')));
    match level {
        Some(level) => {
            let rest = rest.get(level.as_str().len()..).unwrap_or_default();
            format!("{time}\u{1b}[{}m{level}\u{1b}[0m{rest}", format::colour_of(level))
        }
        None => line.to_owned(),
    }
}

fn subscriber<W>(
    filter: &str,
    format: Arc<LineFormat>,
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The filter was checked when the configuration was made.
    let filter = EnvFilter::try_new(targets::with_targets(filter))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let lines =
        tracing_subscriber::fmt::layer().event_format(SharedFormat(format)).with_writer(writer);
    Registry::default().with(filter).with(lines)
}

#[cfg(test)]
mod tests;
