//! The reading half of a stream, in virtual time.

use std::time::Duration;

use acklog_log::Opened;
use acklog_protocol::Outcome;
use acklog_types::Faults;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::*;
use crate::server::http::body::sent::Sent;
use crate::server::http::tally::Tallies;
use crate::server::node::{options_of_tests, start_master};

/// Runs a test beside the reading half of a stream on a master with a log in memory.
fn with_reader(
    limits: &BodyLimits,
    test: impl AsyncFnOnce(mpsc::UnboundedSender<Bytes>, Rc<StreamState>, LineOutcomes),
) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let log = Opened::in_memory();
        let master = start_master(
            options_of_tests(),
            Faults::default(),
            log,
            listener,
            stop.clone(),
            &tasks,
        );
        let (appender, outcomes) = master.appender().stream().unwrap();
        let (sender, body) = mpsc::unbounded_channel();
        let tally = Tallies::default().register(master.positions().clone());
        let state = Rc::new(StreamState::new(Rc::new(tally)));
        let reader = LineReader::new(state.clone(), appender, limits.clone());
        let reading = spawn_local(reader.run(None, Sent(body), CancellationToken::new()));
        test(sender, state, outcomes).await;
        reading.await.unwrap();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    });
}

#[test]
fn a_line_whose_memory_a_body_takes_is_refused_and_the_next_one_is_appended() {
    let limits = BodyLimits::new(1024 * 1024);
    with_reader(&limits, async |sender, state, mut outcomes| {
        // Too long for the budget of small bodies.
        sender.send(Bytes::from(vec![b'x'; 100_000])).unwrap();
        sleep(Duration::from_secs(20)).await;
        let (mut body, all) = (None, 128 * 1024 * 1024);
        assert!(!limits.hold(&mut body, all) && state.refused.borrow().is_empty());
        sleep(Duration::from_secs(20)).await;
        assert!(state.refused.borrow().is_empty(), "a stream may be silent");
        assert!(limits.hold(&mut body, all));
        while state.refused_lines.get() == 0 {
            yield_now().await;
        }
        let refused = String::from_utf8(state.refused.take()).unwrap();
        assert!(
            refused.contains("\"too-busy\"") && refused.ends_with("\"line\":0}\n"),
            "{refused}"
        );
        sender.send(Bytes::from_static(b"rest\n{\"message\":\"next\"}\n")).unwrap();
        drop(sender);
        let next = std::future::poll_fn(|cx| outcomes.poll_next(cx)).await;
        let is_stored = matches!(&next.outcome, Outcome::Committed(it) if it.id.get() == 0);
        assert!(next.line == 1 && is_stored, "{next:?}");
        assert_eq!((state.refused_lines.get(), state.waiting.get()), (1, 2));
    });
}

#[test]
fn a_line_that_ends_as_its_memory_is_taken_costs_neither_itself_nor_the_next_one() {
    let limits = BodyLimits::new(1024 * 1024);
    // Then a line's memory is of the budget of large bodies too.
    let small = [(); 512].map(|()| {
        let mut share = None;
        assert!(limits.hold(&mut share, 64 * 1024));
        share
    });
    with_reader(&limits, async |sender, state, mut outcomes| {
        sender.send(format!("{{\"message\":\"{}", "x".repeat(50_000)).into()).unwrap();
        sleep(Duration::from_secs(40)).await;
        // Before the reading half learns that.
        assert!(limits.hold(&mut None, 128 * 1024 * 1024));
        sender.send(Bytes::from_static(b"\"}\n{\"mess")).unwrap();
        sender.send(Bytes::from_static(b"age\":\"next\"}\n")).unwrap();
        drop(sender);
        let mut told = 0;
        while told < 2 {
            let next = std::future::poll_fn(|cx| outcomes.poll_next(cx));
            let next = timeout(Duration::from_secs(60), next).await;
            told += next.unwrap_or_else(|_| panic!("refused: {:?}", state.refused)).count;
        }
        assert!(state.refused.borrow().is_empty(), "{:?}", state.refused);
    });
    drop(small);
}
