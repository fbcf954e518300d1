//! The inputs that a secondary's core task handles in one iteration.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acklog_protocol::frame::{Frame, Positions, Request, encode};
use acklog_types::{InstanceId, LogEnd, Records, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::*;
use crate::server::node::driver::Arrivals;

/// Longest that a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn bonnie() -> (Core<FollowerDriver>, Inbox<FollowerDriver>, SecondaryHandle) {
    let options = SecondaryOptions {
        name: "bonnie".parse().unwrap(),
        instance: InstanceId::new(1),
        http_port: None,
        request_timeout: Duration::from_millis(1500),
        reconnect_delay: Duration::from_secs(1),
        seed: 1,
    };
    let master = MasterAddress { host: "127.0.0.1".to_owned(), port: 1 };
    core(options, Faults::default(), Opened::in_memory(), master, &TaskTracker::new())
}

fn paused() -> Faults {
    Faults { paused: true, ..Faults::default() }
}

/// Asks something that is answered in a later iteration.
fn asked<F: Future>(question: F) -> Pin<Box<F>> {
    let mut question = Box::pin(question);
    assert!(answer(&mut question).is_none());
    question
}

/// Returns the answer, once it is there.
fn answer<F: Future>(question: &mut Pin<Box<F>>) -> Option<F::Output> {
    match question.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn all_that_waits_is_taken_in_one_turn_and_a_paused_node_only_answers() {
    let (mut core, mut inbox, handle) = bonnie();
    let mut arrivals = Arrivals::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = async || TcpStream::connect(listener.local_addr().unwrap()).await;
    core.role.dialed.send(dial().await).await.unwrap();
    core.collect(&mut inbox, &mut arrivals, true);
    assert!(inbox.connections.is_empty(), "the connection is taken");
    let mut peer = listener.accept().await.unwrap().0;
    let heartbeats = async |peer: &mut TcpStream, inbox: &Inbox<FollowerDriver>| {
        for number in 0..5 {
            let heartbeat: Request<Records> =
                Request::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() };
            let frame = Frame::Request(RequestId::new(number), heartbeat);
            peer.write_all(&encode(&frame).head).await.unwrap();
        }
        let all_wait = async {
            while inbox.events.len() < 5 {
                yield_now().await
            }
        };
        timeout(PATIENCE, all_wait).await.unwrap();
    };

    heartbeats(&mut peer, &inbox).await;
    core.role.dialed.send(dial().await).await.unwrap();
    let mut questions: Vec<_> = (0..3).map(|_| asked(handle.health())).collect();
    core.collect(&mut inbox, &mut arrivals, true);
    assert_eq!((arrivals.events.len(), inbox.connections.len()), (5, 0));
    core.iterate(now(), None, &mut arrivals);
    assert!(questions.iter_mut().all(|question| answer(question).is_some()));

    heartbeats(&mut peer, &inbox).await;
    core.role.dialed.send(dial().await).await.unwrap();
    core.machine.set_faults(now(), paused());
    let mut question = asked(handle.health());
    core.collect(&mut inbox, &mut arrivals, false);
    core.iterate(now(), None, &mut arrivals);
    assert!(answer(&mut question).is_some());
    assert_eq!((inbox.events.len(), inbox.connections.len()), (5, 1));
}

#[tokio::test]
async fn a_pause_that_comes_with_a_frame_counts_behind_it() {
    let (mut core, mut inbox, handle) = bonnie();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let _session = core.sessions.open(stream).unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    let heartbeat: Request<Records> =
        Request::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() };
    let frame = Frame::Request(RequestId::new(1), heartbeat);
    peer.write_all(&encode(&frame).head).await.unwrap();
    let mut arrivals = Arrivals::default();
    arrivals.events.push(inbox.events.recv().await.unwrap());
    let mut question = asked(handle.faults().set(paused()));
    core.collect(&mut inbox, &mut arrivals, true);
    core.iterate(now(), None, &mut arrivals);
    assert!(answer(&mut question).unwrap().unwrap().paused && core.machine.is_paused());
}

#[tokio::test]
async fn the_task_takes_what_came_before_a_pause_in_the_turn_that_it_pauses_in() {
    let (mut core, mut inbox, handle) = bonnie();
    let mut arrivals = Arrivals::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
    core.role.dialed.send(stream).await.unwrap();
    core.collect(&mut inbox, &mut arrivals, true);
    core.iterate(now(), None, &mut arrivals);
    let (mut peer, _) = listener.accept().await.unwrap();
    // A length that no frame has: the connection is to be closed.
    peer.write_all(&[0x7f, 0xff, 0xff, 0xff]).await.unwrap();
    let waits = async {
        while inbox.events.is_empty() {
            yield_now().await
        }
    };
    timeout(PATIENCE, waits).await.unwrap();
    let question = asked(handle.faults().set(paused()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(core.run(inbox, stop.clone()));
    assert!(timeout(PATIENCE, question).await.unwrap().unwrap().paused);
    // A paused node would not have heard it, and the connection would stay.
    let mut bytes = Vec::new();
    timeout(PATIENCE, peer.read_to_end(&mut bytes)).await.unwrap().unwrap();
    stop.cancel();
    running.await.unwrap();
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    for (host, shown) in [
        ("::1", "[::1]:6000"),
        ("10.5.0.100", "10.5.0.100:6000"),
        ("master.local", "master.local:6000"),
    ] {
        let address = MasterAddress { host: host.to_owned(), port: 6000 };
        assert_eq!(address.to_string(), shown);
    }
}
