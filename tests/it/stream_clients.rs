//! Clients of append streams that are slow, silent or gone.

use std::io::Read;

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn a_client_that_dies_while_it_is_not_read_leaves_nothing_that_waits() {
    // As many lines wait as those of a stream may, or as many senders as may; and the end of the
    // connection arrives, or stays behind bytes for which the node has no room.
    let few: &[&str] = &["--max-waiting", "50"];
    // The other three places are those of single appends.
    let places = 47;
    for (flags, waiting, fills) in
        [(&[][..], 16_384, true), (few, places, true), (few, places, false)]
    {
        let (master, _) = master(flags);
        let is_waiting = |count: u64| health(master.http)["waitingSenders"] == count;
        let mut stream = Stream::begin(master.http);
        if fills {
            stream.fill(&line("left", 9), || is_waiting(waiting));
        } else {
            stream.send(&line("left", 9).repeat(3000));
        }
        wait_until("as many senders to wait as may", || is_waiting(waiting));
        drop(stream);
        wait_until("nobody to wait", || is_waiting(0));
        assert_eq!(append(master.http, "next", "1").1, ["master"]);
    }
}

#[test]
fn as_many_lines_wait_as_may_and_the_others_are_read_once_these_are_answered() {
    const WINDOW: u64 = 16_384;
    const LINES: usize = 20_000;
    let (master, comm) = master(&[]);
    let mut stream = Stream::begin(master.http);
    // Fewer bytes than the buffers of both ends hold.
    stream.send(&line("w", 2).repeat(LINES));
    stream.end();
    wait_until("the window to fill", || health(master.http)["waitingSenders"] == WINDOW);
    // A single append is not part of the window, and it ends where the lines end that were read.
    assert_eq!(append(master.http, "alone", "1").0, WINDOW);
    assert_eq!(health(master.http)["waitingSenders"], WINDOW);
    let _bonnie = secondary("bonnie", comm, &[]);
    let answers = stream.answers(LINES);
    for (n, answer) in (0..).zip(&answers) {
        let id = n + u64::from(n >= WINDOW);
        assert_eq!((&answer["line"], &answer["id"]), (&json!(n), &json!(id)), "{answer}");
    }
    assert_eq!(stream.next(), None);
}

#[test]
fn a_stream_that_is_sent_to_a_secondary_is_refused_while_its_client_sends_on() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let mut stream = Stream::open(nodes[0].http, "");
    let lines = line("lost", 1).repeat(1000);
    stream.send(&lines);
    let head = stream.head();
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    // Less than is thrown away, so that a client that sends all of it first can read the answer.
    for _ in 0..200 {
        stream.send(&lines);
    }
    stream.end();
    let mut problem = String::new();
    stream.from_node.read_to_string(&mut problem).unwrap();
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(problem["code"], "not-the-master");
    assert!(problem["detail"].as_str().unwrap().contains("\"master\""), "{problem}");
    assert_eq!(health(master.http)["logEnd"], 0);
}
