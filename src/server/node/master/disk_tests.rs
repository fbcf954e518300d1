//! A master's core task over a disk that is slow, fails or hangs, and how it ends then.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acklog_log::SimDisk;
use acklog_log::disk::{Committer, DiskOptions, Recovered, Sizes, recover};
use acklog_protocol::{Outcome, Refusal};
use acklog_types::{LogEnd, MessageId};
use tokio::task::JoinHandle;

use super::tests::{PATIENCE, append, batch, options, receipt as receipt_of};
use super::*;
use crate::server::node::{ClientAppend, LineOutcome, NoOutcome};

/// A master, and the committer of its log: no thread runs it, so the disk takes as long as the test
/// wants.
struct Slow {
    master: MasterHandle,
    committer: Committer,
    disk: SimDisk,
    stop: CancellationToken,
    /// Messages that the core has taken.
    taken: u64,
}

impl Slow {
    /// Passes an append to the core task. Returns its client, once the append was taken.
    async fn take(&mut self, append: ClientAppend) -> JoinHandle<Result<Outcome, NoOutcome>> {
        let appender = self.master.appender();
        let sender = tokio::task::spawn_local(async move { appender.append(append).await });
        self.is_taken(self.taken).await;
        self.taken += 1;
        sender
    }

    /// Waits until the core task has taken the message with this id.
    async fn is_taken(&self, id: u64) {
        let id = MessageId::new(id);
        // Each answer is an iteration of the core's. A large append waits for a quiet moment.
        while self.master.reader().read_appended(id).unwrap().range().is_empty() {
            self.master.health().await.unwrap();
        }
    }
}

fn with_slow_master(segment_bytes: u64, test: impl AsyncFnOnce(Slow)) {
    with_slow_master_of(options(), segment_bytes, test);
}

/// Runs a test beside a master with such options, on such a disk.
fn with_slow_master_of(options: MasterOptions, segment_bytes: u64, test: impl AsyncFnOnce(Slow)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let disk = SimDisk::new();
        let sizes = Sizes { segment_bytes, ..Sizes::DEFAULT };
        let new_log = options.log;
        let options_of_disk = DiskOptions { new_log, sizes, ..DiskOptions::OF_TESTS };
        let recovered = recover(Arc::new(disk.mounted()), options_of_disk).unwrap();
        let Recovered { opened, committer, .. } = recovered;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let master =
            start_master(options, Faults::default(), opened, listener, stop.clone(), &tasks);
        let slow = Slow { master, committer, disk, stop: stop.clone(), taken: 0 };
        timeout(PATIENCE, test(slow)).await.expect("the test hangs");
        stop.cancel();
        tasks.close();
        timeout(PATIENCE, tasks.wait()).await.expect("the core task hangs");
    });
}

#[test]
fn what_waits_for_the_disk_is_bounded_and_what_comes_then_is_refused() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let long = "x".repeat(8 * 1024 * 1024);
        let mut senders = Vec::new();
        for _ in 0..8 {
            senders.push(slow.take(append(batch(1, &long), None, 1)).await);
        }
        let refused = slow.master.appender().append(append(batch(1, "Msg"), None, 1)).await;
        let Outcome::Refused(Refusal::DiskBehind { bytes }) = refused.unwrap() else {
            panic!("more than 64 MiB wait, and it takes one more")
        };
        assert!((64 << 20..=80 << 20).contains(&bytes), "{bytes}");
        slow.committer.write();
        slow.committer.sync();
        for sender in senders {
            assert!(matches!(sender.await.unwrap().unwrap(), Outcome::Committed(_)));
        }
        let last = slow.take(append(batch(1, "Msg"), None, 1)).await;
        slow.committer.write();
        slow.committer.sync();
        assert!(matches!(last.await.unwrap().unwrap(), Outcome::Committed(_)), "room again");
    });
}

#[test]
fn a_stream_that_is_faster_than_the_disk_is_held_up_and_leaves_room_to_others() {
    const LINES: u64 = 400;
    const TEXT_BYTES: u64 = 200 * 1024;
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let (mut stream, mut outcomes) = slow.master.appender().stream().unwrap();
        let stream = tokio::task::spawn_local(async move {
            let text = "x".repeat(TEXT_BYTES as usize);
            for _ in 0..LINES {
                assert!(stream.push(append(batch(1, &text), None, 1), |_, _| true));
                stream.hand_over().await.unwrap();
            }
            // Until then its lines are not canceled.
            stream
        });
        slow.taken = (32 << 20) / (TEXT_BYTES + 25);
        slow.is_taken(slow.taken).await;
        slow.taken += 1;
        let single = slow.taken;
        let sender = slow.take(append(batch(1, "Msg"), None, 1)).await;
        let mut told = 0;
        while told < LINES {
            let next = poll_fn(|cx| Poll::Ready(outcomes.poll_next(cx))).await;
            if let Poll::Ready(LineOutcome { line, count, outcome }) = next {
                let id = line + u64::from(line >= single);
                assert_eq!((line, receipt_of(outcome)), (told, (id, false)));
                told += count;
            } else {
                slow.committer.write();
                slow.committer.sync();
                slow.master.health().await.unwrap();
            }
        }
        assert_eq!(receipt_of(sender.await.unwrap().unwrap()), (single, false));
        stream.await.unwrap();
    });
}

#[test]
fn what_is_stored_when_the_disk_fails_is_told_as_stored() {
    let mut seen = 0;
    for good in 0..12 {
        with_slow_master(1024, async |mut slow| {
            let begun = slow.take(append(batch(1, "Msg"), None, 1)).await;
            slow.committer.write();
            slow.committer.sync();
            assert!(matches!(begun.await.unwrap().unwrap(), Outcome::Committed(_)));
            // More than one write takes, so that the last message goes into a segment of its own:
            // before that begins, the one before is synced.
            let long = "x".repeat(5 * 1024 * 1024);
            let first = slow.take(append(batch(1, &long), None, 1)).await;
            let last = slow.take(append(batch(1, "Msg"), None, 1)).await;
            slow.disk.fail_changes(good, u64::MAX);
            slow.committer.write();
            slow.committer.sync();
            // Now the core hears of both at once.
            let (end, fault) = {
                let reader = slow.master.reader();
                (reader.durable_end(), reader.disk_fault())
            };
            assert!(fault.is_some_and(|fault| !fault.is_passing()) || end == LogEnd::new(3));
            let committed = |outcome| matches!(outcome, Outcome::Committed(_));
            let outcomes = [first.await.unwrap().unwrap(), last.await.unwrap().unwrap()];
            assert_eq!(outcomes.map(committed), [LogEnd::new(2), LogEnd::new(3)].map(|e| e <= end));
            seen += usize::from(end == LogEnd::new(2));
        });
    }
    assert!(seen > 0, "the disk never failed between the two");
}

#[test]
fn lines_that_are_kept_for_a_place_are_refused_when_the_disk_fails() {
    const PLACES: usize = 16;
    let options = MasterOptions { max_waiting: PLACES, ..options() };
    with_slow_master_of(options, Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let appender = slow.master.appender();
        let (mut waits, _answers) = appender.stream().unwrap();
        let (mut kept, mut outcomes) = appender.stream().unwrap();
        for stream in [&mut waits, &mut kept] {
            for _ in 0..PLACES {
                assert!(stream.push(append(batch(1, "Msg"), None, 2), |_, _| true));
            }
            stream.hand_over().await.unwrap();
        }
        slow.master.health().await.unwrap();
        slow.committer.write();
        slow.committer.sync();
        slow.taken = slow.master.reader().durable_end().get();
        let sender = slow.take(append(batch(1, "Msg"), None, 1)).await;
        slow.disk.fail_changes(0, u64::MAX);
        slow.committer.write();
        slow.committer.sync();
        assert!(matches!(sender.await.unwrap().unwrap(), Outcome::DiskFailed(..)));
        let told = poll_fn(|cx| outcomes.poll_next(cx)).await;
        assert!(matches!(told.outcome, Outcome::Refused(Refusal::DiskFault(_))), "{told:?}");
    });
}

#[test]
fn what_is_stored_when_its_senders_time_is_up_is_told_as_stored() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        tokio::time::pause();
        let timeout = Some(Duration::from_secs(3));
        let mut sent = append(batch(1, "Msg"), None, 1);
        sent.wait.timeout = timeout;
        let sender = slow.take(sent).await;
        slow.committer.write();
        slow.committer.sync();
        // The core has had no iteration since then, and in the next one both are there.
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(matches!(sender.await.unwrap().unwrap(), Outcome::Committed(_)));
    });
}

#[test]
fn a_message_whose_key_cannot_be_looked_up_for_the_moment_may_be_stored() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let long = "x".repeat(8 * 1024 * 1024);
        let keyed = || append(batch(1, "Msg"), Some("order-17"), 1);
        // Behind that many bytes, the first one is in the file only.
        for append in [keyed(), append(batch(1, &long), None, 1), append(batch(1, &long), None, 1)]
        {
            let sender = slow.take(append).await;
            slow.committer.write();
            slow.committer.sync();
            assert!(matches!(sender.await.unwrap().unwrap(), Outcome::Committed(_)));
        }
        slow.disk.fail_next_reads(1);
        let answer = slow.master.appender().append(keyed()).await.unwrap();
        let Outcome::DiskFailed(receipt, fault) = answer else { panic!("{answer:?}") };
        assert!(receipt.id == MessageId::new(0) && !receipt.stored && fault.is_passing());
        let answer = slow.master.appender().append(keyed()).await.unwrap();
        assert_eq!(receipt_of(answer), (0, true));
    });
}

#[test]
fn a_stop_waits_for_a_slow_disk_only_as_long_as_it_is_told() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let sender = slow.take(append(batch(1, "Msg"), None, 1)).await;
        slow.master.shut_down(Duration::from_millis(20)).await.unwrap();
        let Outcome::ShuttingDown(receipt) = sender.await.unwrap().unwrap() else {
            panic!("it is not stored")
        };
        assert!(!receipt.stored && receipt.acked_by.is_empty(), "{receipt:?}");
    });
}

#[test]
fn what_is_stored_when_a_stop_gives_up_is_told_as_stored() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |mut slow| {
        let sender = slow.take(append(batch(1, "Msg"), None, 1)).await;
        slow.committer.write();
        slow.committer.sync();
        // The core has had no iteration since then.
        slow.master.commands.ask(LeaderCommand::GiveUp).await.unwrap();
        assert!(matches!(sender.await.unwrap().unwrap(), Outcome::Committed(_)));
    });
}

#[test]
fn who_writes_to_a_core_that_ends_is_answered() {
    with_slow_master(Sizes::DEFAULT.segment_bytes, async |slow| {
        let appender = slow.master.appender();
        let sent = appender.append(append(batch(1, "Msg"), None, 1));
        let mut sent = std::pin::pin!(sent);
        // Polled once: it is in the queue, and the core has had no iteration since.
        assert!(poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx).is_pending())).await);
        slow.stop.cancel();
        assert_eq!(sent.await.unwrap(), Outcome::Refused(Refusal::ShuttingDown));
    });
}
