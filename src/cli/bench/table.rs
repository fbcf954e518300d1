//! Prints a report as a table, or as JSON.

use std::io::Write;

use acklog_types::WriteConcern;
use serde::Serialize;

use super::{BenchArgs, BenchReport, FailureCount, NodeUrl, Percentiles};

/// Times below this many microseconds are shown in microseconds.
const MICROS_MAX: f64 = 10_000.0;
const MICROS_PER_MILLI: f64 = 1000.0;

/// The options of a run and its results.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BenchRun<'a> {
    url: String,
    message_bytes: usize,
    /// As in the requests; `None` if they named none.
    #[serde(with = "acklog_api::concern")]
    write_concern: Option<WriteConcern>,
    #[serde(flatten)]
    report: &'a BenchReport,
}

/// Prints a report.
///
/// # Errors
/// When the output is closed.
pub(super) fn print(
    args: &BenchArgs,
    url: &NodeUrl,
    report: &BenchReport,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let run = BenchRun {
        url: url.to_string(),
        message_bytes: args.size,
        write_concern: args.write_concern,
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

impl BenchRun<'_> {
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
        if let Some(latency) = &report.latency_us {
            let heads = ["mean", "p50", "p90", "p99", "p99.9", "max"];
            lines.extend([String::new(), columns("", heads.map(str::to_owned))]);
            lines.push(columns("latency", cells(latency)));
        }
        if let Some(lateness) = &report.lateness_us {
            lines.push(columns("sent late", cells(lateness)));
        }
        if !report.errors.is_empty() {
            lines.extend(["".to_owned(), "failures".to_owned()]);
            lines.extend(report.errors.iter().map(FailureCount::row));
        }
        lines.join("\n") + "\n"
    }

    /// Returns the line that shows the options.
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

impl FailureCount {
    fn row(&self) -> String {
        format!("{:>12}  {}", self.count, self.line())
    }

    /// Returns the kind of failure, with the detail of the first one.
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

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use serde_json::Value;

    use super::*;

    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn args(flags: &[&str]) -> BenchArgs {
        let all = [&["bench", "--url", "http://127.0.0.1:8000"], flags].concat();
        crate::config::parse::<Wrapped>(all).unwrap().args
    }

    fn times(first: f64) -> Percentiles {
        let (p50, p90, p99) = (first + 1.0, first * 2.0, first * 3.0);
        Percentiles { mean: first, p50, p90, p99, p99_9: first * 10.0, max: first * 100.0 }
    }

    fn report() -> BenchReport {
        BenchReport {
            clients: 64,
            threads: 1,
            batch: 1,
            due_per_second: None,
            seconds: 10.0,
            messages_per_second: 63210.4,
            requests_per_second: 63210.4,
            answered: 632_104,
            failed: 0,
            unanswered: 0,
            unsent: 0,
            latency_us: Some(times(980.5)),
            lateness_us: None,
            errors: Vec::new(),
            latency: Histogram::new(3).unwrap(),
        }
    }

    fn printed(args: &BenchArgs, report: &BenchReport) -> String {
        let mut out = Vec::new();
        print(args, &NodeUrl::local(8000), report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_closed_loop_is_told_in_a_few_lines() {
        let expected = "\
64 clients on 1 thread, 1 message of 100 bytes a request, write concern 3, 10.0 s

messages/s         63210
requests/s         63210
answered          632104
failed                 0

                 mean        p50        p90        p99      p99.9        max
latency        980 µs     982 µs    1961 µs    2942 µs    9805 µs      98 ms
";
        assert_eq!(printed(&args(&["--write-concern", "3"]), &report()), expected);
    }

    #[test]
    fn an_open_loop_tells_what_was_due_and_what_failed() {
        let failure = |kind: &str, count, detail: Option<&str>| FailureCount {
            kind: kind.to_owned(),
            count,
            detail: detail.map(str::to_owned),
        };
        let report = BenchReport {
            clients: 1,
            threads: 2,
            batch: 100,
            due_per_second: Some(20_000.0),
            messages_per_second: 19_900.0,
            requests_per_second: 199.0,
            answered: 1990,
            failed: 7,
            unanswered: 2,
            unsent: 1,
            lateness_us: Some(times(10.0)),
            errors: vec![
                failure("503 Service Unavailable", 4, Some("1 of 3 nodes is healthy, 2 needed")),
                failure("no answer in time", 3, None),
            ],
            ..report()
        };
        let expected = "\
1 client on 2 threads, 100 messages of 8 bytes a request, the node's write concern, 10.0 s

due/s              20000
messages/s         19900
requests/s           199
answered            1990
failed                 7
not sent               1
no answer              2

                 mean        p50        p90        p99      p99.9        max
latency        980 µs     982 µs    1961 µs    2942 µs    9805 µs      98 ms
sent late       10 µs      11 µs      20 µs      30 µs     100 µs    1000 µs

failures
           4  503 Service Unavailable: 1 of 3 nodes is healthy, 2 needed
           3  no answer in time
";
        assert_eq!(printed(&args(&["--size", "8", "--batch", "100"]), &report), expected);
    }

    #[test]
    fn where_nothing_was_answered_no_latency_is_shown() {
        let report = BenchReport { answered: 0, latency_us: None, ..report() };
        let text = printed(&args(&["--write-concern", "all"]), &report);
        assert!(text.contains("write concern all") && !text.contains("latency"), "{text}");
    }

    #[test]
    fn json_names_everything_with_its_unit() {
        let text = printed(&args(&["--write-concern", "3", "--json"]), &report());
        assert_eq!(text.matches('\n').count(), 1);
        let found: Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "url": "http://127.0.0.1:8000", "messageBytes": 100, "writeConcern": 3,
            "clients": 64, "threads": 1, "batch": 1, "duePerSecond": null, "seconds": 10.0,
            "messagesPerSecond": 63210.4, "requestsPerSecond": 63210.4, "answered": 632_104,
            "failed": 0, "unanswered": 0, "unsent": 0,
            "latencyUs": {"mean": 980.5, "p50": 981.5, "p90": 1961.0, "p99": 2941.5,
                "p99.9": 9805.0, "max": 98050.0},
            "latenessUs": null, "errors": [],
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_body_is_one_message_or_a_batch_of_them() {
        let body = |flags: &[&str]| args(flags).body();
        assert_eq!(body(&["--size", "3"]), r#"{"message":"mmm"}"#);
        let batch = ["--size", "2", "--batch", "3", "--write-concern", "2"];
        assert_eq!(body(&batch), r#"{"messages":["mm","mm","mm"],"writeConcern":2}"#);
        let word = ["--size", "1", "--write-concern", "majority"];
        assert_eq!(body(&word), r#"{"message":"m","writeConcern":"majority"}"#);
        assert!(args(&[]).unusable().is_none());
        let wrong = args(&["--size", "4096", "--batch", "4096"]).unusable().unwrap();
        assert!(wrong.starts_with("--batch 4096 with --size 4096 is more"), "{wrong}");
    }

    #[test]
    fn a_rate_is_in_messages_whatever_the_batch() {
        use crate::cli::bench::engine::LoadModel;
        assert_eq!(args(&[]).load().model, LoadModel::Closed);
        let load = args(&["--rate", "500", "--batch", "1000"]).load();
        assert_eq!((load.model, load.batch), (LoadModel::Open { per_second: 0.5 }, 1000));
    }
}
