//! The model, item by item.

use serde_json::{Value, json};

use super::*;

/// A model, and the moment at which it takes items.
struct Watched {
    model: Model,
    now: Instant,
    last_event: u64,
}

impl Watched {
    fn new() -> Self {
        Self { model: Model::default(), now: Instant::now(), last_event: 0 }
    }

    fn event(&mut self, node: &str, kind: &str, members: Value) {
        self.last_event += 1;
        let mut body = json!({"id": self.last_event, "time": 2, "node": node, "kind": kind});
        let all = body.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        self.model.take("", &body.to_string(), self.now);
    }

    fn state(&mut self, node: &str, health: Value) {
        let reachable = !health.is_null();
        let body = json!({
            "node": node, "time": 3, "reachable": reachable, "url": null,
            "detail": (!reachable).then_some("refused"), "health": health, "faults": null
        });
        self.model.take(STATE_EVENT, &body.to_string(), self.now);
    }

    fn messages(&mut self, node: &str, from: u64, texts: &[&str]) {
        let body = json!({"node": node, "from": from, "messages": texts});
        self.model.take(MESSAGES_EVENT, &body.to_string(), self.now);
    }

    fn node(&self, name: &str) -> &WatchedNode {
        self.model.nodes().iter().find(|node| node.name == name).unwrap()
    }

    fn cell(&self, node: &str, id: u64) -> Cell<'_> {
        self.node(node).list.cell(id)
    }

    fn senders(&self) -> Vec<[u64; 2]> {
        self.model.senders(self.now).map(|sender| sender.ids).collect()
    }
}

#[test]
fn the_master_stands_first_and_then_the_others_by_name() {
    let mut watched = Watched::new();
    for node in ["zoe", "bonnie", "clyde"] {
        watched.state(node, json!({"role": "secondary", "phase": "ready", "logEnd": 0}));
    }
    assert_eq!(watched.model.lone_secondary().map(|node| &node.name), None);
    watched.state("kim", json!({"role": "master", "mode": "read-write", "logEnd": 4}));
    let names = |watched: &Watched| {
        watched.model.nodes().iter().map(|node| node.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&watched), ["kim", "bonnie", "clyde", "zoe"]);
    // One that is gone stays where it is.
    watched.state("kim", Value::Null);
    assert_eq!(names(&watched), ["kim", "bonnie", "clyde", "zoe"]);
    assert!(watched.node("kim").is_master() && watched.node("kim").health().is_none());
}

#[test]
fn a_list_goes_on_skips_and_begins_anew() {
    let mut watched = Watched::new();
    watched.messages("b", 0, &["a", "b", "c"]);
    watched.messages("b", 3, &["d"]);
    assert_eq!(watched.cell("b", 3), Cell::Shows("d"));
    assert_eq!((watched.cell("b", 0), watched.cell("b", 4)), (Cell::Shows("a"), Cell::Lacks));
    watched.messages("b", 900, &["x"]);
    assert_eq!((watched.cell("b", 3), watched.cell("b", 900)), (Cell::Unknown, Cell::Shows("x")));
    // Another log, or one that was cut.
    watched.messages("b", 1, &["other"]);
    assert_eq!((watched.cell("b", 1), watched.cell("b", 2)), (Cell::Shows("other"), Cell::Lacks));
    assert_eq!(watched.cell("b", 900), Cell::Lacks);
    watched.messages("b", 1, &["again", "more"]);
    assert_eq!((watched.cell("b", 1), watched.node("b").list.end()), (Cell::Shows("again"), 3));
}

#[test]
fn while_messages_rush_by_the_lists_stand_where_all_of_them_are() {
    let mut watched = Watched::new();
    let texts = ["text"; 10];
    watched.messages("stuck", 0, &["text"]);
    watched.now += Duration::from_secs(5);
    watched.messages("master", 5000, &texts);
    watched.messages("b", 4000, &texts);
    let bottom = |watched: &Watched, rows| watched.model.bottom(rows, watched.now);
    assert_eq!((bottom(&watched, 19), bottom(&watched, 20)), (4010, 5010));
    watched.now += Duration::from_secs(2);
    assert_eq!(bottom(&watched, 19), 5010, "nothing comes any more");
}

#[test]
fn what_is_held_is_forgotten_when_it_is_shown_or_its_connection_ends() {
    let mut watched = Watched::new();
    let hold = |watched: &mut Watched| {
        watched.event("b", "held", json!({"ids": [2, 4], "end": 1}));
        assert_eq!(watched.cell("b", 1), Cell::Lacks);
        assert_eq!((watched.cell("b", 2), watched.cell("b", 3)), (Cell::Held, Cell::Held));
        assert_eq!(watched.model.newest_end(), 4);
    };
    watched.messages("b", 0, &["a"]);
    hold(&mut watched);
    watched.state("b", json!({"role": "secondary", "buffered": 2, "logEnd": 1}));
    assert_eq!(watched.cell("b", 2), Cell::Held);
    watched.event("b", "left", json!({"peer": "master"}));
    assert_eq!(watched.cell("b", 2), Cell::Lacks);
    hold(&mut watched);
    watched.state("b", json!({"role": "secondary", "buffered": 0, "logEnd": 1}));
    assert_eq!(watched.cell("b", 2), Cell::Lacks);
    hold(&mut watched);
    watched.messages("b", 1, &["b", "c", "d"]);
    assert_eq!(watched.cell("b", 3), Cell::Shows("d"));
    assert_eq!(watched.model.newest_end(), 4);
    // It came late, and is shown already.
    watched.event("b", "held", json!({"ids": [2, 4], "end": 1}));
    assert_eq!(watched.model.newest_end(), 4);
}

#[test]
fn a_sender_waits_until_its_answer_and_counts_who_has_its_message() {
    let mut watched = Watched::new();
    let master = json!({"role": "master", "mode": "read-write", "logEnd": 0});
    watched.state("master", master);
    watched.event("master", "waits", json!({"ids": [0, 1], "writeConcern": 3}));
    watched.event("master", "waits", json!({"ids": [0, 1], "writeConcern": 2}));
    watched.event("master", "waits", json!({"ids": [1, 2], "writeConcern": 2, "timeoutMs": 500}));
    assert_eq!(watched.senders(), [[0, 1], [0, 1], [1, 2]]);
    watched.event("master", "durable", json!({"ids": [0, 2]}));
    watched.event("master", "acked", json!({"ids": [0, 1], "peer": "bonnie"}));
    assert_eq!(watched.model.holders(1), ["master", "bonnie"]);
    assert_eq!(watched.model.holders(2), ["master"]);
    let acked = json!({"ids": [0, 1], "writeConcern": 2, "answer": "acked"});
    watched.event("master", "answered", acked);
    let left: Vec<u64> = watched.model.senders(watched.now).map(|it| it.write_concern).collect();
    assert_eq!(left, [3, 2]);
    // The answer of the second one is not heard.
    watched.now += Duration::from_secs(2);
    assert_eq!(watched.senders(), [[0, 1]]);
    watched.event("master", "canceled", json!({"ids": [0, 1]}));
    assert!(watched.senders().is_empty());
    watched.event("master", "waits", json!({"ids": [2, 3], "writeConcern": 2}));
    watched.state("master", json!({"role": "master", "waitingSenders": 0}));
    assert!(watched.senders().is_empty());
}

#[test]
fn a_node_that_is_gone_has_what_its_master_knows_that_it_has() {
    let mut watched = Watched::new();
    watched.state("b", json!({"role": "secondary", "logEnd": 5}));
    let row = json!({"name": "b", "status": "healthy", "ackedEnd": 3});
    let master = json!({"role": "master", "logEnd": 9, "secondaries": [row]});
    watched.state("master", master.clone());
    assert_eq!(watched.node("b").end(), 5);
    watched.state("b", Value::Null);
    watched.state("master", master);
    assert_eq!((watched.node("b").end(), watched.node("b").state().unwrap().reachable), (3, false));
    assert!(watched.node("b").silence(watched.now).is_none());
    let later = watched.now + Duration::from_secs(10);
    assert_eq!(watched.node("b").silence(later), Some(Duration::from_secs(10)));
}

#[test]
fn a_secondary_that_is_forgotten_is_no_longer_shown_and_another_log_empties_the_list() {
    let mut watched = Watched::new();
    // Its messages come before its state.
    watched.messages("master", 0, &["a", "b"]);
    let master = json!({"role": "master", "logEnd": 2, "secondaries": [{"name": "b"}]});
    watched.state("master", master);
    assert_eq!(watched.cell("master", 1), Cell::Shows("b"));
    watched.state("b", json!({"role": "secondary", "logEnd": 2}));
    watched.state("master", json!({"role": "master", "logEnd": 2}));
    assert_eq!(watched.model.nodes().len(), 2, "it tells its state");
    watched.now += Duration::from_secs(10);
    watched.state("master", json!({"role": "master", "logEnd": 2}));
    assert_eq!(watched.model.nodes().len(), 1);
    assert_eq!(watched.cell("master", 1), Cell::Shows("b"));
    watched.state("master", json!({"role": "master", "logEnd": 0}));
    assert_eq!((watched.cell("master", 0), watched.node("master").end()), (Cell::Lacks, 0));
}

#[test]
fn what_a_new_connection_tells_again_is_known() {
    let mut watched = Watched::new();
    let mut tell = |ids: &[u64]| {
        for (place, id) in ids.iter().enumerate() {
            let kind = if place == 0 { "started" } else { "stored" };
            let body = json!({"id": id, "time": 2, "node": "b", "kind": kind});
            watched.model.take("", &body.to_string(), watched.now);
        }
        watched.model.events_total()
    };
    assert_eq!(tell(&[11, 12]), 2);
    assert_eq!(tell(&[11, 12, 13]), 3);
    // Ids begin with the clock, which was set back before the node started again.
    assert_eq!(tell(&[1, 2]), 5);
    assert_eq!(tell(&[1, 2, 3]), 6);
}

#[test]
fn no_node_makes_up_others_without_bound() {
    let mut watched = Watched::new();
    watched.state("b", json!({"role": "secondary", "logEnd": 0}));
    let tell = |watched: &mut Watched| {
        for n in 0..10_000 {
            watched.event("b", "acked", json!({"ids": [0, 1], "peer": format!("made-up-{n}")}));
        }
        watched.model.nodes().len()
    };
    assert_eq!(tell(&mut watched), 1, "a secondary knows nothing of others");
    let master = json!({"role": "master", "logEnd": 0});
    watched.state("b", master.clone());
    assert_eq!(tell(&mut watched), 256);
    watched.state("c", Value::Null);
    assert_eq!(watched.model.nodes().len(), 256, "there is no room");
    watched.now += Duration::from_secs(5);
    watched.state("b", master);
    assert_eq!(watched.model.nodes().len(), 1, "the others told nothing");
}

#[test]
fn what_is_left_out_is_told_and_what_cannot_be_read_is_too() {
    let mut watched = Watched::new();
    watched.event("master", "waits", json!({"ids": [0, 1], "writeConcern": 3}));
    let sampled = r#"{"leftOut":48210,"every":32,"node":"master"}"#;
    watched.model.take("sampled", sampled, watched.now);
    assert_eq!(watched.model.sampled(watched.now), Some(32));
    assert_eq!(watched.model.sampled(watched.now + Duration::from_secs(9)), None);
    assert_eq!(watched.senders().len(), 1);
    watched.model.take("missed", r#"{"count":512,"node":"b"}"#, watched.now);
    assert!(watched.senders().is_empty(), "its answer may be among what was missed");
    watched.model.take("", "{", watched.now);
    watched.model.take("of-a-later-version", "?", watched.now);
    let notes: Vec<_> = watched.model.events().iter().skip(1).collect();
    let [Happened::Note(missed), Happened::Note(broken)] = notes.as_slice() else {
        panic!("{notes:?}")
    };
    assert_eq!(missed, "512 events of b are lost: they came too fast");
    assert!(broken.starts_with("what came cannot be read"), "{broken}");
}

#[test]
fn nothing_grows_without_bound() {
    let mut watched = Watched::new();
    for n in 0..5000 {
        watched.event("master", "waits", json!({"ids": [n, n + 1], "writeConcern": 3}));
        watched.event("b", "held", json!({"ids": [2 * n + 10, 2 * n + 11], "end": 1}));
        watched.messages("master", n, &[&"é".repeat(1000)]);
    }
    assert_eq!(watched.model.events().len(), EVENTS_MAX);
    assert_eq!((watched.model.events_total(), watched.senders().len()), (10_000, 1000));
    assert_eq!(watched.cell("master", 4000), Cell::Unknown);
    assert_eq!(watched.cell("master", 4999), Cell::Shows(&"é".repeat(400)));
    assert_eq!((watched.cell("b", 10), watched.cell("b", 10_008)), (Cell::Lacks, Cell::Held));
}
