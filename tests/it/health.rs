//! Nodes that hang, vanish and come back.

use rustix::process::Signal;

use crate::proxy::Proxy;
use crate::support::*;

const QUICK: [&str; 4] = ["--heartbeat-interval", "100ms", "--request-timeout", "300ms"];

#[test]
fn a_stopped_secondary_is_suspected_then_unhealthy_and_back_when_it_goes_on() {
    let (master, _, nodes) = cluster(&QUICK, &["bonnie", "clyde"]);
    nodes[0].process.signal(Signal::STOP);
    let status = |wanted: &str| row(master.http, "bonnie")["status"] == wanted;
    wait_until("suspected", || status("suspected"));
    assert_eq!(append(master.http, "Msg1", "2").1, ["master", "clyde"]);
    wait_until("unhealthy", || status("unhealthy"));
    assert_eq!(append(master.http, "Msg2", "2").1, ["master", "clyde"]);
    let all = begin_append(master.http, "Msg3", "3");
    nodes[0].process.signal(Signal::CONT);
    assert_eq!(created(&all.answer()).0, 2);
    wait_until("healthy", || status("healthy"));
    wait_until("complete", || texts(nodes[0].http) == ["Msg1", "Msg2", "Msg3"]);
    for status in ["suspected", "unhealthy"] {
        master.process.log.wait_for(&format!("not heard from peer=bonnie status={status}"));
    }
    // On the same connection, or on a new one if it took its master's silence for an end.
    master.process.log.wait_for("peer=bonnie before=unhealthy");
}

#[test]
fn what_a_majority_holds_is_shown_on_every_node_within_a_heartbeat() {
    let (master, comm, mut nodes) = cluster(&["--cluster-size", "4"], &["bonnie", "clyde"]);
    append(master.http, "Msg1", "3");
    nodes[1].process.kill();
    assert_eq!(append(master.http, "Msg2", "2").1, ["master", "bonnie"]);
    let ends = |node: &Node| {
        let health = health(node.http);
        ["logStart", "logEnd", "committedEnd", "epoch"].map(|name| health[name].clone())
    };
    assert_eq!(ends(&master), [0, 2, 1, 1], "two of four nodes are no majority");
    // No message goes to it any more: the heartbeats bring what the others acked.
    let bonnie = &nodes[0];
    wait_until("bonnie knows it", || ends(bonnie) == [0, 2, 1, 1]);
    let clyde = secondary("clyde", comm, &[]);
    wait_until("three are", || ends(bonnie) == [0, 2, 2, 1] && ends(&clyde) == [0, 2, 2, 1]);
}

#[test]
fn a_secondary_that_died_and_one_in_its_place_are_told_as_changes_of_its_health() {
    let (master, comm, mut nodes) = cluster(&QUICK, &["bonnie"]);
    nodes[0].process.kill();
    let gone = |line: &str| {
        line.contains("secondary disconnected peer=bonnie") && line.contains("status=unhealthy")
    };
    master.process.log.find("its end", |line| gone(line).then_some(()));
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    master.process.log.wait_for("healthy again, over a new connection peer=bonnie");
}

#[test]
fn a_stalled_socket_holds_up_neither_the_master_nor_the_others_nor_fills_memory() {
    let (master, comm) = master(&QUICK);
    let proxy = Proxy::new(comm);
    let bonnie = secondary("bonnie", proxy.address, &[]);
    let clyde = secondary("clyde", comm, &[]);
    wait_ready(&bonnie);
    wait_ready(&clyde);
    proxy.stall();
    let large = "x".repeat(500_000);
    let before = master.process.rss_kib();
    for n in 0..100 {
        assert_eq!(append(master.http, &format!("{n} {large}"), "2").1, ["master", "clyde"]);
    }
    let grown = master.process.rss_kib() - before;
    assert!(grown < 2 * 50_000, "the log is 50 MB, the master grew by {grown} KiB");
    proxy.go_on();
    wait_until("bonnie to catch up", || {
        health(bonnie.http)["logEnd"] == 100 && row(master.http, "bonnie")["lag"] == 0
    });
}

/// Starts a master and a secondary that reaches it by a proxy, and waits until the secondary is
/// ready.
fn behind_a_proxy() -> (Node, Proxy, Node) {
    let (master, comm) = master(&QUICK);
    let proxy = Proxy::new(comm);
    let bonnie = secondary("bonnie", proxy.address, &[]);
    wait_ready(&bonnie);
    (master, proxy, bonnie)
}

#[test]
fn a_half_open_connection_is_dropped_and_dialed_again() {
    let (master, proxy, bonnie) = behind_a_proxy();
    proxy.swallow();
    bonnie.process.log.wait_for("nothing was heard from the master for too long");
    let waiting = begin_append(master.http, "Msg1", "2");
    proxy.go_on();
    assert_eq!(created(&waiting.answer()).1, ["master", "bonnie"]);
    wait_until("healthy", || row(master.http, "bonnie")["status"] == "healthy");
}

#[test]
fn a_cut_connection_is_dialed_again_without_losing_anything() {
    let (master, proxy, bonnie) = behind_a_proxy();
    for n in 0..10 {
        let waiting = begin_append(master.http, &format!("m{n}"), "2");
        proxy.cut();
        created(&waiting.answer());
    }
    wait_until("the same", || texts(bonnie.http).len() == 10);
    assert_eq!(texts(bonnie.http), texts(master.http));
}

#[test]
fn the_log_has_the_words_that_an_operator_looks_for() {
    let directory = tempfile::tempdir().unwrap();
    let on_disk = ["--data-dir", directory.path().to_str().unwrap()];
    let args = [&QUICK[..], &["--quorum", "2"], &on_disk].concat();
    let (mut master, comm) = master(&args);
    let mut bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    append(master.http, "Msg1", "2");
    master.process.log.wait_for("flushed the log to disk");
    bonnie.process.kill();
    master.process.log.wait_for("protocol::master: secondary disconnected peer=bonnie");
    master.process.log.wait_for("protocol::master: read-only: too few nodes are healthy");
    master.process.signal(Signal::TERM);
    assert_eq!(master.process.wait(), Some(0));
    master.process.log.wait_for("flushed: the whole log is on disk");
    drop(master);
    let (master, _) = self::master(&args);
    master.process.log.wait_for("recovered the log from disk");
}
