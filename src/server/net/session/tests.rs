//! The causes that end a stalled session, over real sockets.

use acklog_protocol::frame::{
    FRAME_BYTES_MAX, HEAD_FRAME_BYTES_MAX, NodeFacts, Positions, Welcome, encode,
};
use acklog_types::{Epoch, LogEnd, LogId, RequestId};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::events::EVENTS_WAITING_MAX;
use super::*;

/// Longest wait; a good run needs a small part of it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Pair {
    handle: SessionHandle,
    events: mpsc::Receiver<QueuedEvent>,
    peer: TcpStream,
}

/// Opens a session, and returns it with the bare connection of its peer.
async fn pair() -> Pair {
    pair_with_room(16).await
}

/// Returns the two ends of a connection.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, peer)
}

/// Opens a session whose core task has room for so many events, and returns it with the bare
/// connection of its peer.
async fn pair_with_room(events: usize) -> Pair {
    let (stream, peer) = connected().await;
    open(stream, peer, events)
}

fn open(stream: TcpStream, peer: TcpStream, events: usize) -> Pair {
    let (events, queue) = mpsc::channel(events);
    let network = SessionFactory::new(TaskTracker::new());
    let handle = network.open(SessionId::new(1), stream, events).unwrap();
    Pair { handle, events: queue, peer }
}

/// Opens a session, and returns it with its socket, which stays open with it.
#[cfg(target_os = "linux")]
async fn watched_pair() -> (Pair, socket2::Socket) {
    let (stream, peer) = connected().await;
    let socket = SockRef::from(&stream).try_clone().unwrap();
    (open(stream, peer, 16), socket)
}

impl Pair {
    /// Returns how the session ends.
    async fn end(&mut self) -> SessionEnd {
        let ends = async {
            loop {
                if let SessionEvent::Down(end) = self.events.recv().await.unwrap().event {
                    return end;
                }
            }
        };
        timeout(PATIENCE, ends).await.expect("the session ends")
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_kernels_patience_follows_the_heartbeat_interval_at_both_ends() {
    let interval = Duration::from_secs(60);
    let follows = async |socket: &socket2::Socket| {
        let set = async {
            while socket.tcp_user_timeout().unwrap() != Some(4 * 5 * interval) {
                yield_now().await;
            }
        };
        timeout(PATIENCE, set).await.expect("five intervals");
    };
    let (master, socket) = watched_pair().await;
    let before = socket.tcp_user_timeout().unwrap();
    assert_eq!(before, Some(Duration::from_secs(4 * 5)));
    assert!(socket.keepalive().unwrap(), "a connection that idles is asked for");
    master.handle.admit(interval);
    assert!(master.handle.outbox().reserve(None).send(welcome(interval)));
    follows(&socket).await;
    let (mut secondary, socket) = watched_pair().await;
    secondary.peer.write_all(&welcome(interval).head).await.unwrap();
    follows(&socket).await;
}

fn welcome(heartbeat_interval: Duration) -> EncodedFrame {
    let (master, log, log_end) = ("master".parse().unwrap(), LogId::new(1), LogEnd::ZERO);
    let (node, positions) = (NodeFacts::default(), Positions::default());
    let epoch = Epoch::FIRST;
    let welcome = Welcome { master, log, epoch, log_end, heartbeat_interval, node, positions };
    encode(&Frame::Response(RequestId::new(0), Response::from(welcome)))
}

/// Returns a connection whose far end has a small receive buffer.
#[cfg(target_os = "linux")]
async fn connected_to_a_small_window() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let peer = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, peer)
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn who_takes_a_frame_in_pieces_keeps_the_connection_and_who_takes_nothing_does_not() {
    const BYTES: usize = 40_000;
    let (stream, peer) = connected_to_a_small_window().await;
    let mut pair = open(stream, peer, 16);
    // Two seconds of patience.
    pair.peer.write_all(&welcome(Duration::from_millis(400)).head).await.unwrap();
    let send = |pair: &Pair| {
        let frame = EncodedFrame { head: vec![0; BYTES].into(), records: Bytes::new() };
        assert!(pair.handle.outbox().reserve(None).send(frame));
    };
    send(&pair);
    let mut left = BYTES;
    while left > 0 {
        let taken = pair.peer.read(&mut [0; 1000]).await.unwrap();
        assert!(taken > 0, "the connection has ended");
        left -= taken;
        // A slow reader, like a peer that passes the bytes on over a slow line.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    send(&pair);
    let SessionEnd::Lost(reason) = pair.end().await else { panic!("it ends otherwise") };
    assert!(reason.contains("not acknowledged"), "{reason}");
}

/// A frame that is announced with 32 KiB, and a part of it.
const DAMAGED: [u8; 6] = [0, 0, 0x80, 0, 1, 2];

#[tokio::test]
async fn a_frame_whose_length_was_damaged_ends_the_connection_of_a_secondary() {
    let mut pair = pair().await;
    pair.peer.write_all(&welcome(Duration::from_millis(10)).head).await.unwrap();
    pair.peer.write_all(&DAMAGED).await.unwrap();
    assert!(matches!(pair.end().await, SessionEnd::Garbage(reason) if reason.contains("damaged")));
}

#[tokio::test]
async fn a_frame_whose_length_was_damaged_ends_the_connection_of_a_master() {
    let mut pair = pair().await;
    pair.handle.admit(Duration::from_millis(10));
    pair.peer.write_all(&DAMAGED).await.unwrap();
    assert!(matches!(pair.end().await, SessionEnd::Garbage(reason) if reason.contains("damaged")));
}

/// The announcement of a frame that is one byte longer than a secondary's are.
fn long_for_a_secondary() -> [u8; 4] {
    (HEAD_FRAME_BYTES_MAX as u32 + 1).to_be_bytes()
}

#[tokio::test]
async fn a_master_takes_no_long_frames_unless_it_expects_messages() {
    let mut waits = pair().await;
    waits.handle.admit(Duration::from_secs(60));
    waits.handle.accept(AdmittedFrames::WithMessages);
    waits.peer.write_all(&long_for_a_secondary()).await.unwrap();
    waits.peer.shutdown().await.unwrap();
    assert!(matches!(waits.end().await, SessionEnd::Lost(reason) if reason.contains("inside")));
    for expected_once in [false, true] {
        let mut refuses = pair().await;
        refuses.handle.admit(Duration::from_secs(60));
        if expected_once {
            refuses.handle.accept(AdmittedFrames::WithMessages);
            refuses.handle.accept(AdmittedFrames::WithoutMessages);
        }
        refuses.peer.write_all(&long_for_a_secondary()).await.unwrap();
        assert!(matches!(refuses.end().await,
            SessionEnd::Garbage(reason) if reason.contains("the limit is 65536")));
    }
}

#[tokio::test]
async fn a_secondary_takes_long_frames_once_it_is_welcome() {
    let mut pair = pair().await;
    pair.peer.write_all(&welcome(Duration::from_secs(60)).head).await.unwrap();
    pair.peer.write_all(&(FRAME_BYTES_MAX as u32).to_be_bytes()).await.unwrap();
    pair.peer.shutdown().await.unwrap();
    assert!(matches!(pair.end().await, SessionEnd::Lost(reason) if reason.contains("inside")));
}

#[tokio::test]
async fn a_peer_that_speaks_http_is_answered_in_http() {
    let mut pair = pair().await;
    pair.peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(pair.end().await, SessionEnd::Garbage(reason) if reason.contains("HTTP")));
    drop(pair.handle);
    let mut answer = String::new();
    pair.peer.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with(HTTP_ANSWER), "{answer}");
}

#[tokio::test]
async fn what_a_peers_kernel_does_not_take_is_under_way() {
    use crate::server::net::TrackedFrame;
    let mut pair = pair().await;
    assert_eq!(pair.handle.look(), LineView::default());
    let (subject, bytes) = (TrackedFrame::Request(RequestId::new(7)), FRAME_BYTES_MAX / 2);
    let frame = EncodedFrame { head: Bytes::new(), records: vec![0; bytes].into() };
    assert!(pair.handle.outbox().reserve(Some(subject)).send(frame));
    let until = async |done: fn(LineView) -> bool| {
        let seen = async {
            while !done(pair.handle.look()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, seen).await.expect("it comes to that");
    };
    until(|view| view.is_within_frame).await;
    assert_eq!(pair.handle.look().request, Some(RequestId::new(7)));
    let mut taken = vec![0; bytes];
    pair.peer.read_exact(&mut taken).await.unwrap();
    until(|view| view.request.is_none()).await;
    assert_eq!(pair.handle.look().taken, bytes as u64);
}

#[tokio::test]
async fn a_peer_that_sends_without_end_has_few_frames_in_a_turn() {
    use acklog_protocol::frame::Request;
    let mut pair = pair_with_room(10 * EVENTS_WAITING_MAX).await;
    let heartbeat = |id| {
        Frame::Request(
            RequestId::new(id),
            Request::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() },
        )
    };
    for id in 0..3 * EVENTS_WAITING_MAX as u64 {
        pair.peer.write_all(&encode(&heartbeat(id)).head).await.unwrap();
    }
    let mut turn = Vec::new();
    for _ in 0..3 {
        turn.clear();
        while turn.len() < EVENTS_WAITING_MAX {
            turn.push(timeout(PATIENCE, pair.events.recv()).await.unwrap().unwrap());
        }
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(pair.events.try_recv().is_err(), "the others' come first");
    }
}
