//! Write concern, catch-up, and the exercise's own checks.

use std::time::{Duration, Instant};

use crate::support::*;

const SEED_DELAYS: [&str; 4] = ["--send-delay", "1000ms..2000ms", "--request-timeout", "1500ms"];

fn self_check(args: &[&str]) {
    let (master, comm) = master(args);
    let bonnie = secondary("bonnie", comm, args);
    wait_ready(&bonnie);
    assert_eq!(append(master.http, "Msg1", "1"), (0, vec!["master".to_owned()]));
    let (id, acked) = append(master.http, "Msg2", "2");
    assert_eq!((id, acked), (1, vec!["master".to_owned(), "bonnie".to_owned()]));
    let msg3 = begin_append(master.http, "Msg3", "3");
    wait_until("Msg3 to wait", || health(master.http)["waitingSenders"] == 1);
    let begun = Instant::now();
    assert_eq!(append(master.http, "Msg4", "1").0, 3);
    assert!(begun.elapsed() < Duration::from_millis(900), "Msg4 did not wait for Msg3");
    assert_eq!(health(master.http)["waitingSenders"], 1, "Msg3 still waits");
    let clyde = secondary("clyde", comm, args);
    let (id, acked) = created(&msg3.answer());
    assert_eq!((id, acked.len()), (2, 3));
    wait_until("clyde to have all", || texts(clyde.http) == ["Msg1", "Msg2", "Msg3", "Msg4"]);
    assert_eq!(texts(master.http), texts(clyde.http));
}

#[test]
fn the_self_check_holds_without_delays() {
    self_check(&[]);
}

#[test]
fn the_self_check_holds_with_delays_beyond_the_time_limit() {
    self_check(&SEED_DELAYS);
}

#[test]
fn with_delays_no_node_ever_shows_a_gap_a_duplicate_or_another_order() {
    let (master, comm) = master(&SEED_DELAYS);
    let bonnie = secondary("bonnie", comm, &SEED_DELAYS);
    wait_ready(&bonnie);
    let sent: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
    for text in &sent {
        append(master.http, text, "1");
        let shown = texts(bonnie.http);
        assert_eq!(shown[..], sent[..shown.len()]);
    }
    wait_until("bonnie to have all", || {
        let shown = texts(bonnie.http);
        assert_eq!(shown[..], sent[..shown.len()]);
        shown.len() == sent.len()
    });
    master.process.log.wait_for("AddMessage timed out");
    // If a page that was requested again brought all of them, a delayed one is not sent any more.
    // Then one of the next responses comes late.
    let late = "late answer: the request is no longer pending";
    wait_until("a late answer", || {
        append(master.http, "one more", "1");
        master.process.log.all().iter().any(|line| line.contains(late))
    });
}

#[test]
fn all_blocks_for_as_long_as_a_slow_secondary_takes_to_store() {
    let (master, comm) = master(&[]);
    let _fast = secondary("bonnie", comm, &[]);
    let slow = secondary("clyde", comm, &["--store-delay", "2s..2s"]);
    wait_ready(&slow);
    wait_until("both to be known", || health(master.http)["clusterSize"] == 3);
    let begun = Instant::now();
    append(master.http, "Msg1", "\"all\"");
    let took = begun.elapsed();
    assert!((2000..4000).contains(&took.as_millis()), "took {took:?}");
}

#[test]
fn with_write_concern_1_a_slow_secondary_shows_the_message_later() {
    let (master, comm) = master(&[]);
    let slow = secondary("bonnie", comm, &["--store-delay", "1s"]);
    wait_ready(&slow);
    append(master.http, "Msg1", "1");
    assert_eq!(texts(master.http), ["Msg1"]);
    assert!(texts(slow.http).is_empty(), "not yet");
    wait_until("eventually the same", || texts(slow.http) == ["Msg1"]);
}

#[test]
fn a_killed_secondary_comes_back_with_everything() {
    let (master, comm, mut nodes) = cluster(&[], &["bonnie"]);
    append(master.http, "Msg1", "2");
    nodes[0].process.kill();
    wait_until("its end to be noticed", || row(master.http, "bonnie")["status"] == "unhealthy");
    let many = "x".repeat(50_000);
    for n in 0..30 {
        append(master.http, &format!("while away {n} {many}"), "1");
    }
    let waiting = begin_append(master.http, "last", "2");
    let bonnie = secondary("bonnie", comm, &[]);
    assert_eq!(created(&waiting.answer()).1, ["master", "bonnie"]);
    wait_until("all the same", || texts(bonnie.http) == texts(master.http));
    assert_eq!(texts(bonnie.http).len(), 32);
}

#[test]
fn many_waiting_senders_are_all_answered_and_delay_nobody() {
    let (master, comm, _nodes) = cluster(&[], &["bonnie"]);
    let waiting: Vec<_> =
        (0..1000).map(|n| begin_append(master.http, &format!("waits {n}"), "3")).collect();
    wait_until("all to wait", || health(master.http)["waitingSenders"] == 1000);
    let begun = Instant::now();
    for n in 0..20 {
        append(master.http, &format!("w1 {n}"), "1");
        append(master.http, &format!("w2 {n}"), "2");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let clyde = secondary("clyde", comm, &[]);
    for pending in waiting {
        assert_eq!(created(&pending.answer()).1, ["master", "bonnie", "clyde"]);
    }
    wait_until("all the same", || texts(clyde.http) == texts(master.http));
    assert_eq!(health(master.http)["waitingSenders"], 0);
}
