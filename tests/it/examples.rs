//! The examples that users copy, against real nodes.

use std::path::Path;
use std::process::Command;

use crate::support::*;

/// Runs an example with a node's URL and returns what it printed.
fn printed(name: &str, url: &str, args: &[&str]) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_acklog")).parent().unwrap();
    let program = programs.join("examples").join(name);
    let output =
        Command::new(program).args(args).env_clear().env("ACKLOG_URL", url).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn append_appends_and_shows_the_end_of_the_log_whichever_node_comes_first() {
    let (master, _, nodes) = cluster(&["--cluster-size", "2"], &["bonnie"]);
    let urls = format!("http://{},http://{}", nodes[0].http, master.http);
    let found = printed("append", &urls, &["two words"]);
    assert_eq!(found, "id 0, acked by master, bonnie\n0\ttwo words\n");
    assert!(printed("append", &urls, &[]).starts_with("id 1, acked by master, bonnie\n"));
    assert_eq!(texts(nodes[0].http), ["two words", "hello"]);
}

#[test]
fn the_embedded_protocol_answers_once_both_nodes_have_the_message() {
    let found = printed("embed_protocol", "", &[]);
    assert!(found.ends_with("id 0, acked by master, bonnie\n"), "{found}");
}

#[test]
fn a_message_that_is_sent_again_under_its_key_is_stored_once() {
    let (master, _) = master(&["--cluster-size", "1"]);
    let url = format!("http://{}", master.http);
    for _ in 0..2 {
        let found = printed("idempotent_retry", &url, &["k"]);
        assert_eq!(found, "first attempt: id 0\nsecond attempt: id 0\n");
    }
    assert_eq!(texts(master.http), ["order 17 is paid"]);
}

#[test]
fn what_is_appended_as_a_stream_is_followed_from_a_cursor_on() {
    let (master, _, nodes) = cluster(&["--cluster-size", "2"], &["bonnie"]);
    let urls = format!("http://{},http://{}", nodes[0].http, master.http);
    assert_eq!(printed("append_stream", &urls, &["3000"]), "3000 messages, ids 0 to 2999\n");
    let found = printed("follow", &urls, &["2"]);
    let (lines, cursor) = found.split_once("cursor ").unwrap();
    assert_eq!(lines, "0\tmessage 0\n1\tmessage 1\n");
    let found = printed("follow", &urls, &["2998", cursor.trim()]);
    assert!(found.starts_with("2\tmessage 2\n") && found.contains("\n2999\t"), "{found}");
    assert_eq!(found.lines().count(), 2999);
}
