//! The form of a log line, as text for people and as JSON for programs.
//!
//! Text and field values may come from peers and senders. None of them can end a line, begin a
//! field or reach the terminal as an escape sequence. Spans are not shown: the project's events
//! carry what they are about themselves.

use std::fmt::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Clock;
use super::escape::{escaped, value};
use crate::config::LogFormat;
use crate::types::NodeName;

/// Longest message or field value of a line, in bytes: whole for everything that a person reads,
/// and bounded where a peer chose the text.
const VALUE_BYTES_MAX: usize = 2048;

/// What each line tells besides its event.
pub(super) struct Facts {
    name: NodeName,
    colour: bool,
    clock: Clock,
}

impl Facts {
    /// The node's name, whether levels are coloured, and the time since the node's start.
    pub(super) fn new(
        name: &NodeName,
        colour: bool,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.clone(), colour, clock: Box::new(clock) }
    }
}

/// Writes one event as one line.
pub(super) struct LineFormat {
    format: LogFormat,
    facts: Facts,
}

impl LineFormat {
    pub(super) fn new(format: LogFormat, facts: Facts) -> Self {
        Self { format, facts }
    }

    fn text(&self, out: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let seconds = (self.facts.clock)().as_secs_f64();
        let level = *event.metadata().level();
        write!(out, "[{seconds:>8.3}s] ")?;
        if self.facts.colour {
            write!(out, "\u{1b}[{}m{level:<5}\u{1b}[0m", colour_of(level))?;
        } else {
            write!(out, "{level:<5}")?;
        }
        write!(out, " {} {}:", self.facts.name, module_of(event))?;
        if !fields.message.is_empty() {
            write!(out, " {}", escaped(&fields.message))?;
        }
        for (name, field) in &fields.others {
            match field {
                Value::String(text) => write!(out, " {name}={}", value(text))?,
                other => write!(out, " {name}={other}")?,
            }
        }
        writeln!(out)
    }

    fn json(&self, out: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let seconds = (self.facts.clock)().as_secs_f64();
        let others: Map<_, _> =
            fields.others.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
        // Written by hand so that the facts stand in the order in which one reads them; each
        // value's own `Display` is JSON.
        writeln!(
            out,
            "{{\"t\":{seconds:.3},\"level\":{},\"node\":{},\"module\":{},\"message\":{},\
             \"fields\":{}}}",
            Value::from(event.metadata().level().as_str()),
            Value::from(self.facts.name.as_str()),
            Value::from(module_of(event)),
            Value::from(fields.message),
            Value::from(others),
        )
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Text => self.text(&mut out, event),
            LogFormat::Json => self.json(&mut out, event),
        }
    }
}

fn module_of<'a>(event: &Event<'a>) -> &'a str {
    let target = event.metadata().target();
    target.strip_prefix("acklog::").unwrap_or(target)
}

/// The number of a terminal's colour: loud for what asks for attention.
fn colour_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 36,
        Level::TRACE => 35,
    }
}

/// The fields of one event, in the order in which they were given.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // A `Debug` that fails has written what it could; a log line is no place to fail.
        let _ = write!(text, "{value:?}");
        self.add_text(field, text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded::default();
        let _ = text.write_str(value);
        self.add_text(field, text);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.others.push((field.name(), value.into()));
    }
}

impl Fields {
    fn add_text(&mut self, field: &Field, text: Bounded) {
        if field.name() == "message" {
            self.message = text.finish();
        } else {
            self.others.push((field.name(), Value::String(text.finish())));
        }
    }
}

/// Text that stops growing at [`VALUE_BYTES_MAX`], so that a huge value is never built.
#[derive(Default)]
struct Bounded {
    text: String,
    cut: bool,
}

impl Bounded {
    fn finish(mut self) -> String {
        if self.cut {
            self.text.push('…');
        }
        self.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = VALUE_BYTES_MAX.saturating_sub(self.text.len());
        let whole = |end: &usize| part.is_char_boundary(*end);
        let fits = (0..=room.min(part.len())).rev().find(whole).unwrap_or_default();
        let end = if self.cut { 0 } else { fits };
        self.cut |= end < part.len();
        self.text.push_str(part.get(..end).unwrap_or_default());
        Ok(())
    }
}
