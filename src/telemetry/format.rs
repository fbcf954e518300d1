//! The form of a log line: text to read, or JSON for programs.
//!
//! Texts and field values may come from peers and clients. None of them can end a line, begin a
//! field or reach the terminal as an escape sequence. Spans are not shown: the project's events
//! have all of their facts in their own fields.

use std::fmt::{self, Write};
use std::time::SystemTime;

use acklog_types::{MESSAGE_TARGET, NodeName, rfc3339};
use acklog_types::{escaped, field_value};
use serde_json::{Map, Value};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::clock::Clock;
use super::fields::Fields;
use super::line_limit::LineLimit;
use super::repeats::Repeats;
use super::targets;
use crate::telemetry::LogFormat;

/// The time at the beginning of a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Seconds since the start, for a terminal; levels may be coloured.
    Terminal {
        /// Whether levels are coloured.
        colour: bool,
    },
    /// The time of day in UTC: the line is stored, or read beside those of other nodes.
    Kept,
    /// Seconds since the cluster's start. The line has neither the node's name, which `up` puts
    /// before it, nor, from `info` on, the module.
    Up,
}

/// Writes one event as one line.
pub(super) struct LineFormat {
    format: LogFormat,
    style: Style,
    name: NodeName,
    clock: Clock,
    /// The limit on the rate of lines about messages; none: all are written.
    pub(super) limit: Option<LineLimit>,
    repeats: Repeats,
}

impl LineFormat {
    pub(super) fn new(format: LogFormat, style: Style, name: &NodeName, clock: Clock) -> Self {
        Self { format, style, name: name.clone(), clock, limit: None, repeats: Repeats::default() }
    }

    /// Returns the line that reports lost lines.
    pub(super) fn lost_line(&self, count: u64) -> String {
        let message = "log lines were lost: standard error did not take them";
        let fields = Fields::new(message.to_owned(), vec![("lost", Value::from(count))]);
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut line, Level::WARN, "telemetry", fields);
        line
    }

    fn write(
        &self,
        out: &mut impl Write,
        level: Level,
        module: &str,
        fields: Fields,
    ) -> fmt::Result {
        let now = self.clock.now();
        match self.format {
            LogFormat::Text => self.text(out, now, level, module, &fields),
            LogFormat::Json => self.json(out, now, level, module, fields),
        }
    }

    fn text(
        &self,
        out: &mut impl Write,
        now: SystemTime,
        level: Level,
        module: &str,
        fields: &Fields,
    ) -> fmt::Result {
        let seconds = self.clock.elapsed().as_secs_f64();
        match self.style {
            Style::Terminal { .. } => write!(out, "[{seconds:>8.3}s] ")?,
            Style::Kept => write!(out, "{} ", rfc3339(now))?,
            Style::Up => write!(out, "{seconds:>7.3} ")?,
        }
        match self.style {
            Style::Terminal { colour: true } => {
                write!(out, "\u{1b}[{}m{level:<5}\u{1b}[0m", colour_of(level))?;
            }
            _ => write!(out, "{level:<5}")?,
        }
        match self.style {
            Style::Up if level <= Level::INFO || module == "message" => {}
            Style::Up => write!(out, " {module}:")?,
            _ => write!(out, " {} {module}:", self.name)?,
        }
        if !fields.message.is_empty() {
            write!(out, " {}", escaped(&fields.message))?;
        }
        for (name, field) in &fields.others {
            match field {
                Value::String(text) => write!(out, " {name}={}", field_value(text))?,
                other => write!(out, " {name}={other}")?,
            }
        }
        writeln!(out)
    }

    fn json(
        &self,
        out: &mut impl Write,
        now: SystemTime,
        level: Level,
        module: &str,
        mut fields: Fields,
    ) -> fmt::Result {
        let message = std::mem::take(&mut fields.message);
        let others: Map<_, _> = fields.typed().into_iter().collect();
        // Written by hand so that the members stand in reading order; each value's own `Display` is
        // JSON.
        writeln!(
            out,
            "{{\"timestamp\":\"{}\",\"level\":{},\"node\":{},\"module\":{},\"message\":{},\
             \"fields\":{}}}",
            rfc3339(now),
            Value::from(level.as_str()),
            Value::from(self.name.as_str()),
            Value::from(module),
            Value::from(message),
            Value::from(others),
        )
    }

    /// Writes an event, unless it is left out.
    fn write_event(&self, out: &mut impl Write, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let now = self.clock.elapsed();
        if let Some(limit) = &self.limit {
            if let Some(count) = limit.left_out(now) {
                self.write(out, Level::DEBUG, "message", left_out(count))?;
            }
            if event.metadata().target() == MESSAGE_TARGET && !limit.lets_through(now) {
                return Ok(());
            }
        }
        let mut fields = Fields::of(event);
        if let Some(condition) = fields.take_condition() {
            match self.repeats.times(condition, now) {
                None => return Ok(()),
                Some(1) => {}
                Some(times) => fields.others.push(("times", times.into())),
            }
        }
        self.write(out, level, module_of(event), fields)
    }
}

/// Returns the line that reports how many lines about messages were left out.
fn left_out(count: u64) -> Fields {
    let message = format!("{count} more lines on messages; -- --log debug shows all");
    Fields::new(message, Vec::new())
}

/// A format that is shared with the writer, which reports lost lines.
pub(super) struct SharedFormat(pub(super) std::sync::Arc<LineFormat>);

impl<S, N> FormatEvent<S, N> for SharedFormat
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
        self.0.write_event(&mut out, event)
    }
}

fn module_of<'a>(event: &Event<'a>) -> &'a str {
    targets::shown(event.metadata().target())
}

/// Returns the number of a terminal's colour.
pub(super) fn colour_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 36,
        Level::TRACE => 35,
    }
}
