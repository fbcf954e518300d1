//! The fields of an event, as text and as typed JSON.

use std::fmt::{self, Write};
use std::time::Duration;

use serde_json::Value;
use tracing::Event;
use tracing::field::{Field, Visit};

/// Longest message or field value of a line, in bytes: enough for all that is read by a user, and
/// bounded where a peer chose the text.
const VALUE_BYTES_MAX: usize = 2048;

/// Fields that are texts whatever they look like: a node may be called 7.
const TEXTS: [&str; 12] = [
    "address", "cause", "code", "detail", "error", "file", "instance", "key", "kind", "name",
    "peer", "reason",
];

/// The text of an empty range of ids.
const NO_IDS: &str = "none";

/// The fields of one event, in the order in which they were given. Absent values are left out.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, Value)>,
    /// Names of the fields that were given as texts, whatever they look like.
    exact: Vec<&'static str>,
}

impl Fields {
    pub(super) fn new(message: String, others: Vec<(&'static str, Value)>) -> Self {
        Self { message, others, exact: Vec::new() }
    }

    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// Returns the lasting condition behind an event that is marked as one of many, without the
    /// fields that differ from one to the next; removes the mark.
    pub(super) fn take_condition(&mut self) -> Option<String> {
        let place = self.others.iter().position(|(name, _)| *name == "repeats")?;
        if self.others.remove(place).1 == false {
            return None;
        }
        let mut condition = self.message.clone();
        for (name, value) in &self.others {
            if matches!(*name, "code" | "detail" | "error" | "peer" | "port" | "reason") {
                condition.push_str(&format!(" {name}={value}"));
            }
        }
        Some(condition)
    }

    /// Returns the fields with numbers as numbers, so that a name has one type: times in
    /// milliseconds under a name that ends in `_ms`, a range of ids as its first id under its own
    /// name and its last as `last`.
    pub(super) fn typed(self) -> Vec<(String, Value)> {
        let mut typed = Vec::with_capacity(self.others.len() + 1);
        for (name, value) in self.others {
            let Value::String(text) = &value else {
                typed.push((name.to_owned(), value));
                continue;
            };
            if TEXTS.contains(&name) || self.exact.contains(&name) {
                typed.push((name.to_owned(), value));
            } else if name == "id" && text == NO_IDS {
                // Left out, as all absent values.
            } else if let Ok(number) = text.parse::<u64>() {
                typed.push((name.to_owned(), number.into()));
            } else if let Some((first, last)) = range(text) {
                typed.push((name.to_owned(), first.into()));
                typed.push(("last".to_owned(), last.into()));
            } else if let Some(time) = duration(text) {
                typed.push((format!("{name}_ms"), (time.as_nanos() as f64 / 1e6).into()));
            } else {
                typed.push((name.to_owned(), value));
            }
        }
        typed
    }

    fn add_text(&mut self, field: &Field, text: Bounded) {
        if field.name() == "message" {
            self.message = text.finish();
        } else {
            self.others.push((field.name(), Value::String(text.finish())));
        }
    }
}

/// Reads the ids of `3..=5`.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once("..=")?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Reads a time as `Duration` prints it: `70.593015ms`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let units = [("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| is_number)?;
    Duration::try_from_secs_f64(number * unit).ok()
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // A `Debug` that fails has written what it could; a log line is no place to fail.
        let _ = write!(text, "{value:?}");
        if !TEXTS.contains(&field.name()) {
            match text.text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')')) {
                Some(inner) => text.text = inner.to_owned(),
                None if text.text == "None" => return,
                None => {}
            }
        }
        self.add_text(field, text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded::default();
        let _ = text.write_str(value);
        self.exact.push(field.name());
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
