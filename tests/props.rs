//! Invariants of whole clusters under random schedules of everything that can go wrong. The
//! simulator checks them after every event; here are the schedules, and the proof that the checks
//! and the seeds are worth something.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use acklog_protocol::SecondaryPhase;
use acklog_sim::{Cluster, ClusterOptions, Schedule};
use acklog_types::WriteConcern;

/// Number of schedules of the normal test command, some seconds of an unoptimized build; `cargo run
/// --release -p acklog-sim` runs as many as one wants, many times as fast.
const SCHEDULES: u64 = 200;

/// Number of schedules with conditions and append streams.
const SCHEDULES_WITH_STREAMS: u64 = 100;

#[test]
fn order_exactly_once_and_acks_hold_in_every_random_schedule() {
    run_all(SCHEDULES, Schedule::new);
}

#[test]
fn they_hold_with_conditions_and_append_streams_too() {
    let refused = run_all(SCHEDULES_WITH_STREAMS, Schedule::with_streams);
    assert!(refused > 100, "{refused} conditions did not hold");
}

/// Runs the schedules of the first seeds. Returns how many messages were refused since their
/// condition did not hold.
fn run_all(seeds: u64, schedule: impl Fn(u64) -> Schedule + Sync) -> u64 {
    let (next, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let lived = catch_unwind(AssertUnwindSafe(|| schedule(seed).run()));
                    let Ok(report) = lived else {
                        panic!(
                            "seed {seed} failed; replay with: \
                             cargo run --release -p acklog-sim -- --replay {seed} (with \
                             --streams, if the schedules have them)"
                        )
                    };
                    refused.fetch_add(report.refused_conditions, Ordering::Relaxed);
                }
            });
        }
    });
    refused.into_inner()
}

/// Seeds of schedules that once failed: the judge forgot what a connection had reported that was
/// replaced before its member was persisted; the simulated disk replaced a list of members that
/// waited by an older one.
const ONCE_FAILED: [u64; 2] = [3425, 128_475];

#[test]
fn schedules_that_once_failed_hold() {
    for seed in ONCE_FAILED {
        assert_ne!(Schedule::new(seed).run().trace, "", "seed {seed}");
    }
}

/// On a disk on which a read of a page takes longer than the time between two messages.
#[test]
fn a_secondary_becomes_ready_while_messages_never_stop() {
    for seed in 0..20 {
        let disk_delay_max = Duration::from_millis(20);
        let mut cluster = Cluster::new(ClusterOptions {
            seed,
            on_disk: true,
            disk_delay_max,
            ..Default::default()
        });
        for n in 0..400 {
            if n == 100 {
                cluster.start_secondary(&"bonnie".parse().unwrap());
            }
            cluster.append("one more", Some(WriteConcern::Nodes(1)), None).unwrap();
            cluster.run_for(Duration::from_millis(1));
        }
        let phase = cluster.secondaries().next().map(|(_, node)| node.phase());
        assert_eq!(phase, Some(SecondaryPhase::Ready), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    for seed in [3, 1415, 92653] {
        let report = Schedule::new(seed).run();
        assert!(report.trace.lines().count() > 50, "something happens");
        assert_eq!(report, Schedule::new(seed).run(), "seed {seed}");
        assert_ne!(report.trace, Schedule::new(seed + 1).run().trace, "seed {seed}");
    }
}

#[test]
fn schedules_reach_what_they_are_meant_to_reach() {
    let mut traces = String::new();
    let mut kinds = BTreeSet::new();
    let (mut messages, mut followed) = (0, 0);
    for report in (0..100).map(|seed| Schedule::new(seed).run()) {
        traces.push_str(&report.trace);
        (messages, followed) = (messages + report.messages, followed + report.followed);
        kinds.extend(report.events.into_keys());
    }
    let events = "aborted accepted acked answered canceled completed connecting delayed \
        disconnected disk doubled dropped duplicate durable epoch failed faults gap-closed \
        handshake health held joined late left left-early members mode quorum ready received \
        refused repair resent sent started stopping store-delayed stored timed-out under-way waits";
    let missing: Vec<_> = events.split(' ').filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no schedule has such events: {missing:?}");
    assert!(followed > messages, "readers got {followed} messages of {messages}");
    for sight in [
        "(lost)",
        "(twice)",
        "timed out",
        "committed",
        "crashes",
        "is cut off",
        "'s disk damages",
        "for its repair",
        "hangs",
        "Refused#",
        "OtherLog",
        "OtherRecord",
        "NameTaken",
        "ClusterFull",
        "the node connected again",
        "nothing was heard from the master",
        "has faults: paused",
        "a disconnect was asked for",
        "Failed#",
        "messages on its disk",
        "'s disk failed",
        "sent before, as",
        "waits again for",
        "(replayed)",
        "(slowly)",
        "reads its files for connection",
    ] {
        assert!(traces.contains(sight), "no schedule shows {sight:?}");
    }
}
