//! Nodes of this release with nodes of a later one whose log is in a later epoch: they are refused,
//! or refuse, in words, and nothing looks damaged.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use acklog_protocol::frame::{
    ConnectionTerms, Frame, Handshake, NodeFacts, Positions, Request, Response, Welcome, decode,
    encode, encode_as,
};
use acklog_types::{Epoch, InstanceId, LogEnd, LogId, Records, RequestId};
use bytes::Bytes;

use crate::support::*;

const LATER: Epoch = Epoch::new(2);

fn read_frame(stream: &mut TcpStream) -> Frame<Records> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    decode(Bytes::from(frame)).unwrap()
}

#[test]
fn a_secondary_at_a_master_in_a_later_epoch_says_to_upgrade_itself_and_dials_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let comm = listener.local_addr().unwrap();
    let bonnie = secondary("bonnie", comm, &["--reconnect-delay", "100ms"]);
    let welcome = Welcome {
        master: "master".parse().unwrap(),
        log: LogId::new(1),
        epoch: LATER,
        log_end: LogEnd::new(9),
        heartbeat_interval: Duration::from_secs(1),
        node: NodeFacts::default(),
        positions: Positions::default(),
    };
    let terms = ConnectionTerms { epoch: LATER, ..ConnectionTerms::default() };
    let (log_end, positions) = (LogEnd::new(9), Positions::default());
    let heartbeat = Request::Heartbeat { log_end, positions };
    let frames: [Frame<Records>; 2] = [
        Frame::Response(RequestId::new(0), Response::from(welcome)),
        Frame::Request(RequestId::new(1), heartbeat),
    ];
    for _ in 0..3 {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let Frame::Request(_, Request::Handshake(handshake)) = read_frame(&mut stream) else {
            panic!("a handshake comes first")
        };
        assert_eq!((handshake.epoch, handshake.end), (Epoch::FIRST, LogEnd::ZERO));
        let bytes = frames.each_ref().map(|frame| encode_as(frame, terms).head);
        stream.write_all(&bytes.concat()).unwrap();
        // It closes, and asks for nothing. What it does not read any more may break the connection.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
    let says = "the master is in epoch 2, and this release follows epoch 1 only; upgrade this node";
    bonnie.process.log.wait_for(says);
    wait_until("/health says so", || {
        let health = health(bonnie.http);
        let error = health["master"]["lastError"].as_str().unwrap_or_default();
        health["phase"] == "refused" && error.starts_with(says)
    });
    let log = bonnie.process.log.all().join("\n");
    assert!(!log.contains("undecodable"), "{log}");
    assert_eq!(health(bonnie.http)["logEnd"], 0);
}

#[test]
fn a_master_refuses_a_secondary_of_a_later_epoch_in_words_and_lets_it_in_after_its_upgrade() {
    let (master, comm) = master(&[]);
    let of_epoch = |epoch| {
        let mut stream = TcpStream::connect(comm).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let new = Handshake::new("dora".parse().unwrap(), InstanceId::new(1));
        let handshake = Request::from(Handshake { epoch, ..new });
        let frame: Frame<Records> = Frame::Request(RequestId::new(0), handshake);
        stream.write_all(&encode(&frame).head).unwrap();
        (read_frame(&mut stream), stream)
    };
    let (refused, mut stream) = of_epoch(LATER);
    let Frame::Response(_, Response::Refused { code, detail }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code.as_str(), "epoch");
    assert!(detail.contains("epoch 2") && detail.contains("upgrade the master"), "{detail}");
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "and closes");
    master.process.log.wait_for("refused a secondary");
    let row = &health(master.http)["refused"][0];
    assert_eq!((&row["name"], &row["code"]), (&"dora".into(), &"epoch".into()), "{row}");
    let (welcome, _stream) = of_epoch(Epoch::FIRST);
    assert!(matches!(welcome, Frame::Response(_, Response::Welcome(_))), "{welcome:?}");
}
