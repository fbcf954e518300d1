//! Pictures of screens, as text.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::model::Model;
use super::super::view::{Choice, Link};
use super::*;

/// Noon of a day, in microseconds since 1970.
const NOON: u64 = 1_796_040_000_000_000;

struct Watched {
    model: Model,
    link: Link,
    choice: Choice,
    begin: Instant,
    events: u64,
}

impl Watched {
    fn new() -> Self {
        let link = Link::Live("http://127.0.0.1:8000".to_owned());
        let (choice, begin) = (Choice::default(), Instant::now());
        Self { model: Model::default(), link, choice, begin, events: 0 }
    }

    fn take(&mut self, name: &str, data: &Value) {
        self.model.take(name, &data.to_string(), self.begin);
    }

    fn state(&mut self, node: &str, health: Value, faults: Value) {
        let body = json!({
            "node": node, "time": NOON, "reachable": true, "url": null, "detail": null,
            "health": health, "faults": faults
        });
        self.take("state", &body);
    }

    /// Has a master tell its state; it drops a third of its frames.
    fn master(&mut self, end: u64, committed: u64, rows: &[(&str, &str, u64)]) {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(name, status, acked)| json!({"name": name, "status": status, "ackedEnd": acked}))
            .collect();
        let health = json!({
            "name": "master", "role": "master", "mode": "read-write", "logEnd": end,
            "committedEnd": committed, "epoch": 1, "clusterSize": rows.len() + 1,
            "quorum": {"required": 2, "healthy": 3}, "waitingSenders": 1, "secondaries": rows
        });
        self.state("master", health, json!({"dropRate": 0.33}));
    }

    fn secondary(&mut self, name: &str, phase: &str, end: u64, faults: Value) {
        let health = json!({
            "name": name, "role": "secondary", "phase": phase, "logEnd": end, "buffered": 1
        });
        self.state(name, health, faults);
    }

    fn messages(&mut self, node: &str, from: u64, texts: &[&str]) {
        self.take("messages", &json!({"node": node, "from": from, "messages": texts}));
    }

    fn event(&mut self, node: &str, kind: &str, members: Value) {
        self.events += 1;
        let time = NOON + 1_234_000 * self.events;
        let mut body = json!({"id": self.events, "time": time, "node": node, "kind": kind});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.take("", &body);
    }

    /// Draws the screen as it is 1.5 s after the begin.
    fn drawn(&self, width: usize, height: usize) -> String {
        let view = View {
            model: &self.model,
            link: &self.link,
            choice: self.choice,
            events_total: self.model.events_total() + 7,
            now: self.begin + Duration::from_millis(1500),
        };
        let text = draw(&view, width, height).to_text();
        assert_eq!(text.lines().count(), height);
        text
    }
}

/// Returns three nodes, of which one lags and holds a message above a gap, and a sender that waits.
fn three_nodes() -> Watched {
    let mut watched = Watched::new();
    watched.master(4, 3, &[("bonnie", "healthy", 4), ("clyde", "healthy", 1)]);
    watched.secondary("bonnie", "ready", 4, json!({"storeDelayMs": [50, 50]}));
    watched.secondary("clyde", "ready", 1, Value::Null);
    let texts = ["the first one", "日本語のテキスト", "a\u{1b}[2Jb\u{202e}", "the last"];
    watched.messages("master", 0, &texts);
    watched.messages("bonnie", 0, &texts);
    watched.messages("clyde", 0, &texts[..1]);
    let frame = |ids| json!({"peer": "clyde", "frame": "AddMessage", "ids": ids, "attempt": 1});
    watched.event("master", "dropped", frame([1, 3]));
    watched.event("master", "accepted", json!({"ids": [3, 4]}));
    let waits = json!({"ids": [3, 4], "writeConcern": 3, "timeoutMs": 10_000.0});
    watched.event("master", "waits", waits);
    watched.event("master", "sent", frame([3, 4]));
    watched.event("bonnie", "stored", json!({"ids": [3, 4]}));
    watched.event("master", "acked", json!({"ids": [3, 4], "peer": "bonnie"}));
    watched.event("clyde", "held", json!({"ids": [3, 4], "end": 1}));
    watched
}

#[test]
fn three_nodes_at_80_by_24() {
    assert_eq!(three_nodes().drawn(80, 24), include_str!("three_nodes_80x24.txt"));
}

#[test]
fn three_nodes_at_160_by_50() {
    assert_eq!(three_nodes().drawn(160, 50), include_str!("three_nodes_160x50.txt"));
}

#[test]
fn columns_stay_where_they_are_whatever_a_message_holds() {
    let hostile = [
        "\u{1b}]0;title\u{7}\u{1b}[31m\r\n\t\u{0}",
        "👨‍👩‍👧‍👦🇺🇦🏳️‍🌈 emoji",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "שלום עולם \u{200f}\u{202e}",
        "全角文字全角文字全角文字全角文字全角文字",
        &"long ".repeat(1000),
        "│││",
        "",
    ];
    let mut watched = Watched::new();
    for node in ["master", "bonnie", "clyde"] {
        watched.messages(node, 0, &hostile);
    }
    let (model, link) = (&watched.model, &watched.link);
    let now = watched.begin;
    let view = View { model, link, choice: Choice::default(), events_total: 0, now };
    let drawn = draw(&view, 80, 40);
    for row in &drawn.rows {
        let mut end = 0;
        for piece in row {
            let columns: usize = super::super::text::columns(&piece.text);
            assert!(piece.column >= end || piece.column == 0, "{row:?}");
            end = piece.column + columns;
            assert!(end <= 80 && !piece.text.contains(char::is_control), "{row:?}");
        }
    }
    let lists: Vec<_> = drawn.rows.iter().skip(2).take(11).collect();
    let lines = |row: &&Vec<super::super::picture::Piece>| {
        let lines = row.iter().filter(|piece| piece.text == "│");
        lines.map(|piece| piece.column).collect::<Vec<_>>()
    };
    assert!(lists.iter().all(|row| lines(row) == [5, 30, 55]), "{drawn:?}");
}

#[test]
fn one_node_and_ten_nodes_fit() {
    let mut watched = Watched::new();
    watched.master(1, 1, &[]);
    watched.messages("master", 0, &["alone"]);
    let text = watched.drawn(80, 24);
    assert!(text.contains("│ alone") && text.contains("· nodes 1 ·"), "{text}");
    for number in 1..10 {
        watched.secondary(&format!("secondary-{number}"), "ready", 1, Value::Null);
    }
    let text = watched.drawn(160, 50);
    assert!(text.contains("│ secondary-9") && !text.contains("← → │"), "{text}");
    let text = watched.drawn(80, 24);
    assert!(text.lines().nth(2).unwrap().starts_with("← →  │ master"), "{text}");
    assert!(text.lines().nth(3).unwrap().starts_with("5 o… │"), "{text}");
    watched.choice.nodes_hidden = 99;
    assert!(!watched.drawn(80, 24).contains("read-write, "), "the master is scrolled out");
}

#[test]
fn a_node_that_cannot_be_reached_keeps_its_list_and_says_why() {
    let mut watched = three_nodes();
    let gone = json!({
        "node": "bonnie", "time": NOON, "reachable": false, "url": "http://127.0.0.1:8001",
        "detail": "connection refused", "health": null, "faults": null
    });
    watched.take("state", &gone);
    let text = watched.drawn(120, 30);
    assert!(text.contains("│ unreachable: connection refused"), "{text}");
    assert!(text.matches("the last").count() >= 2, "{text}");
    watched.master(4, 3, &[("clyde", "suspected", 1)]);
    watched.secondary("clyde", "ready", 1, json!({"paused": true}));
    let text = watched.drawn(120, 30);
    assert!(text.contains("│ suspected, paused"), "{text}");
}

#[test]
fn a_lost_connection_a_frozen_screen_and_a_lone_secondary_say_so() {
    let mut watched = three_nodes();
    watched.link = Link::Lost("http://127.0.0.1:8000 ended the stream".to_owned());
    let text = watched.drawn(100, 24);
    let told = "connection lost, trying again: http://127.0.0.1:8000 ended the stream";
    assert!(text.lines().next().unwrap().contains(told), "{text}");
    assert!(text.contains("the first one"), "what is known stays: {text}");
    watched.choice.frozen_at = Some(7);
    let text = watched.drawn(100, 24);
    assert!(text.lines().next().unwrap().contains("FROZEN, 7 events since"), "{text}");
    let mut lone = Watched::new();
    let health = json!({
        "name": "bonnie", "role": "secondary", "phase": "ready", "logEnd": 2,
        "master": {"name": "master", "address": "127.0.0.1:6000", "connected": true, "logEnd": 5}
    });
    lone.state("bonnie", health, Value::Null);
    let text = lone.drawn(100, 24);
    assert!(text.contains("a secondary shows itself alone · its master: master at"), "{text}");
    assert!(text.contains("█░░░░░░░░░ 3"), "{text}");
}

#[test]
fn events_are_scrolled_and_stay_where_they_are_while_others_come() {
    let mut watched = Watched::new();
    for id in 0..30 {
        watched.event("master", "accepted", json!({"ids": [id, id + 1]}));
    }
    let layout = Layout::of(24);
    let newest = watched.drawn(80, 24);
    assert!(newest.contains("message 29") && !newest.contains("newer below"), "{newest}");
    watched.choice.events_end = Some(20);
    let scrolled = watched.drawn(80, 24);
    assert!(scrolled.contains("events, 10 newer below"), "{scrolled}");
    assert!(scrolled.contains("message 19\n") && !scrolled.contains("message 20\n"), "{scrolled}");
    watched.event("master", "accepted", json!({"ids": [30, 31]}));
    assert!(watched.drawn(80, 24).contains("message 19\n"));
    watched.choice.events_end = Some(0);
    let oldest = watched.drawn(80, 24);
    let last = format!("message {}\n", layout.event_rows - 1);
    assert!(oldest.contains("message 0\n") && oldest.contains(&last), "{oldest}");
}

#[test]
fn every_size_is_drawn() {
    let watched = three_nodes();
    for width in 0..100 {
        for height in [0, 1, 2, 11, 12, 13, 24, 25] {
            watched.drawn(width, height);
        }
    }
    assert!(watched.drawn(20, 10).starts_with("too small\nneeds 30 x 12"));
}
