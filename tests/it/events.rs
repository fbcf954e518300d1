//! What nodes tell about themselves at `/events`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::*;

const QUICK: [&str; 5] =
    ["--allow-faults", "--heartbeat-interval", "100ms", "--request-timeout", "300ms"];

/// One who listens to a node, and what it heard so far, how the stream ended included.
struct Listener {
    stream: TcpStream,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    /// Listens, by HTTP/1.0: its answer has no chunks. Waits until it is heard.
    fn new(http: SocketAddr, headers: &str) -> Self {
        let mut stream = TcpStream::connect(http).unwrap();
        write!(stream, "GET /events HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n").unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let begins = lines.find(|line| line.as_deref().unwrap().starts_with(": events"));
        assert!(begins.is_some(), "the answer begins with a comment");
        let kept = heard.clone();
        std::thread::spawn(move || {
            let (mut name, mut id) = (Value::Null, Value::Null);
            for line in lines {
                let Ok(line) = line else {
                    return kept.lock().unwrap().push(json!({"kind": "(reset)"}));
                };
                match line.split_once(": ") {
                    Some(("event", text)) => name = text.into(),
                    Some(("id", text)) => id = text.parse::<u64>().unwrap().into(),
                    Some(("data", text)) => {
                        let mut data: Value = serde_json::from_str(text).unwrap();
                        assert_eq!(data.get("id").unwrap_or(&Value::Null), &id.take(), "{line}");
                        if let name @ Value::String(_) = name.take() {
                            data["kind"] = name;
                        }
                        kept.lock().unwrap().push(data);
                    }
                    _ => {}
                }
            }
            kept.lock().unwrap().push(json!({"kind": "(end)"}));
        });
        Self { stream, heard }
    }

    fn all(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.all().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits for an event that has these members, and returns it.
    fn wait_for(&self, members: &Value) -> Value {
        let has = |event: &Value| {
            members.as_object().unwrap().iter().all(|(name, value)| &event[name] == value)
        };
        let what = format!("an event {members}");
        wait_until(&what, || self.all().iter().any(has));
        self.all().into_iter().find(has).unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn set(node: &Node, faults: &Value) {
    assert_eq!(request(node.http, "PUT", "/faults", &faults.to_string()).status, 200);
}

/// Starts a master and a secondary with faults, both ready.
fn two() -> (Node, Node) {
    let (master, comm) = master(&QUICK);
    let bonnie = secondary("bonnie", comm, &["--allow-faults"]);
    wait_ready(&bonnie);
    (master, bonnie)
}

#[test]
fn a_paused_secondary_is_sent_messages_again_until_it_acks_them() {
    let (master, bonnie) = two();
    let (of_master, of_bonnie) = (Listener::new(master.http, ""), Listener::new(bonnie.http, ""));
    set(&bonnie, &json!({"paused": true}));
    let told = of_bonnie.wait_for(&json!({"kind": "faults", "node": "bonnie"}));
    assert_eq!(told["faults"]["paused"], true);
    let pending = begin_append(master.http, "Msg1", "2");
    let sent = of_master.wait_for(&json!({"kind": "sent", "frame": "AddMessage", "ids": [0, 1]}));
    assert_eq!((&sent["peer"], &sent["attempt"]), (&"bonnie".into(), &1.into()));
    assert_eq!(sent["delayMs"], 0.0);
    let late = of_master.wait_for(&json!({"kind": "timed-out", "ids": [0, 1]}));
    assert_eq!((&late["peer"], &late["request"]), (&"bonnie".into(), &sent["request"]));
    of_master.wait_for(&json!({"kind": "resent", "peer": "bonnie", "attempt": 2}));
    of_master.wait_for(&json!({"kind": "health", "peer": "bonnie", "status": "unhealthy"}));
    set(&bonnie, &json!({}));
    of_master.wait_for(&json!({"kind": "acked", "peer": "bonnie", "ids": [0, 1]}));
    of_master.wait_for(&json!({"kind": "health", "peer": "bonnie", "status": "healthy"}));
    of_master.wait_for(&json!({"kind": "answered", "ids": [0, 1], "answer": "acked"}));
    assert_eq!(created(&pending.answer()).1, ["master", "bonnie"]);
    of_bonnie.wait_for(&json!({"kind": "received", "peer": "master", "ids": [0, 1]}));
    of_bonnie.wait_for(&json!({"kind": "stored", "ids": [0, 1]}));
    let times: Vec<_> = of_master.all().iter().map(|event| event["id"].as_u64()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_secondary_tells_what_it_holds_above_a_gap_and_that_the_gap_is_closed() {
    let (master, bonnie) = two();
    let (of_master, of_bonnie) = (Listener::new(master.http, ""), Listener::new(bonnie.http, ""));
    set(&master, &json!({"sendDelayMs": [1, 100]}));
    wait_until("messages overtake each other", || {
        append(master.http, "Msg", "1");
        of_bonnie.kinds().contains(&"gap-closed".to_owned())
    });
    let held = of_bonnie.wait_for(&json!({"kind": "held"}));
    assert!(held["end"].as_u64() < held["ids"][0].as_u64(), "above a gap: {held}");
    let delays: Vec<_> =
        of_master.all().iter().filter_map(|event| event["delayMs"].as_f64()).collect();
    assert!(delays.iter().any(|&delay| (1.0..=100.0).contains(&delay)), "{delays:?}");
    set(&master, &json!({"dropRate": 1}));
    append(master.http, "Lost", "1");
    of_master.wait_for(&json!({"kind": "dropped", "peer": "bonnie", "frame": "AddMessage"}));
}

#[test]
fn who_comes_late_gets_the_changes_and_who_comes_back_goes_on_behind_its_last_event() {
    let (master, bonnie) = two();
    append(master.http, "Before", "2");
    let first = Listener::new(master.http, "");
    first.wait_for(&json!({"kind": "ready", "peer": "bonnie"}));
    let start: Vec<_> = first.kinds().into_iter().take(3).collect();
    assert_eq!(start, ["started", "epoch", "mode"]);
    assert!(!first.kinds().contains(&"accepted".to_owned()), "nobody listened");
    append(master.http, "Heard", "2");
    let acked = first.wait_for(&json!({"kind": "acked", "ids": [1, 2]}));
    append(master.http, "Meanwhile", "2");
    first.wait_for(&json!({"kind": "acked", "ids": [2, 3]}));
    let again = Listener::new(master.http, &format!("Last-Event-ID: {}\r\n", acked["id"]));
    again.wait_for(&json!({"kind": "acked", "ids": [2, 3]}));
    let next = again.all()[0]["id"].as_u64().unwrap();
    assert_eq!(next, acked["id"].as_u64().unwrap() + 1);
    // An id of another node, or of an earlier start: all changes.
    let other = Listener::new(bonnie.http, "Last-Event-ID: 17\r\n");
    other.wait_for(&json!({"kind": "started", "role": "secondary", "node": "bonnie"}));
    assert_eq!(get(master.http, "/events?nodes=some").status, 400);
    assert_eq!(get(master.http, "/events?include=health").status, 400);
}

#[test]
fn a_busy_node_says_how_many_events_it_left_out() {
    let (master, _, _nodes) = cluster(&[], &["bonnie"]);
    let listener = Listener::new(master.http, "");
    wait_until("more events than are recorded", || {
        append_many(master.http);
        listener.kinds().contains(&"sampled".to_owned())
    });
    let told = listener.wait_for(&json!({"kind": "sampled"}));
    assert!(told["leftOut"].as_u64() > Some(0) && told["every"].as_u64() > Some(1), "{told}");
    assert_eq!(told.get("node"), None, "it is no event of its own");
}

#[test]
fn at_a_stop_the_stream_ends_with_an_event_that_says_so() {
    let (mut master, _, mut nodes) = cluster(&[], &["bonnie"]);
    for node in [&mut nodes[0], &mut master] {
        let listener = Listener::new(node.http, "");
        listener.wait_for(&json!({"kind": "started"}));
        node.process.signal(Signal::TERM);
        listener.wait_for(&json!({"kind": "stopping"}));
        listener.wait_for(&json!({"kind": "(end)"}));
        // A node waits a moment for clients to close.
        drop(listener);
        assert_eq!(node.process.wait(), Some(0));
        let warned = node.process.log.all().iter().any(|line| line.contains("did not end"));
        assert!(!warned, "the stream ended by itself");
    }
}
