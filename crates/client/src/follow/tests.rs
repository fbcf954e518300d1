//! Following stand-ins for nodes whose streams are scripted.

use std::collections::BTreeSet;
use std::iter::successors;
use std::net::TcpListener as Listener;

use super::*;
use crate::endpoint::Endpoint;
use crate::error::Cause;
use crate::test_node::{Script, ScriptedNode};

const LOG: &str = "1f2e3d4c00000000ffffffff00000000";

/// Far beyond what any of these tests needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn open(next: u64) -> String {
    let body =
        format!(r#"{{"log":"{LOG}","epoch":1,"start":0,"end":9,"next":{next},"readConcern":1}}"#);
    format!(": acklog\nretry: 1000\n\nevent: open\ndata: {body}\n\n")
}

fn message(id: u64) -> String {
    format!("id: 1f2e3d4c.1.{id}\ndata: {{\"id\":{id},\"message\":\"m{id}\"}}\n\n")
}

/// A member of the batch of the messages 1 to 3.
fn member(id: u64) -> String {
    let line = if id == 3 { "id: 1f2e3d4c.1.3\n" } else { "" };
    format!("{line}data: {{\"id\":{id},\"message\":\"m{id}\",\"batch\":1}}\n\n")
}

fn problem(code: &str, retry: bool) -> String {
    format!(r#"{{"title":"t","status":503,"detail":"d","code":"{code}","retry":{retry}}}"#)
}

fn error_event(code: &str, retry: bool) -> String {
    format!("event: error\ndata: {}\n\n", problem(code, retry))
}

fn events(pieces: &[&str]) -> Script {
    Script::events(pieces)
}

fn follow(nodes: &[&ScriptedNode], from: FollowFrom) -> Follow {
    let targets = nodes.iter().map(|node| node.endpoint()).collect();
    let options = FollowOptions { from, read_concern: None };
    Follow::new(targets, PATIENCE, options)
}

/// Takes so many items, which are messages, and returns their ids.
async fn ids(follow: &mut Follow, count: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        match follow.next().await.expect("it goes on").expect("no error") {
            Followed::Message { id, text, .. } => {
                assert_eq!(text, format!("m{id}"));
                ids.push(id);
            }
            gap => panic!("{gap:?}"),
        }
    }
    ids
}

async fn last_error(mut follow: Follow) -> Error {
    let error = follow.next().await.expect("an error").expect_err("an error");
    assert!(follow.next().await.is_none());
    error
}

#[tokio::test]
async fn messages_come_once_and_in_order_over_any_number_of_connections() {
    let scripts = (0..50).map(|id| match id % 3 {
        0 => events(&[&open(id), &message(id)]),
        1 => events(&[&open(id), &message(id)]).then_cut(),
        _ => events(&[&open(id), &message(id), &error_event("stopping", true)]),
    });
    let node = ScriptedNode::start(scripts).await;
    let mut follow = follow(&[&node], FollowFrom::Start);
    assert_eq!(ids(&mut follow, 50).await, (0..50).collect::<Vec<_>>());
    assert_eq!(follow.cursor().unwrap().to_string(), "1f2e3d4c.1.49");
    let requests = node.requests();
    assert_eq!(requests[0], ("/messages".to_owned(), None));
    assert_eq!(requests[7], ("/messages".to_owned(), Some("1f2e3d4c.1.6".to_owned())));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_first_message_loses_no_place() {
    let node = ScriptedNode::start([
        events(&[]),
        events(&[&open(7)]).then_cut(),
        events(&[&open(7)]),
        events(&[&open(7), &message(7)]).then_silent(),
    ]);
    let node = node.await;
    let mut follow = follow(&[&node], FollowFrom::Last(2));
    assert_eq!(ids(&mut follow, 1).await, [7]);
    let targets: Vec<String> = node.requests().into_iter().map(|(target, _)| target).collect();
    assert_eq!(targets[..2], ["/messages?last=2"; 2]);
    assert_eq!(targets[2..], ["/messages?from=7"; 2]);
}

#[tokio::test]
async fn a_batch_that_is_cut_in_two_is_resumed_as_a_whole_and_each_member_comes_once() {
    let cut = |pieces: &[&str]| events(pieces).then_cut();
    let node = ScriptedNode::start([
        cut(&[&open(0), &message(0), &member(1)]),
        cut(&[&open(1), &member(1), &member(2)]),
        cut(&[&open(1)]),
        events(&[&open(1), &member(1), &member(2), &member(3), &message(4)]).then_silent(),
    ]);
    let node = node.await;
    let mut follow = follow(&[&node], FollowFrom::Start);
    assert_eq!(ids(&mut follow, 2).await, [0, 1]);
    assert_eq!(follow.cursor().unwrap().id, 0);
    assert_eq!(ids(&mut follow, 3).await, [2, 3, 4]);
    let resumed: Vec<_> = node.requests().into_iter().filter_map(|(_, id)| id).collect();
    assert_eq!(resumed, ["1f2e3d4c.1.0"; 3]);
}

#[tokio::test]
async fn line_ends_and_characters_may_be_cut_anywhere() {
    let text = format!(
        "{}id: 1f2e3d4c.1.0\r\ndata: {{\"id\":0,\"message\":\"\u{1f41f}\u{e4}\u{85}\"}}\r\n\r\n",
        open(0).replace('\n', "\r\n")
    );
    let places: Vec<usize> = (1..text.len()).collect();
    let node = ScriptedNode::start([events(&[&text]).cut_at(&places).then_silent()]).await;
    let mut follow = follow(&[&node], FollowFrom::Start);
    let text = "\u{1f41f}\u{e4}\u{85}".to_owned();
    let expected = Followed::Message { id: 0, text, batch: None };
    assert_eq!(follow.next().await.unwrap().unwrap(), expected);
}

#[tokio::test]
async fn a_gap_is_told_once_and_the_stream_goes_on_behind_it() {
    let gap = "event: gap\ndata: {\"from\":4,\"to\":9,\"why\":\"trimmed\"}\n\n";
    let node = ScriptedNode::start([
        events(&[&open(4), gap]).then_cut(),
        events(&[&open(4), gap, &message(9)]).then_silent(),
    ]);
    let node = node.await;
    let behind = FollowFrom::Behind("1f2e3d4c.1.3".parse().unwrap());
    let mut follow = follow(&[&node], behind);
    let expected = Followed::Gap { from: 4, to: 9, why: GapReason::Trimmed };
    assert_eq!(follow.next().await.unwrap().unwrap(), expected);
    assert_eq!(ids(&mut follow, 1).await, [9]);
    // A node that hears the cursor tells another log and a cut, which an id alone does not.
    let asked = ("/messages".to_owned(), Some("1f2e3d4c.1.3".to_owned()));
    assert_eq!(node.requests(), [asked.clone(), asked]);
}

#[tokio::test]
async fn what_was_trimmed_before_the_first_message_came_is_a_gap() {
    let trimmed =
        r#"{"title":"t","status":410,"detail":"d","code":"trimmed","retry":false,"start":9}"#;
    let trimmed = Script::answer(410, "application/problem+json", trimmed);
    let node = ScriptedNode::start([
        events(&[&open(4)]).then_cut(),
        trimmed.clone(),
        events(&[&open(9), &message(9)]).then_silent(),
    ]);
    let node = node.await;
    let mut lagging = follow(&[&node], FollowFrom::Last(5));
    let expected = Followed::Gap { from: 4, to: 9, why: GapReason::Trimmed };
    assert_eq!(lagging.next().await.unwrap().unwrap(), expected);
    assert_eq!(ids(&mut lagging, 1).await, [9]);
    assert_eq!(node.requests()[2].0, "/messages?from=9");
    // A place that the user chose is no gap.
    let node = ScriptedNode::start([trimmed]).await;
    let error = last_error(follow(&[&node], FollowFrom::Id(4))).await;
    assert_eq!(error.problem().unwrap().start, Some(9));
}

#[tokio::test]
async fn only_where_all_nodes_refuse_that_is_final() {
    let refusal =
        || Script::answer(400, "application/problem+json", &problem("bad-request", false));
    let secondary = ScriptedNode::start([refusal()]).await;
    let master = ScriptedNode::start([
        events(&[&open(0), &message(0)]).then_cut(),
        events(&[&open(1), &message(1)]).then_cut(),
        refusal(),
    ]);
    let master = master.await;
    let mut follow = follow(&[&secondary, &master], FollowFrom::Start);
    assert_eq!(ids(&mut follow, 2).await, [0, 1]);
    assert_eq!(last_error(follow).await.to_string(), "d");
    assert_eq!((secondary.heads().len(), master.heads().len()), (3, 3));
}

#[tokio::test]
async fn what_is_final_ends_the_stream_with_an_error() {
    let other = open(1).replace(LOG, &"2".repeat(32));
    for (scripts, expected) in [
        (vec![events(&[&error_event("other-log", false)])], "d"),
        (
            vec![Script::answer(400, "application/problem+json", &problem("bad-request", false))],
            "d",
        ),
        (vec![Script::answer(200, "application/json", "[]")], "no stream of events"),
        (vec![events(&["event: open\ndata: 1\n\n"])], "no JSON of the expected form"),
        (vec![events(&[&open(0), &message(1)])], "message 1 came where 0"),
        (vec![events(&[&message(0)])], "before the stream was open"),
        (vec![events(&[&open(0)]), events(&[&other])], "the log is another one"),
    ] {
        let node = ScriptedNode::start(scripts).await;
        let error = last_error(follow(&[&node], FollowFrom::Start)).await;
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_next_node_goes_on_where_one_breaks_off_or_refuses_for_now() {
    let refusal = Script::answer(503, "application/problem+json", &problem("stopping", true));
    let first = ScriptedNode::start([events(&[&open(0), &message(0)]).then_cut(), refusal]).await;
    let second = [
        events(&[&open(1), &message(1)]).then_cut(),
        events(&[&open(2), &message(2)]).then_silent(),
    ];
    let second = ScriptedNode::start(second).await;
    let mut follow = follow(&[&first, &second], FollowFrom::Start);
    let link = follow.link();
    assert_eq!(ids(&mut follow, 3).await, [0, 1, 2]);
    assert_eq!((first.heads().len(), second.heads().len()), (2, 2));
    let expected = FollowLink::Open { url: second.endpoint().to_string(), next: 2 };
    assert_eq!(*link.borrow(), expected);
}

#[tokio::test]
async fn a_node_that_is_silent_is_left() {
    let silent = ScriptedNode::start([events(&[&open(0), &message(0)]).then_silent()]).await;
    let node = ScriptedNode::start([events(&[&open(1), &message(1)]).then_silent()]).await;
    let mut follow = follow(&[&silent, &node], FollowFrom::Start);
    assert_eq!(ids(&mut follow, 1).await, [0]);
    tokio::time::pause();
    assert_eq!(ids(&mut follow, 1).await, [1]);
}

#[tokio::test]
async fn a_follower_that_reaches_no_node_at_first_ends_at_its_deadline() {
    let nobody = Listener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let targets = vec![Endpoint::local(nobody.port()); 2];
    let follow = Follow::new(targets, Duration::ZERO, FollowOptions::default());
    let error = last_error(follow).await;
    assert_eq!(error.to_string().matches("cannot reach").count(), 2, "{error}");
    let causes: Vec<String> = successors(Some(&error as &dyn std::error::Error), |it| it.source())
        .map(ToString::to_string)
        .collect();
    assert_eq!(causes.iter().collect::<BTreeSet<_>>().len(), causes.len(), "{causes:?}");
    let follow = Follow::new(Vec::<Endpoint>::new(), PATIENCE, FollowOptions::default());
    assert!(matches!(last_error(follow).await.cause, Cause::Nodes(_)));
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_not_taken_are_not_read() {
    const PIECES: u64 = 4000;
    let text = "x".repeat(64 * 1024);
    let long =
        |id| format!("id: 1f2e3d4c.1.{id}\ndata: {{\"id\":{id},\"message\":\"{text}\"}}\n\n");
    let pieces: Vec<String> = [open(0)].into_iter().chain((0..PIECES).map(long)).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let node = ScriptedNode::start([events(&pieces).then_silent()]).await;
    let mut follow = follow(&[&node], FollowFrom::Start);
    assert!(follow.next().await.unwrap().is_ok());
    // The clock moves on only when nothing else can happen.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(node.written() < 64 * 1024 * 1024, "{}", node.written());
    for _ in 1..PIECES {
        assert!(follow.next().await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn the_options_stand_in_the_request() {
    let node = ScriptedNode::start([events(&[&open(0), &message(0)]).then_silent()]).await;
    let options = FollowOptions {
        from: FollowFrom::Since("2026-11-28T10:00:00+01:00".to_owned()),
        read_concern: Some(WriteConcern::Majority),
    };
    let mut follow = Follow::new(vec![node.endpoint()], PATIENCE, options);
    assert_eq!(ids(&mut follow, 1).await, [0]);
    let target = "/messages?since=2026-11-28T10%3A00%3A00%2B01%3A00&readConcern=majority";
    assert_eq!(node.requests()[0].0, target);
    assert!(node.heads()[0].contains("accept: text/event-stream\r\n"));
}
