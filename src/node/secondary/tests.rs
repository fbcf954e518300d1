//! What a secondary's core task takes in a turn.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::*;
use crate::protocol::frame::{Frame, Request, encode};
use crate::types::{InstanceId, LogEnd, Records, RequestId};

/// Longest that a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn core() -> (Core, Inbox, SecondaryHandle) {
    let options = SecondaryOptions {
        name: "bonnie".parse().unwrap(),
        instance: InstanceId::new(1),
        request_timeout: Duration::from_millis(1500),
        reconnect_delay: Duration::from_secs(1),
        faults: Faults::default(),
        seed: 1,
    };
    let master = MasterAddress { host: "127.0.0.1".to_owned(), port: 1 };
    Core::new(options, Opened::in_memory(), master, &TaskTracker::new())
}

#[tokio::test]
async fn all_that_waits_is_taken_in_one_turn_and_a_paused_node_only_answers() {
    let (mut core, mut inbox, handle) = core();
    let mut came = Vec::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = async || TcpStream::connect(listener.local_addr().unwrap()).await;
    core.dialed.send(dial().await).await.unwrap();
    core.collect(&mut inbox, &mut came);
    assert!(inbox.dialed.is_empty(), "the connection is taken");
    let mut peer = listener.accept().await.unwrap().0;
    let ask = || {
        let (answer, answered) = oneshot::channel();
        handle.questions.try_send(Question::Health(answer)).unwrap();
        answered
    };
    let heartbeats = async |peer: &mut TcpStream, inbox: &Inbox| {
        for number in 0..5 {
            let heartbeat: Request<Records> = Request::Heartbeat { log_end: LogEnd::ZERO };
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
    core.dialed.send(dial().await).await.unwrap();
    let mut asked: Vec<_> = (0..3).map(|_| ask()).collect();
    core.collect(&mut inbox, &mut came);
    assert_eq!((came.len(), inbox.dialed.len()), (5, 0));
    assert!(asked.iter_mut().all(|answered| answered.try_recv().is_ok()));

    came.clear();
    heartbeats(&mut peer, &inbox).await;
    core.dialed.send(dial().await).await.unwrap();
    core.set_faults(now(), Faults { paused: true, ..Faults::default() });
    let mut answered = ask();
    core.collect(&mut inbox, &mut came);
    assert!(answered.try_recv().is_ok());
    assert_eq!((came.len(), inbox.events.len(), inbox.dialed.len()), (0, 5, 1));
}

#[tokio::test]
async fn what_waits_when_something_else_wakes_the_task_is_dealt_with_in_the_same_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = SecondaryOptions {
        name: "bonnie".parse().unwrap(),
        instance: InstanceId::new(1),
        request_timeout: Duration::from_secs(1),
        reconnect_delay: Duration::from_secs(1),
        faults: Faults::default(),
        seed: 1,
    };
    let port = listener.local_addr().unwrap().port();
    let master = MasterAddress { host: "127.0.0.1".to_owned(), port };
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let log = Opened::in_memory();
    let secondary = start_secondary(options, log, master, stop.clone(), &tasks);
    // Its first dial is due and wakes the task, which has had no turn yet.
    let paused = Faults { paused: true, ..Faults::default() };
    let (answer, answered) = oneshot::channel();
    let command = Question::Faults(FaultsCommand::Set(paused, answer));
    secondary.questions.try_send(command).unwrap();
    assert_eq!(answered.await.unwrap(), paused);
    secondary.health().await.unwrap();
    let dialed = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(dialed.is_err(), "a paused node dials");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
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
