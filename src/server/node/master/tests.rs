//! A master's core task over its real mailboxes, with a log in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use acklog_log::Opened;
use acklog_protocol::{MasterOptions, Outcome, Refusal, STRANGERS_MAX, Wait};
use acklog_types::{Batch, Budget, Faults, LogEnd, LogId, WriteConcern};
use tokio::net::TcpListener;
use tokio::task::coop::unconstrained;
use tokio::task::{LocalSet, yield_now};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::server::node::ClientAppend;

/// Longest that a test waits for what must happen; never waited out when all is well.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(in crate::server) fn options() -> MasterOptions {
    MasterOptions {
        name: "master".parse().unwrap(),
        log: LogId::new(1),
        http_port: None,
        request_timeout: Duration::from_millis(1500),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Nodes(1),
        quorum: None,
        max_waiting: 100_000,
        max_strangers: STRANGERS_MAX,
        idempotency_window: 100,
        seed: 1,
    }
}

/// Runs a test beside a master with a log in memory, whose core task must end afterwards.
fn with_master(test: impl AsyncFnOnce(MasterHandle)) {
    with_master_of(options(), Opened::in_memory(), async |master, _| test(master).await);
}

/// The same with options and a log of the test's own; the test gets the address at which
/// secondaries dial.
pub(super) fn with_master_of(
    options: MasterOptions,
    log: Opened,
    test: impl AsyncFnOnce(MasterHandle, SocketAddr),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let comm = listener.local_addr().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let master = start_master(options, Faults::default(), log, listener, stop.clone(), &tasks);
        timeout(PATIENCE, test(master, comm)).await.expect("the test hangs");
        stop.cancel();
        tasks.close();
        timeout(PATIENCE, tasks.wait()).await.expect("the core task hangs");
    });
}

/// Returns a batch of so many messages, each with this text.
pub(super) fn batch(messages: usize, text: &str) -> Batch {
    let mut batch = Batch::from(text);
    (1..messages).for_each(|_| batch.push(text));
    batch
}

pub(super) fn append(batch: Batch, key: Option<&str>, write_concern: u64) -> ClientAppend {
    let key = key.map(|key| Box::new(key.parse::<acklog_types::IdempotencyKey>().unwrap().into()));
    let wait = Wait::until(Some(WriteConcern::Nodes(write_concern)), None);
    ClientAppend { batch, key, expected_end: None, wait, share: None }
}

pub(super) fn receipt(outcome: Outcome) -> (u64, bool) {
    match outcome {
        Outcome::Committed(receipt) => (receipt.id.get(), receipt.replayed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_counts_until_the_core_has_taken_its_messages_also_where_its_sender_is_gone() {
    with_master(async |master| {
        let (room, appender) = (Budget::new(1000), master.appender());
        let mut senders = [600, 400].map(|bytes| {
            let mut share = None;
            assert!(room.hold(&mut share, bytes));
            let append = ClientAppend { share, ..append("Msg".into(), None, 1) };
            Box::pin(appender.append(append))
        });
        // The core has no iteration meanwhile.
        for sender in &mut senders {
            assert!(sender.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let [stays, gone] = senders;
        drop(gone);
        assert!(!room.hold(&mut None, 1), "{} bytes of 1000 count", room.used());
        assert_eq!(receipt(stays.await.unwrap()), (0, false));
        assert_eq!(room.used(), 0);
    });
}

#[test]
fn a_large_batch_sent_again_and_again_is_compared_aside_and_is_there_once() {
    with_master(async |master| {
        let appender = master.appender();
        let send = |text: &str, key| appender.append(append(batch(20_000, text), Some(key), 1));
        assert_eq!(receipt(send("first", "a").await.unwrap()), (0, false));
        let (again, twice, other, new) = tokio::join!(
            send("first", "a"),
            send("first", "a"),
            send("other", "a"),
            send("first", "b")
        );
        assert_eq!(receipt(again.unwrap()), (0, true));
        assert_eq!(receipt(twice.unwrap()), (0, true));
        let reused = Refusal::KeyReused { first: acklog_types::MessageId::new(0) };
        assert_eq!(other.unwrap(), Outcome::Refused(reused));
        assert_eq!(receipt(new.unwrap()), (20_000, false));
        assert_eq!(master.reader().durable_end(), LogEnd::new(40_000));
    });
}

#[test]
fn a_stop_waits_for_comparisons_and_answers_their_senders() {
    with_master(async |master| {
        let appender = master.appender();
        let send = |wait: u64| appender.append(append(batch(20_000, "Msg"), Some("a"), wait));
        assert_eq!(receipt(send(1).await.unwrap()), (0, false));
        let stop = async {
            // The command of the client is on its way by then.
            yield_now().await;
            master.shut_down(PATIENCE).await
        };
        let (again, stopped) = tokio::join!(send(1), stop);
        assert_eq!(receipt(again.unwrap()), (0, true));
        stopped.unwrap();
        assert_eq!(master.reader().durable_end(), LogEnd::new(20_000));
    });
}

#[test]
fn a_sender_whose_time_is_up_before_its_batch_is_compared_is_told_the_id_that_it_may_have() {
    with_master(async |master| {
        let appender = master.appender();
        let first = appender.append(append(batch(20_000, "Msg"), Some("a"), 1)).await;
        assert_eq!(receipt(first.unwrap()), (0, false));
        let mut again = append(batch(20_000, "Msg"), Some("a"), 9);
        again.wait.timeout = Some(Duration::ZERO);
        let outcome = appender.append(again).await.unwrap();
        let Outcome::TimedOut(receipt) = outcome else { panic!("{outcome:?}") };
        assert_eq!((receipt.id.get(), receipt.write_concern), (0, 9));
    });
}

#[test]
fn a_sender_that_hangs_up_while_it_is_compared_or_waits_for_its_turn_leaves_nothing() {
    with_master(async |master| {
        let appender = master.appender();
        let large = || batch(20_000, "Msg");
        let first = appender.append(append(large(), Some("a"), 1)).await;
        assert_eq!(receipt(first.unwrap()), (0, false));
        for key in [Some("a"), None] {
            // Polled once, so that it is sent, and then dropped.
            let sent = appender.append(append(large(), key, 9));
            let polled = timeout(Duration::ZERO, sent).await;
            assert!(polled.is_err(), "9 nodes have it");
        }
        master.shut_down(PATIENCE).await.unwrap();
        assert_eq!(master.health().await.unwrap().waiting_senders, 0);
    });
}

#[test]
fn health_is_answered_before_the_appends_that_wait() {
    // Without a budget: a task that sends so much would have to pause, and the core would run.
    with_master(async |master| unconstrained(health_before_appends(master)).await);
}

async fn health_before_appends(master: MasterHandle) {
    let appender = master.appender();
    let mut clients: Vec<_> = (0..2 * MAILBOX)
        .map(|_| Box::pin(appender.append(append("Msg".into(), None, 1))))
        .collect();
    // The core has no iteration meanwhile: the queue is full, and the rest waits for room.
    for client in &mut clients {
        assert!(client.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(master.health().await.unwrap().log_end, LogEnd::ZERO);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(master.health().await.unwrap().log_end, LogEnd::new(2 * MAILBOX as u64));
}

#[test]
fn thousands_of_senders_are_answered_once_each_and_health_is_answered_among_them() {
    const SENDERS: usize = 3000;
    with_master(async |master| {
        let appender = master.appender();
        let answered = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..SENDERS {
            let (appender, answered) = (appender.clone(), answered.clone());
            senders.spawn_local(async move {
                // A timeout that has passed when it is taken: all are answered in one iteration.
                let wait =
                    Wait::until(Some(WriteConcern::Nodes(2)), Some(Duration::from_millis(200)));
                let append = ClientAppend { wait, ..append("Msg".into(), None, 2) };
                let outcome = appender.append(append).await.unwrap();
                answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                matches!(outcome, Outcome::TimedOut(_))
            });
        }
        let mut between = false;
        while answered.load(std::sync::atomic::Ordering::Relaxed) < SENDERS {
            master.health().await.unwrap();
            let count = answered.load(std::sync::atomic::Ordering::Relaxed);
            between |= (1..SENDERS).contains(&count);
        }
        assert!(between, "health was never answered while senders were");
        assert!(senders.join_all().await.into_iter().all(|timed_out| timed_out));
    });
}
