//! The form of log lines, with a captured writer.

use std::io::Write;
use std::sync::Mutex;

use tracing::{debug, info, warn};

use super::captured::Captured;
use super::*;
use crate::telemetry::LogFormat;

fn lines_of(format: LogFormat, filter: &str, style: Style, log: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let name = "bonnie".parse().unwrap();
    let format = Arc::new(LineFormat::new(format, style, &name, Clock::stopped(12_345)));
    let subscriber = subscriber(filter, format, move || writer.clone());
    tracing::subscriber::with_default(subscriber, log);
    captured.text()
}

fn text(log: impl FnOnce()) -> String {
    lines_of(LogFormat::Text, "info", Style::Terminal { colour: false }, log)
}

#[test]
fn a_line_tells_time_level_node_module_message_and_fields() {
    let line = text(|| {
        info!(
            target: "acklog::server::net::session",
            request = 7_u64, late = true, "response is late"
        );
    });
    assert_eq!(
        line,
        "[  12.345s] INFO  bonnie net::session: response is late request=7 late=true\n"
    );
    let line = text(|| warn!(target: "hyper", "plain"));
    assert_eq!(line, "[  12.345s] WARN  bonnie hyper: plain\n");
}

#[test]
fn text_from_outside_cannot_forge_a_line_or_a_field() {
    let forged = "hi\n[  12.346s] INFO  master node: acked id=4";
    let lines = text(|| {
        info!(target: "t", text = forged, shown = %forged, debugged = ?forged, "got {forged}");
    });
    assert_eq!(lines.matches('\n').count(), 1);
    let escaped = "hi\\n[  12.346s] INFO  master node: acked id=4";
    assert_eq!(
        lines,
        format!(
            "[  12.345s] INFO  bonnie t: got {escaped} \
             text=\"{escaped}\" shown=\"{escaped}\" debugged=\"{escaped}\"\n"
        )
    );
    let colour = text(|| info!(target: "t", peer = "\u{1b}[2J", "x"));
    assert!(!colour.contains('\u{1b}'), "{colour:?}");
}

#[test]
fn a_huge_value_is_cut() {
    let line = text(|| info!(target: "t", value = %"й".repeat(100_000), "x"));
    assert!(line.len() < 3000 && line.ends_with("й…\n"), "{} bytes", line.len());
}

#[test]
fn json_lines_carry_the_same_facts() {
    let line = lines_of(LogFormat::Json, "info", Style::Kept, || {
        info!(target: "acklog::node", id = 3_u64, peer = "a\n\"b", rtt = 0.5, "stored {}", "it");
    });
    assert_eq!(
        line,
        concat!(
            r#"{"timestamp":"1970-01-01T00:00:12.345Z","level":"INFO","node":"bonnie","#,
            r#""module":"node","message":"stored it","fields":{"id":3,"peer":"a\n\"b","rtt":0.5}}"#,
            "\n"
        )
    );
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["fields"]["peer"], "a\n\"b");
}

#[test]
fn only_what_the_filter_lets_through_is_logged() {
    let log = || {
        debug!(target: "acklog::server::net", "seen");
        debug!(target: "acklog::server::http", "hidden");
    };
    let lines =
        lines_of(LogFormat::Text, "info,acklog::net=debug", Style::Terminal { colour: false }, log);
    assert_eq!(lines, "[  12.345s] DEBUG bonnie net: seen\n");
}

#[test]
fn colour_marks_the_level_alone() {
    let line = lines_of(
        LogFormat::Text,
        "info",
        Style::Terminal { colour: true },
        || warn!(target: "t", "x"),
    );
    assert_eq!(line, "[  12.345s] \u{1b}[33mWARN \u{1b}[0m bonnie t: x\n");
}

#[test]
fn a_line_that_is_kept_bears_the_time_of_day_and_one_under_up_neither_name_nor_module() {
    let log = || {
        info!(target: "acklog::node", id = 3, "x");
        debug!(target: "acklog::node", "y");
    };
    let kept = lines_of(LogFormat::Text, "info", Style::Kept, log);
    assert_eq!(kept, "1970-01-01T00:00:12.345Z INFO  bonnie node: x id=3\n");
    let up = lines_of(LogFormat::Text, "debug", Style::Up, log);
    assert_eq!(up, " 12.345 INFO  x id=3\n 12.345 DEBUG node: y\n");
    let coloured: Vec<_> = up.lines().map(with_coloured_level).collect();
    assert_eq!(coloured[0], " 12.345 \u{1b}[32mINFO\u{1b}[0m  x id=3");
    assert_eq!(coloured[1], " 12.345 \u{1b}[36mDEBUG\u{1b}[0m node: y");
    for other in ["thread panicked", "", " 12 INFORMED", "INF"] {
        assert_eq!(with_coloured_level(other), other);
    }
}

#[test]
fn json_has_numbers_as_numbers_and_leaves_out_what_is_absent() {
    let (some, none) = (Some(Duration::from_secs(2)), None::<Duration>);
    let line = lines_of(LogFormat::Json, "info", Style::Kept, || {
        info!(target: "t", id = %7_u64, run = %"3..=5", took = ?Duration::from_micros(1500),
            timeout = ?some, pause = ?none, peer = %7, text = "5s", request = ?Some(4), "x");
        info!(target: "t", id = %"none", "y");
    });
    let (line, empty) = line.split_once('\n').unwrap();
    assert!(empty.contains(r#""message":"y","fields":{}}"#), "{empty}");
    let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
    let expected = serde_json::json!({"id": 7, "run": 3, "last": 5, "took_ms": 1.5,
        "timeout_ms": 2000.0, "peer": "7", "text": "5s", "request": 4});
    assert_eq!(parsed["fields"], expected);
    let text = text(|| info!(target: "t", timeout = ?some, pause = ?none, "x"));
    assert!(text.ends_with("t: x timeout=2s\n"), "{text}");
}

#[test]
fn lost_lines_are_counted_and_told_by_the_next_that_gets_through() {
    #[derive(Clone, Default)]
    struct Stuck(Captured, Arc<Mutex<()>>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _free = self.1.lock().unwrap();
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let stuck = Stuck::default();
    let (writer, worker) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(4).finish(stuck.clone());
    let name = "bonnie".parse().unwrap();
    let format = LineFormat::new(LogFormat::Text, Style::Kept, &name, Clock::stopped(0));
    let mut lines = LogLines::new(writer, Arc::new(format));
    let held = stuck.1.lock().unwrap();
    let count = 100;
    for number in 0..count {
        lines.write_all(format!("line {number}\n").as_bytes()).unwrap();
    }
    drop(held);
    let text = || stuck.0.text();
    // Not only at the end.
    let (give_up, mut further) = (Instant::now() + Duration::from_secs(30), 0);
    while !text().contains("lost=") {
        assert!(Instant::now() < give_up, "{}", text());
        lines.write_all(b"line further\n").unwrap();
        further += 1;
    }
    let count = count + further;
    drop(Guard { lines, worker });
    let text = text();
    let written = text.lines().filter(|line| line.starts_with("line ")).count();
    let told = text.lines().filter_map(|line| line.split_once("lost="));
    let told: usize = told.map(|(_, count)| count.parse::<usize>().unwrap()).sum();
    assert!(told > 0, "{text}");
    assert_eq!(written + told, count, "{text}");
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_told_once_there_is_room() {
    /// A file with so much space.
    #[derive(Default)]
    struct Full(Vec<u8>, usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1 -= taken;
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let name = "bonnie".parse().unwrap();
    let format = LineFormat::new(LogFormat::Text, Style::Kept, &name, Clock::stopped(0));
    let mut lines = WholeLines::new(Full(Vec::new(), 10), Arc::new(format));
    let mut written = |room: usize, line: &str| {
        lines.inner.1 += room;
        let is_taken = lines.write_all(line.as_bytes()).is_ok();
        (is_taken, String::from_utf8(lines.inner.0.clone()).unwrap())
    };
    assert_eq!(written(0, "whole\n"), (true, "whole\n".to_owned()));
    assert_eq!(written(0, "torn off\n"), (false, "whole\ntorn".to_owned()));
    assert!(!written(0, "lost\n").0);
    let (is_taken, text) = written(1000, "further\n");
    let all: Vec<&str> = text.lines().collect();
    assert!(is_taken && all.len() == 4, "{text}");
    assert_eq!((all[1], all[3]), ("torn", "further"));
    assert!(all[2].contains("lost=2"), "{text}");
    assert_eq!(written(0, "one more\n"), (true, text + "one more\n"));
}

#[test]
fn an_attempt_that_fails_again_and_again_is_logged_when_its_reason_changes() {
    let lines = text(|| {
        for pause in 0..10 {
            info!(target: "t", repeats = true, reason = "refused", pause, "cannot reach it");
        }
        info!(target: "t", repeats = true, reason = "no route", pause = 1, "cannot reach it");
        info!(target: "t", reason = "no route", "cannot reach it");
        info!(target: "t", reason = "no route", "cannot reach it");
    });
    let ends = lines.lines().map(|line| line.split_once("it ").unwrap().1);
    let expected = ["reason=refused pause=0", "reason=\"no route\" pause=1", "reason=\"no route\""];
    assert_eq!(ends.collect::<Vec<_>>(), [&expected[..], &expected[2..]].concat());
}
