//! Followers of a log in memory, without sockets.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use acklog_api::follow::Open;
use acklog_log::{LogReader, LogWriter, in_memory};
use acklog_types::{Batch, LogEnd, LogId};
use bytes::Bytes;
use tokio::task::{JoinSet, LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, Interval, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::server::http::listing::ListingRoom;
use crate::server::http::response::{Attendance, BodyPieces, Presence};
use crate::server::node::{ReadLevel, ReadPositions};

/// A log that this node has alone, with the hub of the thread.
struct Node {
    writer: LogWriter,
    log: LogReader,
    room: ListingRoom,
    positions: ReadPositions,
    hub: Rc<FollowHub>,
    accepted_ms: u64,
}

impl Node {
    fn new() -> Self {
        let (writer, log) = in_memory();
        let positions = ReadPositions::of_one_node(log.clone());
        let hub = FollowHub::new(positions.clone());
        spawn_local(hub.clone().run());
        Self { writer, log, room: ListingRoom::default(), positions, hub, accepted_ms: 0 }
    }

    fn append(&mut self, texts: &[&str]) {
        self.write(texts);
        self.positions.publish_of_one_node();
    }

    /// Appends without a word to the readers.
    fn write(&mut self, texts: &[&str]) {
        let mut batch = Batch::from(texts[0]);
        texts[1..].iter().for_each(|text| batch.push(text));
        self.writer.append(self.accepted_ms, None, &batch);
        self.writer.flush();
    }

    /// Appends a message that is accepted at this time.
    fn append_at(&mut self, accepted_ms: u64) {
        self.accepted_ms = accepted_ms;
        self.append(&["Msg"]);
    }

    fn follow(&self, form: FollowForm, from: u64) -> FollowStream {
        let position = LogEnd::new(from);
        let until = LogEnd::new(u64::MAX);
        self.follow_from(form, Beginning { position, since: None, limit: u64::MAX, until })
    }

    fn follow_from(&self, form: FollowForm, begin: Beginning) -> FollowStream {
        let from = begin.position.get();
        let open = Open { log: None, epoch: 1, start: 0, end: 0, next: from, read_concern: None };
        FollowStream::new(
            (self.log.clone(), self.room.clone(), self.positions.clone()),
            (form, begin),
            open,
            (
                self.hub.waiter(ReadLevel::Own, self.positions.log()),
                FollowerLimit::new(1).enter().unwrap(),
            ),
        )
    }
}

/// Returns the next piece; none at the end.
async fn next(stream: &mut FollowStream) -> Option<Bytes> {
    poll_fn(|cx| stream.poll_piece(cx)).await.map(Result::unwrap)
}

async fn text(stream: &mut FollowStream) -> String {
    String::from_utf8(next(stream).await.unwrap().into()).unwrap()
}

async fn on_local_tasks(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_sent_a_sign_of_life_after_each_ten_seconds_of_silence() {
    on_local_tasks(async {
        let mut node = Node::new();
        let mut lines = node.follow(FollowForm::Lines, 0);
        let begun = Instant::now();
        assert_eq!(text(&mut lines).await, "{}\n");
        assert_eq!(text(&mut lines).await, "{}\n");
        assert_eq!(begun.elapsed().as_secs(), 20);
        sleep(Duration::from_secs(5)).await;
        node.append(&["Msg"]);
        assert_eq!(text(&mut lines).await, "{\"id\":0,\"message\":\"Msg\"}\n");
        // Counted from the message.
        assert_eq!(text(&mut lines).await, "{}\n");
        assert_eq!(begun.elapsed().as_secs(), 35);
        let mut events = node.follow(FollowForm::Events, 1);
        assert!(text(&mut events).await.contains("event: open\n"));
        assert_eq!(text(&mut events).await, "event: caughtup\ndata: {\"end\":1}\n\n");
        let tail = text(&mut events).await;
        assert!(tail.starts_with("event: tail\ndata: {\"end\":1,\"time\":\""), "{tail}");
        assert_eq!(begun.elapsed().as_secs(), 45);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_waits_for_memory_is_sent_signs_of_life_and_then_the_message() {
    on_local_tasks(async {
        let mut node = Node { room: ListingRoom::new(1 << 20), ..Node::new() };
        let held = node.room.clone().hold(1 << 20).await;
        // Longer than what followers share.
        let long = "x".repeat(200_000);
        node.append(&["short", &long, "behind"]);
        for form in [FollowForm::Lines, FollowForm::Events] {
            let mut stream = node.follow(form, 0);
            let mut before = text(&mut stream).await;
            while !before.contains("short") {
                before += &text(&mut stream).await;
            }
            let begun = Instant::now();
            for _ in 0..3 {
                let sign = timeout(Duration::from_secs(60), text(&mut stream)).await.unwrap();
                assert!(
                    sign == "{}\n" || sign.starts_with("event: tail\ndata: {\"end\":3,"),
                    "{sign}"
                );
            }
            assert_eq!(begun.elapsed().as_secs(), 30);
        }
        let mut stream = node.follow(FollowForm::Lines, 1);
        assert_eq!(text(&mut stream).await, "{}\n");
        drop(held);
        let mut rest = String::new();
        while !rest.contains("behind") {
            rest += &text(&mut stream).await;
        }
        assert_eq!(
            rest,
            format!("{{\"id\":1,\"message\":\"{long}\"}}\n{{\"id\":2,\"message\":\"behind\"}}\n")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_long_message_that_takes_nothing_is_sent_nothing_beside_it() {
    on_local_tasks(async {
        let mut node = Node::new();
        node.append(&[&"x".repeat(200_000)]);
        let mut stream = node.follow(FollowForm::Lines, 0);
        let piece = next(&mut stream).await.unwrap();
        assert!(!piece.ends_with(b"\n"));
        assert!(timeout(Duration::from_secs(50), next(&mut stream)).await.is_err());
        drop(piece);
        assert!(text(&mut stream).await.starts_with("xxx"));
    })
    .await;
}

#[tokio::test]
async fn followers_at_one_place_take_the_same_page() {
    on_local_tasks(async {
        let mut node = Node::new();
        let mut followers: Vec<_> = (0..100).map(|_| node.follow(FollowForm::Lines, 0)).collect();
        node.append(&["Msg0"]);
        let pages = next_of_all(&mut followers).await;
        assert!(pages.iter().all(|page| page.as_ptr() == pages[0].as_ptr()), "rendered once");
        // One that comes later, when there is more, is not sent the part that others took.
        node.append(&["Msg1"]);
        node.append(&["Msg2"]);
        node.append(&["Msg3"]);
        let mut late = node.follow(FollowForm::Lines, 0);
        assert_eq!(text(&mut late).await.lines().count(), 4);
        // The other form has pages of its own.
        let mut events = node.follow(FollowForm::Events, 0);
        text(&mut events).await;
        assert!(text(&mut events).await.starts_with("id: 00000007.1.0\ndata: {\"id\":0,"));
    })
    .await;
}

async fn next_of_all(followers: &mut [FollowStream]) -> Vec<Bytes> {
    let mut pages = Vec::new();
    for follower in followers {
        pages.push(next(follower).await.unwrap());
    }
    pages
}

#[tokio::test]
async fn a_follower_gets_every_message_once_whatever_their_length_and_however_far_it_is_behind() {
    on_local_tasks(async {
        let mut node = Node::new();
        let (mut tail, mut end) = (node.follow(FollowForm::Events, 0), 0);
        let (mut of_tail, mut came) = (text(&mut tail).await, 0);
        for round in 0..200_usize {
            let long = "\u{1}\u{2028}ї".repeat(if round % 40 == 7 { 10_000 } else { round });
            let texts = vec![long.as_str(); 1 + round % 7];
            node.append(&texts);
            end += texts.len() as u64;
            while came < end || !of_tail.ends_with("\n\n") {
                let piece = text(&mut tail).await;
                came += piece.matches("data: {\"id\":").count() as u64;
                of_tail += &piece;
            }
        }
        let mut behind = node.follow(FollowForm::Events, 0);
        let mut of_behind = String::new();
        while !of_behind.ends_with("event: caughtup\ndata: {\"end\":794}\n\n") {
            of_behind += &text(&mut behind).await;
        }
        assert_eq!(end, 794);
        let messages = |text: &str| -> Vec<String> {
            let is_message =
                |line: &&str| line.starts_with("data: {\"id\"") || line.starts_with("id: ");
            text.lines().filter(is_message).map(str::to_owned).collect()
        };
        let all = messages(&of_tail);
        assert!(all == messages(&of_behind));
        let ids = all.iter().filter_map(|line| line.strip_prefix("data: {\"id\":"));
        let ids: Vec<u64> =
            ids.map(|rest| rest.split(',').next().unwrap().parse().unwrap()).collect();
        assert!(ids.iter().copied().eq(0..794));
    })
    .await;
}

#[tokio::test]
async fn a_follower_that_takes_nothing_holds_up_nothing_and_a_stop_ends_all() {
    on_local_tasks(async {
        let mut node = Node::new();
        let (mut stopped, mut other) =
            (node.follow(FollowForm::Lines, 0), node.follow(FollowForm::Lines, 0));
        for n in 0..1000 {
            node.append(&["Msg"]);
            assert_eq!(text(&mut other).await, format!("{{\"id\":{n},\"message\":\"Msg\"}}\n"));
        }
        let all = text(&mut stopped).await;
        assert_eq!(all.lines().count(), 1000);
        let waits = spawn_local(async move { next(&mut stopped).await });
        yield_now().await;
        node.hub.close();
        assert_eq!(timeout(Duration::from_secs(30), waits).await.unwrap().unwrap(), None);
        assert_eq!(next(&mut other).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_follower_is_told_of_another_log_at_once_and_gets_nothing_of_it() {
    on_local_tasks(async {
        for form in [FollowForm::Lines, FollowForm::Events] {
            let mut node = Node::new();
            let other = LogId::new(8 << 96);
            let mut streams = [node.follow(form, 0), node.follow(form, 4)];
            let mut waiting = JoinSet::new();
            if form == FollowForm::Events {
                for stream in &mut streams {
                    assert!(text(stream).await.contains("event: open\n"));
                    assert!(text(stream).await.contains("event: caughtup\n"));
                }
            }
            let [mut waits, mut later] = streams;
            waiting.spawn_local(async move { (text(&mut waits).await, next(&mut waits).await) });
            yield_now().await;
            node.positions.publish_as(other, LogEnd::ZERO);
            let told = timeout(Duration::from_secs(30), waiting.join_next()).await.unwrap();
            let (told, end) = told.unwrap().unwrap();
            assert!(told.contains("\"code\":\"other-log\",\"retry\":false"), "{told}");
            assert_eq!(told.starts_with("event: error\n"), form == FollowForm::Events);
            assert_eq!(end, None);
            // One that looks only when there is more than its position.
            node.write(&["Msg"; 7]);
            node.positions.publish_as(other, LogEnd::ZERO);
            assert_eq!(text(&mut later).await, told);
            assert_eq!(next(&mut later).await, None);
        }
    })
    .await;
}

/// A client whose half has ended: it is to be probed each second, and once it is gone.
struct HalfClosed(Interval, Rc<Cell<bool>>);

impl Presence for HalfClosed {
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_tick(cx));
        Poll::Ready(if self.1.get() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_be_gone_is_probed_beside_its_signs_of_life_and_lets_go_when_it_is() {
    on_local_tasks(async {
        for (form, probe, sign) in
            [(FollowForm::Lines, " ", "{}\n"), (FollowForm::Events, ": \n\n", "event: tail\n")]
        {
            let (node, is_gone) = (Node::new(), Rc::new(Cell::new(false)));
            let mut stream = node.follow(form, 0);
            assert!(stream.attends());
            let half_closed = HalfClosed(interval(Duration::from_secs(1)), is_gone.clone());
            let (presence, closing) = (Box::new(half_closed), CancellationToken::new());
            stream.begin(Attendance { presence, closing });
            let (mut probes, mut signs) = (0, 0);
            while signs < 2 {
                let piece = text(&mut stream).await;
                probes += u32::from(piece == probe);
                signs += u32::from(piece.starts_with(sign));
            }
            assert!((18..22).contains(&probes), "{probes} probes in 20 s");
            is_gone.set(true);
            let gone = poll_fn(|cx| stream.poll_piece(cx)).await;
            assert!(gone.unwrap().is_err());
        }
    })
    .await;
}

/// Reads on until the text has a part, and returns it up to the end of that piece.
async fn text_with(stream: &mut FollowStream, part: &str) -> String {
    let mut read = String::new();
    while !read.contains(part) {
        read += &text(stream).await;
    }
    read
}

#[tokio::test]
async fn a_follower_that_begins_in_a_batch_that_the_node_lacks_is_told_where_it_begins() {
    on_local_tasks(async {
        let mut node = Node::new();
        node.append(&["alone"]);
        let mut stream = node.follow(FollowForm::Events, 4);
        assert!(text(&mut stream).await.contains("\"next\":4"));
        node.append(&["Msg"; 7]);
        let read = text_with(&mut stream, "\"id\":7,").await;
        let data = read.lines().filter_map(|line| line.strip_prefix("data: {\"id\""));
        let data: Vec<_> = data.collect();
        assert_eq!(data, [4, 5, 6, 7].map(|id| format!(":{id},\"message\":\"Msg\",\"batch\":1}}")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_time_that_a_lagging_node_lacks_is_looked_for_in_what_comes() {
    on_local_tasks(async {
        for form in [FollowForm::Lines, FollowForm::Events] {
            // The log has five messages, of which this node has one. What is appended behind them
            // is shown in any case.
            let cases = [([15, 20, 20, 30, 30], &[2, 3][..]), ([11, 12, 13, 14, 15], &[5])];
            for (accepted, shown) in cases {
                let mut node = Node::new();
                node.append_at(10);
                let (position, since) = Beginning::seek(&node.log, 20, LogEnd::new(5)).unwrap();
                let until = LogEnd::new(u64::MAX);
                let begin = Beginning { position, since, limit: 2, until };
                let mut stream = node.follow_from(form, begin);
                let sign = text(&mut stream).await;
                assert_eq!(sign, if form == FollowForm::Lines { "{}\n" } else { ": \n\n" });
                for ms in accepted {
                    node.append_at(ms);
                    // Some come while it looks.
                    yield_now().await;
                }
                let last = format!("{{\"id\":{}", shown.last().unwrap());
                let read = text_with(&mut stream, &last).await;
                let ids = read.split("{\"id\":").skip(1);
                let ids: Vec<u64> = ids.map(|rest| rest[..1].parse().unwrap()).collect();
                assert_eq!(ids, shown, "{read}");
                if form == FollowForm::Events {
                    let open = format!("\"next\":{},", shown[0]);
                    assert!(read.find(&open).unwrap() < read.find("{\"id\"").unwrap(), "{read}");
                }
            }
        }
    })
    .await;
}
