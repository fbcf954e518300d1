//! Broken and malicious peers: they are logged with a reason, and disturb nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use acklog_protocol::frame::{Frame, Handshake, Positions, Request, encode};
use acklog_types::{InstanceId, LogEnd, Records, RequestId};

use crate::support::*;

fn handshake(name: &str) -> Vec<u8> {
    let handshake = Handshake::new(name.parse().unwrap(), InstanceId::new(1));
    let frame: Frame<Records> = Frame::Request(RequestId::new(0), Request::from(handshake));
    encode(&frame).head.to_vec()
}

fn send(comm: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(comm).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Reads until the master closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn broken_peers_are_told_apart_and_disturb_nobody() {
    let (master, comm, _nodes) = cluster(&[], &["bonnie"]);
    let log = &master.process.log;
    let before = master.process.rss_kib();
    let _idle: Vec<_> = (0..200).map(|_| TcpStream::connect(comm).unwrap()).collect();

    let answer = rest(send(comm, b"GET / HTTP/1.1\r\n\r\n"));
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    log.wait_for("an HTTP request came: this is the port for secondaries");
    rest(send(comm, &[0xff; 4]));
    log.wait_for("a frame of 4294967295 bytes was announced");
    rest(send(comm, &[0, 0, 0, 4, 99, 0, 0, 0]));
    log.wait_for("undecodable frame");
    drop(send(comm, &handshake("mallory")[..20]));
    log.wait_for("the connection ended inside a frame, after 20 bytes");
    // A heartbeat is no handshake.
    let heartbeat =
        Request::<Records>::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() };
    rest(send(comm, &encode(&Frame::Request(RequestId::new(0), heartbeat)).head));
    log.wait_for("the first frame of a connection must be a handshake");
    // A handshake of another version gets a response before the connection is closed.
    let mut other = handshake("mallory");
    other[16] = 77;
    let answer = rest(send(comm, &other));
    assert_eq!(answer.get(10..14), Some(&[6, 0, 0, 0][..]), "Refused, not {answer:?}");

    assert_eq!(append(master.http, "undisturbed", "2").1, ["master", "bonnie"]);
    let grown = master.process.rss_kib().saturating_sub(before);
    assert!(grown < 20_000, "grew by {grown} KiB");
    assert_eq!(health(master.http)["clusterSize"], 2, "nobody of them registered");
}

#[test]
fn a_member_that_lies_about_its_position_is_dropped() {
    let (master, comm, _nodes) = cluster(&[], &["bonnie"]);
    let mut liar = send(comm, &handshake("liar"));
    // It is admitted: any frame before that would cost it the connection already.
    liar.set_read_timeout(Some(PATIENCE)).unwrap();
    liar.read_exact(&mut [0; 8]).unwrap();
    let ready = Request::<Records>::SecondaryNodeReady { end: LogEnd::new(5) };
    liar.write_all(&encode(&Frame::Request(RequestId::new(1), ready)).head).unwrap();
    rest(liar);
    master.process.log.wait_for("claims to have everything before 5, the log ends at 0");
    append(master.http, "undisturbed", "2");
}

#[test]
fn one_that_joins_and_never_gets_ready_disturbs_nobody_and_its_name_does_not_count() {
    let (master, comm, _nodes) = cluster(&[], &["bonnie"]);
    let mut hasty = handshake("hasty");
    let page = Request::<Records>::GetMessages { from: LogEnd::ZERO, again: false };
    hasty.extend_from_slice(&encode(&Frame::Request(RequestId::new(1), page)).head);
    let hasty = send(comm, &hasty);
    master.process.log.wait_for("asked for messages; sending a page peer=hasty");
    assert_eq!(health(master.http)["clusterSize"], 2);
    assert_eq!(append(master.http, "undisturbed", "\"all\"").1, ["master", "bonnie"]);
    drop(hasty);
    master.process.log.wait_for("secondary disconnected peer=hasty");
    assert_eq!(row(master.http, "hasty"), serde_json::Value::Null);
    assert_eq!(request(master.http, "DELETE", "/secondaries/hasty", "").status, 404);
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_taken() {
    let (master, comm, _nodes) = cluster(&[], &["bonnie"]);
    let mut slow = TcpStream::connect(comm).unwrap();
    slow.set_nodelay(true).unwrap();
    for byte in handshake("slow") {
        slow.write_all(&[byte]).unwrap();
        append(master.http, "meanwhile", "2");
    }
    master.process.log.wait_for("a secondary joins peer=slow");
}

#[test]
fn a_secondary_that_dials_the_http_port_says_so() {
    let (master, _) = master(&[]);
    let bonnie = secondary("bonnie", master.http, &[]);
    let port = master.http.port();
    bonnie
        .process
        .log
        .wait_for(&format!("an HTTP server answers there: is {port} the master's HTTP"));
}

#[test]
fn strangers_do_not_fill_the_log_with_garbage_nor_with_names_that_they_invent() {
    let (master, comm) = master(&["--secondaries", "bonnie"]);
    for n in 0..30 {
        let answer = rest(send(comm, &handshake(&format!("x{n}"))));
        assert_eq!(answer.get(10..14), Some(&[6, 0, 0, 0][..]), "Refused, not {answer:?}");
        rest(send(comm, &[0xff; 4]));
    }
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    master.process.log.wait_for("a secondary joins peer=bonnie");
    let lines = master.process.log.all();
    let about = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!([about("refused a secondary"), about("ended without a handshake")], [5, 5]);
    // The health has the last ones.
    assert_eq!(health(master.http)["refused"].as_array().unwrap().len(), 16);
}
