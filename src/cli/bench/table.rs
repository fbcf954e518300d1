//! A report for a person, or as JSON.

use std::io::Write;

use serde::Serialize;

use super::{BenchArgs, Failures, Percentiles, Report};

/// Times below this many microseconds are shown as such.
const MICROS_MAX: f64 = 10_000.0;
const MICROS_PER_MILLI: f64 = 1000.0;

/// What was asked for and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    url: String,
    message_bytes: usize,
    /// As in the requests; none where they named none.
    write_concern: Option<String>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Prints a report.
///
/// # Errors
/// When nobody takes it.
pub(super) fn print(
    args: &BenchArgs,
    report: &Report,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let run = Run {
        url: args.target.url.to_string(),
        message_bytes: args.size,
        write_concern: args.write_concern.map(|concern| concern.to_string()),
        report,
    };
    if args.json {
        serde_json::to_writer(&mut *out, &run)?;
        writeln!(out)?;
    } else {
        out.write_all(run.text().as_bytes())?;
    }
    out.flush()
}

impl Run<'_> {
    fn text(&self) -> String {
        let report = self.report;
        let mut lines = vec![self.head(), String::new()];
        let mut row = |name: &str, value: String| lines.push(format!("{name:<12}{value:>12}"));
        if let Some(due) = report.due_per_second {
            row("due/s", format!("{due:.0}"));
        }
        row("messages/s", format!("{:.0}", report.messages_per_second));
        row("requests/s", format!("{:.0}", report.requests_per_second));
        row("answered", report.answered.to_string());
        row("failed", report.failed.to_string());
        if report.due_per_second.is_some() {
            row("not sent", report.unsent.to_string());
        }
        if report.unanswered > 0 {
            row("no answer", report.unanswered.to_string());
        }
        lines.push(String::new());
        let heads = ["mean", "p50", "p90", "p99", "p99.9", "max"];
        lines.push(columns("", heads.map(str::to_owned)));
        lines.push(columns("latency", cells(&report.latency_us)));
        if let Some(lateness) = &report.lateness_us {
            lines.push(columns("sent late", cells(lateness)));
        }
        if !report.errors.is_empty() {
            lines.extend(["".to_owned(), "failures".to_owned()]);
            lines.extend(report.errors.iter().map(Failures::row));
        }
        lines.join("\n") + "\n"
    }

    /// What was asked for.
    fn head(&self) -> String {
        let report = self.report;
        let plural = |count: u64, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{count} {word}s"),
        };
        format!(
            "{} on {}, {} of {} bytes a request, {}, {:.1} s",
            plural(report.clients as u64, "client"),
            plural(report.threads as u64, "thread"),
            plural(report.batch, "message"),
            self.message_bytes,
            match &self.write_concern {
                Some(concern) => format!("write concern {concern}"),
                None => "the node's write concern".to_owned(),
            },
            report.seconds
        )
    }
}

impl Failures {
    fn row(&self) -> String {
        format!("{:>12}  {}", self.count, self.line())
    }

    /// What failed, and what was said about the first of its kind.
    pub(super) fn line(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.kind),
            None => self.kind.clone(),
        }
    }
}

fn columns(name: &str, cells: [String; 6]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>11}")).collect();
    format!("{name:<10}{cells}").trim_end().to_owned()
}

fn cells(times: &Percentiles) -> [String; 6] {
    [times.mean, times.p50, times.p90, times.p99, times.p99_9, times.max].map(shown)
}

fn shown(micros: f64) -> String {
    match micros {
        small if small < MICROS_MAX => format!("{small:.0} µs"),
        large => format!("{:.0} ms", large / MICROS_PER_MILLI),
    }
}
