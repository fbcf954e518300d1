//! Slow lines between a secondary and its master.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use acklog_protocol::frame::{Frame, NodeFacts, Positions, Response, Welcome, encode};
use acklog_types::{Epoch, LogEnd, LogId, Records, RequestId};

use crate::proxy::Proxy;
use crate::support::*;

/// Bytes per second of the slow line.
const RATE: u32 = 25_000;

/// Flags with times below that of a long message on the slow line. So are the five intervals after
/// which a connection without a byte is closed, which also happens if the process gets no processor
/// for so long.
const IMPATIENT: [&str; 4] = ["--request-timeout", "500ms", "--heartbeat-interval", "500ms"];

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
        // Without a quorum it would be refused.
        append(master.http, "beside it", "1");
        created(&long.answer());
    }
    let carried = proxy.forwarded() - before;
    let log = [&master, &bonnie].map(|node| node.process.log.all().join("\n")).join("\n\n");
    assert!(carried < 240_000, "{carried} bytes for 200,000:\n{log}");
    assert_eq!(row(master.http, "bonnie")["retries"], 0);
    assert!(!log.contains("not heard from"), "{log}");
}

#[test]
fn a_secondary_catches_up_over_a_line_on_which_a_page_takes_longer_than_its_time_limit() {
    let (master, comm) = master(&IMPATIENT);
    let proxy = Proxy::slow(comm, RATE);
    for _ in 0..3 {
        append(master.http, &"x".repeat(60_000), "1");
    }
    let bonnie = secondary("bonnie", proxy.address, &["--request-timeout", "500ms"]);
    wait_ready(&bonnie);
    let carried = proxy.forwarded();
    assert!(carried < 216_000, "{carried} bytes for 180,000");
}

fn skip_frame(stream: &mut TcpStream) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
}

#[test]
fn a_secondary_whose_first_page_never_comes_names_the_mtu() {
    // A master whose short frames arrive, on a path that ends with each long one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bonnie = secondary("bonnie", listener.local_addr().unwrap(), &[]);
    let welcome = Welcome {
        master: "master".parse().unwrap(),
        log: LogId::new(1),
        epoch: Epoch::FIRST,
        log_end: LogEnd::new(9),
        heartbeat_interval: Duration::from_secs(1),
        node: NodeFacts::default(),
        positions: Positions::default(),
    };
    let frame: Frame<Records> = Frame::Response(RequestId::new(0), Response::from(welcome));
    for _ in 0..3 {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The handshake, and then its first request after it is admitted.
        skip_frame(&mut stream);
        stream.write_all(&encode(&frame).head).unwrap();
        skip_frame(&mut stream);
    }
    bonnie.process.log.wait_for("Look at its MTU");
}
