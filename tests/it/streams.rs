//! Append streams on real nodes, and appends on condition that the log ends at a certain id.

use std::collections::BTreeSet;
use std::net::Shutdown;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::*;

const QUICK: [&str; 2] = ["--heartbeat-interval", "100ms"];

/// Returns the line, the id and the status of answers; null where there is none.
fn told(answers: &[Value]) -> Vec<(u64, Value, Value)> {
    let told = |answer: &Value| {
        (answer["line"].as_u64().unwrap(), answer["id"].clone(), answer["status"].clone())
    };
    answers.iter().map(told).collect()
}

#[test]
fn each_line_is_answered_as_if_it_were_sent_alone() {
    let (master, _, _nodes) = cluster(&[], &["bonnie"]);
    let mut stream = Stream::begin(master.http);
    stream.send("{\"message\":\"a\",\"w\":2}\r\n\n{\"messages\":[\"b\",\"c\"],\"w\":1}\nno");
    stream.send(" JSON\n{\"message\":\"d\",\"key\":\"K\",\"w\":1}\n");
    stream.send("{\"message\":\"d\",\"key\":\"K\",\"w\":2}\n{\"message\":\"e\",\"key\":\"K\"}\n");
    stream.send("{\"message\":\"f\",\"expectedEnd\":0}\n{\"message\":\"f\",\"expectedEnd\":9}\n");
    stream.send("{\"message\":\"g\",\"w\":1}");
    stream.end();
    let answers = stream.answers(9);
    assert_eq!(stream.next(), None);
    let expected = [
        (0, json!(0), Value::Null),
        (2, json!(1), Value::Null),
        (3, Value::Null, json!(400)),
        (4, json!(3), Value::Null),
        (5, json!(3), Value::Null),
        (6, Value::Null, json!(422)),
        (7, Value::Null, json!(412)),
        (8, Value::Null, json!(412)),
        (9, json!(4), Value::Null),
    ];
    assert_eq!(told(&answers), expected);
    assert_eq!(answers[0]["ackedBy"], json!(["master", "bonnie"]));
    assert_eq!(answers[1]["count"], 2);
    let moved = [&answers[6], &answers[7]].map(|it| (it["end"].clone(), it["retry"].clone()));
    assert_eq!(moved, [(json!(4), json!(false)), (json!(4), json!(true))]);
    assert_eq!(texts(master.http), ["a", "b", "c", "d", "g"]);
    // A body of known length, by a client without chunks, and one that asks before it sends.
    let typed = "Content-Type: Application/X-NDJSON; charset=utf-8";
    for further in [&[typed][..], &[typed, "Expect: 100-continue"]] {
        let answer = begin_with(master.http, "POST", "/newMessage", further, &line("h", 2));
        let answer = answer.answer();
        assert!(answer.body.contains("\"line\":0,\"id\":"), "{answer:?}");
    }
    let old = format!("POST /messages HTTP/1.0\r\n{typed}\r\nContent-Length: 26\r\n\r\n");
    let answer = begin_raw(master.http, &(old + "{\"message\":\"old\",\"w\":1}\n\n\n")).answer();
    assert!(answer.body.starts_with("{\"line\":0,\"id\":7,"), "{answer:?}");
    let keyed = begin_with(master.http, "POST", "/messages", &[typed, "Idempotency-Key: a"], "");
    let refused = keyed.answer();
    let detail = refused.json()["detail"].to_string();
    assert!(refused.status == 400 && detail.contains("leave the header"), "{refused:?}");
}

#[test]
fn a_line_that_asks_for_a_receipt_is_answered_with_the_copies_and_its_neighbours_are_not() {
    let (master, _, _nodes) = cluster(&[], &["bonnie", "clyde"]);
    let mut stream = Stream::begin(master.http);
    let asks = |n: u64| n % 10 == 3;
    let lines: String = (0..100)
        .map(|n| format!("{{\"message\":\"m{n}\",\"w\":2,\"receipt\":{}}}\n", asks(n)))
        .collect();
    stream.send(&lines);
    stream.end();
    let answers = stream.answers(100);
    assert_eq!(stream.next(), None);
    for (n, answer) in (0..).zip(&answers) {
        let holders = answer["copies"].as_array().map(|copies| {
            let held = copies.iter().filter(|copy| copy["held"] == true);
            held.map(|copy| copy["node"].clone()).collect::<Value>()
        });
        let acked_by = asks(n).then(|| answer["ackedBy"].clone());
        assert_eq!((&answer["id"], holders), (&json!(n), acked_by), "{answer}");
    }
}

#[test]
fn a_line_that_waits_holds_up_no_other_and_one_that_is_too_long_is_skipped() {
    let flags = ["--max-message-bytes", "1000", "--allow-faults"];
    let (master, _, nodes) = cluster(&flags, &["bonnie"]);
    let secondary = &nodes[0];
    secondary.process.signal(Signal::STOP);
    let mut stream = Stream::begin(master.http);
    stream.send(&(line("waits", 2) + &line("b", 1) + &line("waits too", 2)));
    assert_eq!(told(&stream.answers(1)), [(1, json!(1), Value::Null)]);
    // Longer than a body may be, and it comes in pieces; then one that only its message is.
    for _ in 0..3 {
        stream.send(&"x".repeat(5000));
    }
    stream.send(&("\n".to_owned() + &line(&"y".repeat(1001), 1) + &line("c", 1)));
    let expected =
        [(3, Value::Null, json!(413)), (4, Value::Null, json!(413)), (5, json!(3), Value::Null)];
    assert_eq!(told(&stream.answers(3)), expected);
    assert_eq!(health(master.http)["waitingSenders"], 2);
    secondary.process.signal(Signal::CONT);
    stream.end();
    let expected = [(0, json!(0), Value::Null), (2, json!(2), Value::Null)];
    assert_eq!(told(&stream.answers(2)), expected);
    assert_eq!(stream.next(), None);
}

#[test]
fn a_client_that_goes_away_leaves_its_messages_and_nothing_that_waits() {
    let (master, _) = master(&[]);
    let waiting = |count: u64| {
        wait_until("senders to wait", || health(master.http)["waitingSenders"] == count);
    };
    // In the middle of its request; and behind it, where only the answer tells that it is gone.
    for ends in [false, true] {
        let mut stream = Stream::begin(master.http);
        stream.send(&line("left", 2).repeat(100));
        if ends {
            stream.end();
        }
        waiting(100);
        drop(stream);
        waiting(0);
    }
    assert_eq!(texts(master.http).len(), 200);
    // One that only ended its half gets its answers.
    let mut stream = Stream::begin(master.http);
    stream.send(&(line("waits", 2) + &line("b", 1)));
    stream.end();
    stream.to_node.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told(&stream.answers(1)), [(1, json!(201), Value::Null)]);
    waiting(1);
}

#[test]
fn a_node_that_stops_answers_each_line_and_ends_the_answer() {
    let (mut master, _) = master(&[]);
    let mut stream = Stream::begin(master.http);
    let mut idle = Stream::begin(master.http);
    // As curl does. It has no answer yet, since it sent nothing.
    let mut asked = Stream::open(master.http, "Expect: 100-continue\r\n");
    assert_eq!(asked.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.send(&(line("a", 1) + &line("waits", 2).repeat(3) + "{\"message\":\"not who"));
    assert_eq!(told(&stream.answers(1)), [(0, json!(0), Value::Null)]);
    wait_until("senders to wait", || health(master.http)["waitingSenders"] == 3);
    master.process.signal(Signal::TERM);
    let answers = stream.answers(3);
    for (answer, id) in answers.iter().zip(1..) {
        let told = (&answer["id"], &answer["code"], &answer["outcome"]);
        assert_eq!(told, (&json!(id), &json!("stopping"), &json!("stored")));
    }
    assert!(asked.head().starts_with("HTTP/1.1 200 "));
    assert_eq!((stream.next(), idle.next(), asked.next()), (None, None, None));
    assert_eq!(master.process.wait(), Some(0));
}

#[test]
fn where_as_many_senders_wait_as_may_a_stream_is_read_no_further() {
    let (master, comm) = master(&["--max-waiting", "10"]);
    let mut stream = Stream::begin(master.http);
    stream.send(&line("waits", 2).repeat(25));
    stream.end();
    wait_until("senders to wait", || health(master.http)["waitingSenders"] == 10);
    assert_eq!(health(master.http)["logEnd"], 10);
    let refused = begin_append(master.http, "refused", "2").answer();
    assert_eq!(refused.status, 503, "a single append is refused: {refused:?}");
    append(master.http, "not", "1");
    let _bonnie = secondary("bonnie", comm, &[]);
    let answers = stream.answers(25);
    assert!(answers.iter().all(|answer| answer.get("status").is_none()), "{answers:?}");
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted() && ids[24] == 25, "{ids:?}");
    assert_eq!(stream.next(), None);
}

#[test]
fn a_client_may_send_a_while_before_it_reads() {
    const LINES: usize = 12_000;
    let (master, _) = master(&["--log", "info"]);
    let mut stream = Stream::begin(master.http);
    // More than the buffers of both directions hold, and fewer lines than may wait.
    let text = "x".repeat(500);
    for _ in 0..LINES / 100 {
        stream.send(&line(&text, 1).repeat(100));
    }
    stream.end();
    let answers = stream.answers(LINES);
    let in_order = |(n, answer): (usize, &Value)| answer["line"] == n && answer["id"] == n;
    assert!(answers.iter().enumerate().all(in_order));
    assert_eq!(stream.next(), None);
}

#[test]
fn of_racing_appends_that_expect_the_same_end_one_is_stored_at_a_time() {
    const WRITERS: usize = 10;
    const EACH: usize = 20;
    let (master, _, nodes) = cluster(&QUICK, &["bonnie"]);
    let http = master.http;
    // Each writer appends where it believes the log to end, and learns the end when it was wrong.
    let write = |writer: usize| {
        let (mut end, mut stored) = (0, Vec::new());
        for n in 0..EACH {
            let text = format!("{writer}-{n}");
            let body = json!({"message": text, "w": 2, "expectedEnd": end}).to_string();
            let answer = begin(http, "POST", "/messages", &body).answer();
            let body = answer.json();
            match answer.status {
                201 => {
                    assert_eq!(body["id"], end);
                    stored.push((end, text));
                    end += 1;
                }
                412 => {
                    assert_eq!(
                        (&body["code"], &body["outcome"]),
                        (&json!("end-moved"), &json!("refused"))
                    );
                    assert_eq!(body.get("id"), None);
                    let moved = body["end"].as_u64().unwrap();
                    assert_eq!(body["retry"], moved < end);
                    end = moved;
                }
                status => panic!("{status}: {body}"),
            }
        }
        stored
    };
    let stored: BTreeSet<(u64, String)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|n| scope.spawn(move || write(n))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let shown: Vec<_> = stored.iter().map(|(_, text)| text.clone()).collect();
    assert!(!stored.is_empty() && stored.iter().enumerate().all(|(n, (id, _))| n as u64 == *id));
    assert_eq!(texts(http), shown);
    wait_until("the secondary to have all", || texts(nodes[0].http) == shown);
}
