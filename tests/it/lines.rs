//! Slow lines between a secondary and its master.

use crate::proxy::Proxy;
use crate::support::*;

/// Bytes a second of the slow line.
const RATE: u32 = 100_000;

/// Times far below what a long message takes over the slow line.
const IMPATIENT: [&str; 4] = ["--request-timeout", "200ms", "--heartbeat-interval", "100ms"];

#[test]
fn a_message_on_a_slow_line_is_sent_once_and_its_secondary_stays_healthy() {
    let (master, comm) =
        master(&[&IMPATIENT[..], &["--quorum", "2", "--cluster-size", "2"]].concat());
    let proxy = Proxy::slow(comm, RATE);
    let bonnie = secondary("bonnie", proxy.address, &[]);
    wait_ready(&bonnie);
    let before = proxy.forwarded();
    for _ in 0..2 {
        let long = begin_append(master.http, &"x".repeat(100_000), "2");
        // With a quorum lost these would be refused.
        append(master.http, "beside it", "1");
        created(&long.answer());
    }
    let carried = proxy.forwarded() - before;
    assert!(carried < 240_000, "{carried} bytes for 200,000");
    assert_eq!(row(master.http, "bonnie")["retries"], 0);
    let log = master.process.log.all();
    assert!(!log.iter().any(|line| line.contains("not heard from")), "{}", log.join("\n"));
}

#[test]
fn a_secondary_catches_up_over_a_line_on_which_a_page_takes_longer_than_its_time_limit() {
    let (master, comm) = master(&IMPATIENT);
    let proxy = Proxy::slow(comm, RATE);
    for _ in 0..3 {
        append(master.http, &"x".repeat(100_000), "1");
    }
    let bonnie = secondary("bonnie", proxy.address, &["--request-timeout", "200ms"]);
    wait_ready(&bonnie);
    let carried = proxy.forwarded();
    assert!(carried < 360_000, "{carried} bytes for 300,000");
}
