//! Nodes of this release with nodes of the one before, which speaks version 3 of the protocol. What
//! those send is written down here as bytes, and not made by this release's encoder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::*;

/// The handshake of a secondary of version 3 with an empty log, as request 0: its tag, the request,
/// the version, the name `bonnie`, an instance, no log, the end 0, no checksum.
const HANDSHAKE: &str = "00000036 00000000 0000000000000000 0300 0600000000000000 626f6e6e6965 \
    100f0e0d0c0b0a090807060504030201 00 0000000000000000 00";

/// `GetMessages` as request 1, from 0, not again.
const GET_MESSAGES: &str = "00000015 01000000 0100000000000000 0000000000000000 00";

/// `SecondaryNodeReady` as request 2, with the end 2.
const READY: &str = "00000014 02000000 0200000000000000 0200000000000000";

/// `Added` and `Alive` up to the number of the request that they answer, and what stands behind it.
const ADDED: (&str, &str) = ("00000014 09000000", "0300000000000000");
const ALIVE: (&str, &str) = ("0000000c 0a000000", "");

/// A refusal of version 3 of the protocol: code 0, and what an earlier master says.
const REFUSED: &str = "00000068 06000000 0000000000000000 00000000 5000000000000000";
const REFUSED_DETAIL: &str =
    "this master speaks version 3 of the protocol, not 4; run the same release on all";

/// A `Welcome` of version 3: master `master`, a log, the end 0, an interval of 1000 ms.
const WELCOME: &str = "0000003a 05000000 0000000000000000 0600000000000000 6d6173746572 \
    afaeadacabaaa9a8a7a6a5a4a3a2a1a0 0000000000000000 e803000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| 16 * digit(pair[0]) + digit(pair[1])).collect()
}

fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

/// A secondary of version 3, as far as this test needs one.
struct OldSecondary(TcpStream);

impl OldSecondary {
    fn join(comm: SocketAddr) -> Self {
        let stream = TcpStream::connect(comm).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut secondary = Self(stream);
        secondary.send(&bytes(HANDSHAKE));
        secondary
    }

    fn send(&mut self, frame: &[u8]) {
        self.0.write_all(frame).unwrap();
    }

    /// Answers a request of the master.
    fn answer(&mut self, (before, behind): (&str, &str), request: &[u8]) {
        self.send(&[&bytes(before), request, &bytes(behind)].concat());
    }

    /// Returns the next frame that is no heartbeat: those are answered.
    fn next(&mut self) -> Vec<u8> {
        loop {
            let frame = read_frame(&mut self.0);
            if frame[..4] != [4, 0, 0, 0] {
                return frame;
            }
            assert_eq!(frame.len(), 20, "a heartbeat of version 3: {frame:?}");
            self.answer(ALIVE, &frame[4..12]);
        }
    }
}

#[test]
fn a_secondary_of_version_3_joins_catches_up_and_acks() {
    let (master, comm) = master(&[]);
    (0..2).for_each(|n| assert_eq!(append(master.http, &format!("Msg{n}"), "1").0, n));
    let mut bonnie = OldSecondary::join(comm);

    let welcome = bonnie.next();
    let (head, behind) = (bytes("05000000 0000000000000000 0600000000000000"), &welcome[42..]);
    assert_eq!(welcome[..20], head, "{welcome:?}");
    assert_eq!(&welcome[20..26], b"master");
    assert_eq!(behind, bytes("0200000000000000 e803000000000000"), "log end and interval");

    bonnie.send(&bytes(GET_MESSAGES));
    let page = bonnie.next();
    let head = "07000000 0100000000000000 0000000000000000 02000000 0200000000000000";
    assert_eq!(page[..32], bytes(head), "{page:?}");
    assert_eq!(page.len(), 32 + 2 * (25 + 4));
    assert!(page.ends_with(b"Msg1"));

    bonnie.send(&bytes(READY));
    assert_eq!(bonnie.next(), bytes("08000000 0200000000000000"), "ready");
    wait_until("it counts", || health(master.http)["clusterSize"] == 2);

    let waiting = begin_append(master.http, "Msg2", "2");
    let run = bonnie.next();
    assert_eq!(run[..4], [3, 0, 0, 0], "{run:?}");
    assert_eq!(run[12..24], bytes("0200000000000000 01000000"), "{run:?}");
    assert!(run.len() == 24 + 25 + 4 && run.ends_with(b"Msg2"), "{run:?}");
    bonnie.answer(ADDED, &run[4..12]);
    assert_eq!(created(&waiting.answer()), (2, vec!["master".to_owned(), "bonnie".to_owned()]));
    let row = row(master.http, "bonnie");
    assert_eq!((&row["phase"], &row["ackedEnd"]), (&"ready".into(), &3.into()), "{row}");
    assert_eq!(health(master.http)["committedEnd"], 3);
}

#[test]
fn a_frame_of_version_4_ends_a_connection_of_version_3() {
    let (master, comm) = master(&[]);
    let mut bonnie = OldSecondary::join(comm);
    bonnie.next();
    // The length of a head, where version 3 has a tag.
    bonnie.send(&bytes("00000022 1c00 00000000"));
    bonnie.0.read_to_end(&mut Vec::new()).expect("the master closes");
    master
        .process
        .log
        .wait_for("a frame of version 4 of the protocol on a connection of version 3");
}

/// Starts a secondary whose master answers its first handshake with these bytes.
fn secondary_of(answer: Vec<u8>) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bonnie = secondary("bonnie", listener.local_addr().unwrap(), &[]);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let handshake = read_frame(&mut stream);
    assert_eq!(handshake[..14], bytes("00000000 0000000000000000 0400"), "{handshake:?}");
    stream.write_all(&answer).unwrap();
    // Until it closes.
    let _ = stream.read_to_end(&mut Vec::new());
    bonnie
}

#[test]
fn a_secondary_at_a_master_of_version_3_says_that_the_master_must_be_upgraded_first() {
    assert_eq!(REFUSED_DETAIL.len(), 0x50);
    let refused = secondary_of([&bytes(REFUSED), REFUSED_DETAIL.as_bytes()].concat());
    let said = "upgrade the master first";
    refused.process.log.wait_for(said);
    let error = || health(refused.http)["master"]["lastError"].as_str().map(str::to_owned);
    let shown = refused.process.log.all().join("\n");
    assert!(shown.contains("this master speaks version 3"), "{shown}");
    wait_until("/health says so", || error().is_some_and(|error| !error.is_empty()));
    let welcomed = secondary_of(bytes(WELCOME));
    welcomed.process.log.wait_for(said);
}
