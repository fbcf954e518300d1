//! The stream that the page reads: the state and the messages of a node, and of all nodes through
//! their master; and the requests about faults that a master passes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use acklog_api::EventsRequest;
use acklog_client::{Endpoint, NodeEvents};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::*;

const EVERYTHING: EventsRequest = EventsRequest { all_nodes: true, state: true, messages: true };

/// One who reads a stream, and what it got so far, each with its name as `event`.
struct PageReader {
    items: Arc<Mutex<Vec<Value>>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl PageReader {
    /// Reads everything that a node tells, until it is dropped or the node ends the stream.
    fn new(http: SocketAddr, request: EventsRequest) -> Self {
        let (items, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (kept, stopped) = (items.clone(), stop.clone());
        let read = async move {
            let target: Endpoint = http.to_string().parse().unwrap();
            let mut events = NodeEvents::open(target, request).await.unwrap();
            while let Ok(item) = events.next().await {
                let mut value: Value = serde_json::from_str(&item.data).unwrap();
                value["event"] = item.name.into();
                kept.lock().unwrap().push(value);
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { stopped.run_until_cancelled(read).await });
        });
        Self { items, stop, thread: Some(thread) }
    }

    fn all(&self) -> Vec<Value> {
        self.items.lock().unwrap().clone()
    }

    /// Forgets what came so far, so that only what comes from now on is found.
    fn forget(&self) {
        self.items.lock().unwrap().clear();
    }

    /// Waits for an item, and returns it.
    fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, || self.all().iter().any(&is_it));
        self.all().into_iter().find(is_it).unwrap()
    }

    /// Waits for a state of a node, reachable or not.
    fn state(&self, node: &str, reachable: bool) -> Value {
        let what = format!("{node} to be reachable: {reachable}");
        self.wait_for(&what, |item| {
            item["event"] == "state" && item["node"] == node && item["reachable"] == reachable
        })
    }

    /// Returns the texts of a node's list, by what came so far.
    fn list(&self, node: &str) -> Vec<String> {
        let all = self.all();
        let of_node = |item: &&Value| item["event"] == "messages" && item["node"] == node;
        let texts = all.iter().filter(of_node).flat_map(|item| item["messages"].as_array());
        texts.flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for PageReader {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the reader failed");
    }
}

/// Starts a master and two secondaries with faults, all ready.
fn three() -> (Node, SocketAddr, Vec<Node>) {
    let (master, comm) = master(&["--allow-faults", "--heartbeat-interval", "100ms"]);
    let nodes: Vec<Node> =
        ["bonnie", "clyde"].map(|name| secondary(name, comm, &["--allow-faults"])).into();
    nodes.iter().for_each(wait_ready);
    (master, comm, nodes)
}

/// Begins to read the events of a node; none where it takes no more readers.
fn one_more_reader(node: &Node) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(node.http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /events HTTP/1.0\r\n\r\n").unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert!([&b"200"[..], b"503"].contains(&&status[9..]), "{status:?}");
    (&status[9..] == b"200").then_some(stream)
}

#[test]
fn one_stream_at_the_master_tells_what_all_nodes_are_do_and_show() {
    let (master, _, nodes) = three();
    append(master.http, "before", "3");
    let reader = PageReader::new(master.http, EVERYTHING);
    for (name, role, url) in [
        ("master", "master", Value::Null),
        ("bonnie", "secondary", json!(format!("http://{}", nodes[0].http))),
        ("clyde", "secondary", json!(format!("http://{}", nodes[1].http))),
    ] {
        let state = reader.state(name, true);
        assert_eq!((&state["health"]["role"], &state["url"]), (&json!(role), &url), "{state}");
        assert_eq!((&state["faults"]["paused"], &state["detail"]), (&json!(false), &Value::Null));
    }
    append(master.http, &"é".repeat(300), "3");
    append(master.http, "after", "3");
    let cut = format!("{}…", "é".repeat(199));
    for name in ["master", "bonnie", "clyde"] {
        wait_until("all messages", || reader.list(name) == ["before", &cut, "after"]);
        let end = |item: &Value| item["health"]["logEnd"] == 3 && item["node"] == name;
        reader.wait_for("its end", end);
    }
    reader.wait_for("an event of a secondary", |item| {
        item["event"] == "" && item["kind"] == "stored" && item["node"] == "bonnie"
    });
    // The lives of nodes are told without a change.
    let states = |name: &str| {
        let all = reader.all();
        all.iter().filter(|item| item["event"] == "state" && item["node"] == name).count()
    };
    let before = states("clyde");
    wait_until("two more states", || states("clyde") >= before + 2);
}

#[test]
fn events_of_many_nodes_have_no_ids() {
    let (master, _, _nodes) = three();
    let ids_in = |path: &str| {
        let mut stream = TcpStream::connect(master.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let (mut text, mut piece) = (String::new(), [0; 4096]);
        while !text.contains("\"kind\":\"ready\"") {
            let read = stream.read(&mut piece).unwrap();
            text.push_str(str::from_utf8(&piece[..read]).unwrap());
        }
        text.contains("\nid: ")
    };
    assert!(ids_in("/events") && ids_in("/events?nodes=self"));
    assert!(!ids_in("/events?nodes=all"));
}

#[test]
fn a_node_that_is_gone_is_told_and_so_is_its_return() {
    let (master, comm, mut nodes) = three();
    let reader = PageReader::new(master.http, EVERYTHING);
    reader.state("bonnie", true);
    nodes[0].process.signal(Signal::KILL);
    nodes[0].process.wait();
    let gone = reader.state("bonnie", false);
    let detail = gone["detail"].as_str().unwrap();
    assert!(detail.contains("see that the node runs"), "{detail}");
    assert_eq!((&gone["health"], &gone["faults"]), (&Value::Null, &Value::Null));
    reader.forget();
    // On another port, which its next handshake tells.
    let again = secondary("bonnie", comm, &[]);
    let back = reader.state("bonnie", true);
    assert_eq!(back["url"], format!("http://{}", again.http));
    assert_eq!(back["faults"], Value::Null, "it runs without faults");
    // One more joins while somebody reads, and one hangs.
    let _dora = secondary("dora", comm, &[]);
    reader.state("dora", true);
    nodes[1].process.signal(Signal::STOP);
    let hangs = reader.state("clyde", false);
    assert!(hangs["detail"].as_str().unwrap().contains("nothing came for 5 s"), "{hangs}");
    reader.forget();
    nodes[1].process.signal(Signal::CONT);
    reader.state("clyde", true);
}

#[test]
fn a_secondary_tells_itself_alone_and_a_forgotten_one_is_told_no_more() {
    let (master, _, mut nodes) = three();
    let of_bonnie = PageReader::new(nodes[0].http, EVERYTHING);
    of_bonnie.state("bonnie", true);
    append(master.http, "a", "3");
    wait_until("the message", || of_bonnie.list("bonnie") == ["a"]);
    assert!(of_bonnie.all().iter().all(|item| item["node"] == "bonnie"));
    let url = json!(format!("http://{}", master.http));
    assert_eq!(of_bonnie.state("bonnie", true)["masterUrl"], url);
    let reader = PageReader::new(master.http, EVERYTHING);
    nodes[1].process.signal(Signal::KILL);
    nodes[1].process.wait();
    reader.state("clyde", false);
    let forget = || request(master.http, "DELETE", "/secondaries/clyde", "").status;
    wait_until("clyde to be forgotten", || forget() == 200);
    let size = |item: &Value| item["health"]["clusterSize"] == 2 && item["event"] == "state";
    reader.wait_for("the smaller cluster", size);
    wait_until("no more of clyde", || {
        reader.forget();
        let of_master = |item: &Value| item["event"] == "state" && item["node"] == "master";
        wait_until("three states", || reader.all().iter().filter(|it| of_master(it)).count() > 2);
        !reader.all().iter().any(|item| item["node"] == "clyde")
    });
}

#[test]
fn readers_have_relays_of_their_own_which_end_with_them() {
    let (master, comm) = master(&[]);
    let bonnie = secondary("bonnie", comm, &["--max-followers", "2"]);
    wait_ready(&bonnie);
    let first = PageReader::new(master.http, EVERYTHING);
    let second = PageReader::new(master.http, EVERYTHING);
    first.state("bonnie", true);
    second.state("bonnie", true);
    assert!(one_more_reader(&bonnie).is_none(), "both are read from it");
    drop(first);
    wait_until("a relay to end", || one_more_reader(&bonnie).is_some());
    append(master.http, "a", "2");
    wait_until("the other one to go on", || second.list("bonnie") == ["a"]);
    drop(second);
    // As many as there may be, so no relay is left.
    wait_until("both relays to end", || {
        let one = one_more_reader(&bonnie);
        one.is_some() && one_more_reader(&bonnie).is_some()
    });
}

#[test]
fn what_was_left_out_names_the_node() {
    let (master, _, _nodes) = cluster(&[], &["bonnie"]);
    let of_all = PageReader::new(master.http, EVERYTHING);
    let of_one = PageReader::new(master.http, EventsRequest::default());
    of_all.state("bonnie", true);
    let is_sampled = |item: &Value| item["event"] == "sampled";
    wait_until("more events than are recorded", || {
        append_many(master.http);
        of_all.all().iter().any(is_sampled) && of_one.all().iter().any(is_sampled)
    });
    let (all, one) = (of_all.wait_for("it", is_sampled), of_one.wait_for("it", is_sampled));
    assert!(["master", "bonnie"].map(Value::from).contains(&all["node"]), "{all}");
    assert_eq!(one.get("node"), None, "{one}");
    // However many there are, of a list the last ones are told.
    let end = health(master.http)["logEnd"].as_u64().unwrap();
    let is_last = |item: &Value| {
        let texts = item["messages"].as_array().map_or(0, Vec::len) as u64;
        item["event"] == "messages" && item["from"].as_u64().is_some_and(|it| it + texts == end)
    };
    for node in ["master", "bonnie"] {
        of_all.wait_for("the end of the list", |item| item["node"] == node && is_last(item));
    }
    let lists = of_all.all().into_iter().filter(|item| item["event"] == "messages");
    assert!(lists.into_iter().all(|list| list["messages"].as_array().unwrap().len() <= 1000));
}

#[test]
fn a_damaged_message_is_left_out_of_the_list_and_the_stream_goes_on() {
    let long = "x".repeat(300_000);
    let (again, _directory) = damaged_master(&["first", &long, "second", "third"]);
    let reader = PageReader::new(again.http, EVERYTHING);
    let last = reader.wait_for("what stands behind it", |item| item["from"] == 2);
    assert_eq!(last["messages"], json!(["second", "third"]));
    assert_eq!(reader.list("master"), ["first", "second", "third"]);
    // What comes later is told as well: here, that the node takes no more.
    reader.wait_for("the state", |item| item["health"]["mode"] == "read-only");
}

#[test]
fn a_master_passes_requests_about_faults_on() {
    let (master, comm) = master(&[]);
    let mut bonnie = secondary("bonnie", comm, &["--allow-faults"]);
    let clyde = secondary("clyde", comm, &[]);
    [&bonnie, &clyde].into_iter().for_each(wait_ready);
    let of = |method: &str, node: &str, body: &str| {
        request(master.http, method, &format!("/faults?node={node}"), body)
    };
    let set = of("PUT", "bonnie", r#"{"paused":true}"#);
    assert_eq!((set.status, set.header("content-type")), (200, Some("application/json")));
    assert_eq!(set.body, get(bonnie.http, "/faults").body);
    assert_eq!(set.json()["paused"], true);
    let head = of("HEAD", "bonnie", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // HTTP of a paused node works, so it can be woken.
    assert_eq!(of("DELETE", "bonnie", "").json(), of("GET", "bonnie", "").json());
    assert_eq!(get(bonnie.http, "/faults").json()["paused"], false);
    let dropped = request(master.http, "POST", "/faults/disconnect?node=bonnie", "");
    assert_eq!((dropped.status, dropped.json()), (200, json!({"disconnected": 1})));
    // Its answers are passed back as they are.
    let bad = of("PUT", "bonnie", r#"{"errorRate":2}"#);
    assert_eq!((bad.status, bad.json()["code"].as_str()), (400, Some("bad-request")));
    assert_eq!(bad.header("content-type"), Some("application/problem+json"));
    // Whether faults are allowed is up to each node.
    for node in ["clyde", "master"] {
        let off = of("GET", node, "");
        assert_eq!((off.status, off.json()["code"].as_str()), (403, Some("faults-off")), "{node}");
    }
    let unknown = of("GET", "nobody", "");
    assert_eq!(unknown.json()["code"], "unknown-secondary");
    let elsewhere = request(bonnie.http, "GET", "/faults?node=clyde", "");
    assert_eq!((elsewhere.status, &elsewhere.json()["code"]), (404, &json!("not-found")));
    assert!(elsewhere.body.contains(&format!("http://{}", master.http)), "{elsewhere:?}");
    assert_eq!(request(bonnie.http, "GET", "/faults?node=bonnie", "").status, 200);
    bonnie.process.signal(Signal::KILL);
    bonnie.process.wait();
    let gone = of("GET", "bonnie", "");
    let problem = gone.json();
    assert_eq!((gone.status, &problem["code"]), (502, &json!("node-unreachable")));
    assert_eq!(problem["retry"], true);
    assert!(problem["detail"].as_str().unwrap().contains("see that the node runs"), "{problem}");
}

#[test]
fn faults_reach_the_node_that_is_named_and_no_other_at_its_address() {
    let (master, comm) = master(&["--allow-faults"]);
    let mut bonnie = secondary("bonnie", comm, &["--allow-faults"]);
    wait_ready(&bonnie);
    let clear = || request(master.http, "DELETE", "/faults?node=bonnie", "");
    assert_eq!(clear().status, 200);
    bonnie.process.signal(Signal::KILL);
    bonnie.process.wait();
    // Neither another node that took over its port takes them for its own …
    let port = bonnie.http.port().to_string();
    let mut clyde = secondary("clyde", comm, &["--allow-faults", "--http-port", &port]);
    wait_ready(&clyde);
    let unreachable = |answer: Answer| {
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (502, &json!("node-unreachable")));
        problem["detail"].as_str().unwrap().to_owned()
    };
    let paused = request(master.http, "PUT", "/faults?node=bonnie", r#"{"paused":true}"#);
    let detail = unreachable(paused);
    assert!(detail.contains("clyde, another node, is at its address"), "{detail}");
    assert_eq!(get(clyde.http, "/faults").json()["paused"], false);
    // … nor does a master pass them on again: the address may be its own.
    let again = "PUT /faults?node=bonnie HTTP/1.1\r\nhost: localhost\r\n\
                 via: 1.1 proxy, 1.1 acklog-master\r\ncontent-length: 15\r\n\
                 connection: close\r\n\r\n{\"paused\":true}";
    let mut stream = TcpStream::connect(master.http).unwrap();
    stream.write_all(again.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("master, another"), "{answer}");
    clyde.process.signal(Signal::KILL);
    clyde.process.wait();
    // What no node answers is not passed back: a browser would take it for the master's own.
    let other = TcpListener::bind(bonnie.http).unwrap();
    let long = format!("200 OK\r\ncontent-type: application/json\r\n\r\n{}", " ".repeat(100_000));
    for answer in [
        "200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n",
        "101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
        "302 Found\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
        "650 Odd\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
        &long,
    ] {
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = other.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                // The master may hang up before it has all of it.
                let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes());
            });
            clear()
        });
        unreachable(refused);
    }
    let counted = get(master.http, "/metrics").body;
    assert!(counted.contains(r#"{route="/faults",status="502"} 7"#), "{counted}");
}
