//! A master's comparison of a secondary's log with its own if only its files have the records.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use acklog_protocol::frame::{Frame, Handshake, Request, encode};
use acklog_types::{Checksum, InstanceId, LogEnd, LogId, Records, RequestId};
use rustix::process::Signal;

use crate::support::*;

/// Offsets in a frame behind its length: of its tag, and of the fields of its kind.
const TAG: usize = 6;
const FIELDS: usize = 26;

/// Tags of frames.
const WELCOME: u32 = 5;
const REFUSED: u32 = 6;
const PAGE: u32 = 7;

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A connection of a secondary that knows as much as this test.
struct Peer(TcpStream);

impl Peer {
    fn connect(comm: SocketAddr) -> Self {
        let stream = TcpStream::connect(comm).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Makes a request and returns the first frame with this tag, or a refusal.
    fn ask(&mut self, request: Request<Records>, tag: u32) -> Vec<u8> {
        let frame: Frame<Records> = Frame::Request(RequestId::new(0), request);
        self.0.write_all(&encode(&frame).head).unwrap();
        loop {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).unwrap();
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            self.0.read_exact(&mut frame).unwrap();
            if [tag, REFUSED].contains(&number(&frame, TAG)) {
                return frame;
            }
        }
    }

    fn introduce(&mut self, log: Option<LogId>, end: u64, checksum: Option<u32>) -> Vec<u8> {
        let handshake = Handshake {
            log,
            end: LogEnd::new(end),
            checksum: checksum.map(Checksum::new),
            ..Handshake::new("foreign".parse().unwrap(), InstanceId::new(1))
        };
        self.ask(Request::from(handshake), WELCOME)
    }
}

/// Returns the identity of the master's log, and the checksum of one of its records.
fn look_up(comm: SocketAddr, id: u64) -> (LogId, u32) {
    let mut peer = Peer::connect(comm);
    let welcome = peer.introduce(None, 0, None);
    // Behind the name.
    let at = FIELDS + 8 + number(&welcome, FIELDS) as usize;
    let log = u128::from_le_bytes(welcome[at..at + 16].try_into().unwrap());
    let page = peer.ask(Request::GetMessages { from: LogEnd::new(id), again: true }, PAGE);
    // Behind the head, which its length tells, and the length of the record.
    let records = TAG + usize::from(u16::from_le_bytes([page[0], page[1]]));
    (LogId::new(log), number(&page, records + 4))
}

fn stop(mut node: Node) {
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait(), Some(0));
}

#[test]
fn a_secondary_is_let_in_with_the_same_records_and_refused_with_others() {
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [data, hers] = directories.each_ref().map(|directory| directory.path().to_str().unwrap());
    let flags = ["--data-dir", data, "--segment-bytes", "4096", "--cluster-size", "3"];
    let hers = ["--data-dir", hers, "--segment-bytes", "4096"];
    let (first, comm) = master(&flags);
    let bonnie = secondary("bonnie", comm, &hers);
    wait_ready(&bonnie);
    let text = |n: u64| format!("message {n} {}", "x".repeat(200));
    (0..60).for_each(|n| assert_eq!(append(first.http, &text(n), "2").0, n));
    stop(bonnie);
    (60..90).for_each(|n| assert_eq!(append(first.http, &text(n), "1").0, n));
    stop(first);
    // The messages from before the start are in files only.
    let (second, comm) = master(&flags);
    let bonnie = secondary("bonnie", comm, &hers);
    wait_ready(&bonnie);
    assert_eq!(texts(bonnie.http), texts(second.http));
    // As earlier releases do, a foreign one reports the checksum of its last record.
    let (log, last) = look_up(comm, 59);
    let welcome = Peer::connect(comm).introduce(Some(log), 60, Some(last));
    assert_eq!(number(&welcome, TAG), WELCOME);
    let refused = Peer::connect(comm).introduce(Some(log), 60, Some(last ^ 1));
    assert_eq!((number(&refused, TAG), number(&refused, FIELDS)), (REFUSED, 5));
}
