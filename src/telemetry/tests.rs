//! The form of log lines, with a captured writer.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::{debug, info, warn};

use super::*;
use crate::config::LogFormat;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines_of(format: LogFormat, filter: &str, colour: bool, log: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let config = LogConfig { filter: filter.to_owned(), format };
    let name = "bonnie".parse().unwrap();
    let facts = Facts::new(&name, colour, || Duration::from_millis(12_345));
    let subscriber = subscriber(&config, facts, move || writer.clone());
    tracing::subscriber::with_default(subscriber, log);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn text(log: impl FnOnce()) -> String {
    lines_of(LogFormat::Text, "info", false, log)
}

#[test]
fn a_line_tells_time_level_node_module_message_and_fields() {
    let line = text(|| {
        info!(target: "acklog::net::session", request = 7_u64, late = true, "response is late");
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
    let line = lines_of(LogFormat::Json, "info", false, || {
        info!(target: "acklog::node", id = 3_u64, peer = "a\n\"b", rtt = 0.5, "stored {}", "it");
    });
    assert_eq!(
        line,
        concat!(
            r#"{"t":12.345,"level":"INFO","node":"bonnie","module":"node","#,
            r#""message":"stored it","fields":{"id":3,"peer":"a\n\"b","rtt":0.5}}"#,
            "\n"
        )
    );
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["fields"]["peer"], "a\n\"b");
}

#[test]
fn only_what_the_filter_lets_through_is_logged() {
    let log = || {
        debug!(target: "acklog::net", "seen");
        debug!(target: "acklog::http", "hidden");
    };
    let lines = lines_of(LogFormat::Text, "info,acklog::net=debug", false, log);
    assert_eq!(lines, "[  12.345s] DEBUG bonnie net: seen\n");
}

#[test]
fn colour_marks_the_level_alone() {
    let line = lines_of(LogFormat::Text, "info", true, || warn!(target: "t", "x"));
    assert_eq!(line, "[  12.345s] \u{1b}[33mWARN \u{1b}[0m bonnie t: x\n");
}
