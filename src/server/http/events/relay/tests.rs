//! Relays of stand-ins for secondaries, which follow scripts.

use acklog_client::test_node::{Script, ScriptedNode};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::*;

const ALL: EventsRequest = EventsRequest { all_nodes: false, state: true, messages: true };

fn relay(node: Option<&ScriptedNode>) -> (Relay, mpsc::Receiver<Bytes>) {
    let (sender, pieces) = mpsc::channel(1);
    let place = |node: &ScriptedNode| SocketAddr::from(([127, 0, 0, 1], node.endpoint().port()));
    let target = node.map(place).map(PeerTarget::new);
    let (name, connections) = ("bonnie".parse().unwrap(), PeerConnections::new());
    (Relay { name, target, connections, request: ALL, sender }, pieces)
}

/// Returns what a relay passes on, until it tells that the node is not reached, and the reason.
async fn relayed(node: Option<&ScriptedNode>) -> (String, String) {
    let (relay, mut pieces) = relay(node);
    let read = async {
        let mut text = String::new();
        loop {
            let piece = pieces.recv().await.expect("it goes on");
            let piece = str::from_utf8(&piece).unwrap();
            let last = piece.strip_prefix("event: state\ndata: ").unwrap_or_default();
            let state = serde_json::from_str::<Value>(last).unwrap_or_default();
            if state["reachable"] == false {
                assert_eq!((&state["node"], &state["health"]), (&json!("bonnie"), &Value::Null));
                return (text, state["detail"].as_str().unwrap().to_owned());
            }
            text.push_str(piece);
        }
    };
    tokio::select! {
        () = relay.run() => panic!("it goes on"),
        read = read => read,
    }
}

fn state(node: &str) -> String {
    let state = NodeState {
        node: node.to_owned(),
        time: 1,
        reachable: true,
        url: None,
        master_url: None,
        detail: None,
        health: None,
        faults: None,
    };
    format!("event: state\ndata: {}\n\n", serde_json::to_string(&state).unwrap())
}

#[tokio::test]
async fn items_are_passed_on_and_name_their_node() {
    let event = "data: {\"id\":7,\"node\":\"bonnie\"}\n\n";
    let messages = "event: messages\ndata: {\"node\":\"bonnie\",\"from\":0,\"messages\":[]}\n\n";
    let told = [
        ": events\nretry: 1000\n\nid: 7\n",
        event,
        messages,
        "event: sampled\ndata: {\"leftOut\":3,\"every\":2}\n\n",
        "event: missed\ndata: {\"count\":5}\n\n",
        "event: of-later\ndata: {}\n\n",
        &state("bonnie"),
    ];
    let node = ScriptedNode::start([Script::events(&told)]).await;
    let (text, detail) = relayed(Some(&node)).await;
    let url = node.endpoint().to_string();
    let state = state("bonnie").replace("\"url\":null", &format!("\"url\":\"{url}\""));
    let expected = [
        event,
        messages,
        "event: sampled\ndata: {\"leftOut\":3,\"every\":2,\"node\":\"bonnie\"}\n\n",
        "event: missed\ndata: {\"count\":5,\"node\":\"bonnie\"}\n\n",
        "event: of-later\ndata: {}\n\n",
        &state,
    ];
    assert_eq!(text, expected.concat());
    assert!(detail.starts_with(&format!("{url} ended the stream; ")), "{detail}");
    assert_eq!(node.requests()[0].0, "/events?include=state,messages");
}

#[tokio::test]
async fn the_reason_and_the_remedy_are_told_where_a_node_is_not_reached() {
    let (text, detail) = relayed(None).await;
    assert_eq!(text, "");
    assert!(detail.starts_with("it has not connected since this master started"), "{detail}");
    assert!(detail.ends_with("; start it, or see its log for why it does not reach the master"));
    let other = ScriptedNode::start([Script::events(&[&state("clyde")])]).await;
    let (text, detail) = relayed(Some(&other)).await;
    assert_eq!(text, "");
    assert!(detail.contains(" is clyde, another node; "), "{detail}");
    let page = ScriptedNode::start([Script::answer(200, "text/html", "<p>")]).await;
    let (_, detail) = relayed(Some(&page)).await;
    assert!(detail.contains("no stream of events"), "{detail}");
    let refused = r#"{"title":"t","status":503,"detail":"too many","code":"c","retry":true}"#;
    let full = Script::answer(503, "application/problem+json", refused);
    let (_, detail) = relayed(Some(&ScriptedNode::start([full]).await)).await;
    assert!(
        detail.starts_with("too many; see that the node runs, and that its --bind"),
        "{detail}"
    );
}

#[tokio::test]
async fn only_what_the_node_tells_of_itself_is_passed_on_and_each_item_on_one_line() {
    let relayed = async |told: &str| {
        let node = ScriptedNode::start([Script::events(&[told])]).await;
        relayed(Some(&node)).await
    };
    let others = [
        "data: {\"node\":\"clyde\",\"id\":1}\n\n",
        "event: messages\ndata: {\"node\":\"clyde\"}\n\n",
    ];
    for told in others {
        let (text, detail) = relayed(told).await;
        assert!(text.is_empty() && detail.contains(" is clyde, another node; "), "{text}{detail}");
    }
    for told in [
        "data: <p>\n\n",
        "data: {}\ndata: \ndata: event: state\n\n",
        "event: state\rdata: {}\ndata: {}\n\n",
        "data: {\"text\":\"\r\"}\n\n",
        "event: past\ndata: {\"node\":\"bonnie\",\"ago\":0,\"event\":\"state\",\"data\":{}}\n\n",
        "event: step\ndata: {\"node\":\"bonnie\",\"text\":\"crash\"}\n\n",
        "event: error\ndata: {}\n\n",
    ] {
        let (text, detail) = relayed(told).await;
        assert!(text.is_empty() && detail.contains("what no node does"), "{told}: {text}{detail}");
    }
    let (text, _) = relayed("data: {\r\"id\":\ndata: 7}\n\n").await;
    assert_eq!(text, "data: { \"id\": 7}\n\n");
}

#[tokio::test]
async fn what_only_a_master_tells_is_not_passed_on_from_a_secondary() {
    let relayed = async |told: &str| {
        let node = ScriptedNode::start([Script::events(&[told])]).await;
        relayed(Some(&node)).await
    };
    let event = |body: Value| format!("data: {body}\n\n");
    let state = |health: Value| {
        format!("event: state\ndata: {}\n\n", json!({"node": "bonnie", "health": health}))
    };
    let started = |role: &str| event(json!({"node": "bonnie", "kind": "started", "role": role}));
    let of_master = [
        event(json!({"node": "bonnie", "kind": "acked", "peer": "clyde", "ids": [0, 99999]})),
        event(json!({"node": "bonnie", "kind": "health", "peer": "clyde", "status": "unhealthy"})),
        // Also where no node is named: it is of this one.
        event(json!({"kind": "quorum", "healthy": 1, "required": 2})),
        "data: {\"node\":\"bonnie\",\"kind\":\"mod\\u0065\"}\n\n".to_owned(),
        started("master"),
        state(json!({"role": "master", "name": "bonnie"})),
        // Nothing that this version reads, but a page may.
        state(json!({"role": "master", "secondaries": 7})),
    ];
    for told in of_master {
        let (text, detail) = relayed(&told).await;
        assert_eq!(text, "", "{told}");
        assert!(detail.contains(" tells what only a master does; "), "{told}: {detail}");
    }
    let of_secondary = EventKind::ALL.iter().filter(|kind| !is_of_master(kind));
    let kinds = of_secondary.map(|kind| event(json!({"kind": kind.as_str(), "node": "bonnie"})));
    let of_later = [
        started("secondary"),
        started("witness"),
        event(json!({"kind": "of-later", "node": "bonnie"})),
        "event: of-later\ndata: {\"kind\":\"acked\",\"role\":\"master\"}\n\n".to_owned(),
        state(json!({"role": "witness"})),
    ];
    let told: String = kinds.chain(of_later).collect();
    assert_eq!(relayed(&told).await.0, told);
    assert_eq!(EventKind::ALL.iter().filter(|kind| is_of_master(kind)).count(), 12);
}

#[test]
fn what_a_secondary_tells_is_not_taken_for_what_only_a_master_does() {
    // The kinds of what `crates/protocol/src/secondary`, and what both roles use, emit.
    let told = [
        "started",
        "stopping",
        "connecting",
        "joined",
        "ready",
        "left",
        "refused",
        "advice",
        "received",
        "sent",
        "resent",
        "completed",
        "timed-out",
        "late",
        "failed",
        "under-way",
        "dropped",
        "doubled",
        "delayed",
        "stored",
        "held",
        "gap-closed",
        "duplicate",
        "store-delayed",
        "disk",
        "repair",
        "faults",
        "disconnected",
    ];
    for kind in told {
        assert!(!is_of_master(&EventKind::from(kind.to_owned())), "{kind}");
    }
}

#[tokio::test]
async fn a_node_that_is_reached_again_is_relayed_again() {
    let scripts = [Script::answer(404, "text/plain", "no"), Script::events(&[&state("bonnie")])];
    let node = ScriptedNode::start(scripts).await;
    let (relay, mut pieces) = relay(Some(&node));
    let local = LocalSet::new();
    local.spawn_local(relay.run());
    let read = local.run_until(async {
        let mut text = String::new();
        while !text.contains("\"reachable\":true") {
            text.push_str(str::from_utf8(&pieces.recv().await.unwrap()).unwrap());
        }
        text
    });
    assert!(read.await.starts_with("event: state\ndata: {\"node\":\"bonnie\""));
}

#[tokio::test]
async fn the_pauses_go_on_growing_where_a_node_ends_each_stream_at_once() {
    let node = ScriptedNode::start([Script::events(&[&state("bonnie")])]).await;
    let (relay, mut pieces) = relay(Some(&node));
    let (target, mut dialer) = (relay.target.clone().unwrap(), EventsDialer::new(ALL));
    for _ in 0..4 {
        dialer.pause();
        assert!(relay.read(&target, &mut dialer).await.is_ok());
        pieces.recv().await.unwrap();
    }
    assert!(dialer.pause() >= Duration::from_millis(400), "each is twice as long");
}
