//! Logs of a node: one line an event, to standard error, through a thread of their own.
//!
//! A terminal that takes nothing (Ctrl-S, a stopped pager) must not block a node, so lines go
//! through a bounded buffer; when it is full, further lines are dropped and the node goes on.

mod escape;
mod format;

pub use escape::escaped;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::LogConfig;
use crate::types::NodeName;
use format::{Facts, LineFormat};

/// Lines that wait for standard error. At about 200 bytes a line this is less than 4 MiB; fewer
/// would lose lines in a burst of `debug`, more would only delay what is lost anyway.
const BUFFERED_LINES_MAX: usize = 16_384;

/// Keeps logging alive. Dropping it writes what still waits, for about a second at most.
#[must_use = "dropping the guard ends logging"]
pub struct Guard(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts logging for this process. To be called once, before anything is logged.
///
/// # Panics
/// When the process has a log already: that is a bug of the caller.
pub fn init(name: &NodeName, config: &LogConfig) -> Guard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES_MAX)
        .thread_name("log")
        .finish(std::io::stderr());
    let colour = wants_colour(std::io::stderr().is_terminal());
    let started = Instant::now();
    let facts = Facts::new(name, colour, move || started.elapsed());
    tracing::subscriber::set_global_default(subscriber(config, facts, writer))
        .expect("logging starts once");
    Guard(guard)
}

/// Whether output that goes to a terminal or not is coloured: see <https://no-color.org>.
pub fn wants_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn subscriber<W>(config: &LogConfig, facts: Facts, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The filter was checked when the configuration was made.
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(LineFormat::new(config.format, facts))
        .with_writer(writer);
    Registry::default().with(filter).with(lines)
}

/// Tells how long the process has been running.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

#[cfg(test)]
mod tests;
