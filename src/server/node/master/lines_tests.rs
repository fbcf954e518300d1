//! Lines of append streams through a master's core task: what is kept, and whose turn it is.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::time::Duration;

use acklog_log::Opened;
use acklog_protocol::{MasterOptions, Outcome, Refusal};
use acklog_types::{Budget, LogEnd};

use super::tests::{PATIENCE, append, batch, options, receipt, with_master_of};
use super::*;
use crate::server::node::{ClientAppend, LineAppender, LineOutcomes};

/// Hands lines over, as many at a time as fit into a batch.
async fn hand_over(to: &mut LineAppender, lines: impl IntoIterator<Item = ClientAppend>) {
    for line in lines {
        if to.is_full() {
            to.hand_over().await.unwrap();
        }
        assert!(to.push(line, |_, _| true));
    }
    to.hand_over().await.unwrap();
}

/// Returns the next outcome, and the number of its line and of lines that have it.
async fn next(from: &mut LineOutcomes) -> (u64, u64, Outcome) {
    let told = poll_fn(|cx| from.poll_next(cx)).await;
    (told.line, told.count, told.outcome)
}

/// Runs a test beside a master without secondaries, for whose acks so many senders may wait.
fn with_places(max_waiting: usize, test: impl AsyncFnOnce(MasterHandle)) {
    let options = MasterOptions { max_waiting, ..options() };
    with_master_of(options, Opened::in_memory(), async |master, _| test(master).await);
}

#[test]
fn streams_that_want_more_places_than_there_are_have_their_share_of_them() {
    const LINES: u64 = 1000;
    with_places(32, async |master| {
        // Each gives its place back soon: its time is up.
        let line = || {
            let mut line = append("Msg".into(), None, 2);
            line.wait.timeout = Some(Duration::from_millis(5));
            line
        };
        let appender = master.appender();
        let (mut greedy, mut answers) = appender.stream().unwrap();
        hand_over(&mut greedy, (0..LINES).map(|_| line())).await;
        let mut answered = next(&mut answers).await.1;
        for _ in 0..2 {
            let (mut modest, mut answers_of_modest) = appender.stream().unwrap();
            hand_over(&mut modest, (0..10).map(|_| line())).await;
            let mut told = 0;
            while told < 10 {
                tokio::select! {
                    biased;
                    (_, count, outcome) = next(&mut answers) => {
                        assert!(matches!(outcome, Outcome::TimedOut(_)), "{outcome:?}");
                        answered += count;
                    }
                    (line, count, outcome) = next(&mut answers_of_modest) => {
                        assert!(matches!(outcome, Outcome::TimedOut(_)) && line == told);
                        told += count;
                    }
                }
            }
            assert!(answered < LINES / 2, "it waited for {answered} lines of the other one");
        }
        while answered < LINES {
            let (line, count, outcome) = next(&mut answers).await;
            assert!(matches!(outcome, Outcome::TimedOut(_)) && line == answered, "{outcome:?}");
            answered += count;
        }
    });
}

#[test]
fn a_line_that_needs_no_place_is_answered_where_as_many_senders_wait_as_may() {
    with_places(1, async |master| {
        let appender = master.appender();
        assert_eq!(
            receipt(appender.append(append("a".into(), Some("a"), 1)).await.unwrap()),
            (0, false)
        );
        let (mut waits, _answers) = appender.stream().unwrap();
        hand_over(&mut waits, [append("waits".into(), None, 2)]).await;
        let (mut stream, mut answers) = appender.stream().unwrap();
        let refused =
            ClientAppend { expected_end: Some(LogEnd::ZERO), ..append("b".into(), None, 2) };
        let lines = [append("a".into(), Some("a"), 1), refused, append("c".into(), None, 1)];
        hand_over(&mut stream, lines).await;
        let mut told = BTreeMap::new();
        while told.len() < 3 {
            let (line, _, outcome) = next(&mut answers).await;
            told.insert(line, outcome);
        }
        assert_eq!(receipt(told.remove(&0).unwrap()), (0, true));
        assert!(matches!(told[&1], Outcome::Refused(Refusal::EndMoved { .. })));
        assert_eq!(receipt(told.remove(&2).unwrap()), (2, false));
    });
}

#[test]
fn lines_that_are_held_up_are_charged_for_their_size_and_no_more() {
    with_places(1, async |master| {
        let budget = Budget::new(1 << 20);
        let (mut stream, mut answers) = master.appender().stream().unwrap();
        let lines = (0..900).map(|_| append("Msg".into(), None, 1));
        for line in lines.chain([append("waits".into(), None, 2), append("next".into(), None, 2)]) {
            assert!(stream.push(line, |share, bytes| budget.hold(share, bytes)));
        }
        assert!(budget.used() > 900 * 25);
        stream.hand_over().await.unwrap();
        let mut told = 0;
        while told < 900 {
            told += next(&mut answers).await.1;
        }
        assert!((30..1024).contains(&budget.used()), "{} bytes", budget.used());
    });
}

#[test]
fn a_line_that_was_compared_aside_holds_its_stream_up_where_no_more_may_wait() {
    with_places(1, async |master| {
        let appender = master.appender();
        let large = |wait| append(batch(20_000, "Msg"), Some("a"), wait);
        assert_eq!(receipt(appender.append(large(1)).await.unwrap()), (0, false));
        let (mut waits, answers) = appender.stream().unwrap();
        hand_over(&mut waits, [append("waits".into(), None, 2)]).await;
        let (mut stream, mut told) = appender.stream().unwrap();
        hand_over(&mut stream, [large(2)]).await;
        // It is handed over once the line is compared and has a place.
        let mut next_batch = Box::pin(hand_over(&mut stream, [append("b".into(), None, 1)]));
        // Compared aside as well, one after the other: the line's comparison is over by then.
        for _ in 0..4 {
            tokio::select! {
                biased;
                () = &mut next_batch => panic!("the stream was not held up"),
                (_, _, outcome) = next(&mut told) => panic!("the line has no place: {outcome:?}"),
                again = appender.append(large(1)) => assert_eq!(receipt(again.unwrap()), (0, true)),
            }
        }
        drop((waits, answers));
        next_batch.await;
        let (line, _, outcome) = next(&mut told).await;
        assert_eq!((line, receipt(outcome)), (1, (20_001, false)));
        master.shut_down(PATIENCE).await.unwrap();
        let (0, _, Outcome::ShuttingDown(again)) = next(&mut told).await else {
            panic!("the line waits for two nodes")
        };
        assert!(again.id.get() == 0 && again.replayed);
    });
}
