//! Clients that hang up or end their half, and listings that are cut short.

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpSocket;

use super::*;
use crate::server::http::client::{OnClose, Stream};

/// Returns a client that sent a request and these bytes after it.
async fn sent(address: SocketAddr, head: &str, behind: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}host: a\r\ncontent-length: 1\r\n\r\n1");
    stream.write_all(&[request.as_bytes(), behind].concat()).await.unwrap();
    stream
}

async fn events(running: &mut Running, event: &str, count: usize) {
    for _ in 0..count {
        assert_eq!(patiently(running.events.recv()).await, Some(event));
    }
}

#[tokio::test]
async fn a_sender_that_hangs_up_is_noticed_whatever_it_sent_before() {
    let mut running = run(2, 0);
    let address = running.server.address();
    // More than hyper reads from a connection whose request waits.
    let many = b"GET /thread HTTP/1.1\r\nhost: a\r\n\r\n".repeat(4000);
    let behind: [&[u8]; 4] = [b"", b"\r\n", b"GET /thread HTTP/1.1\r\nhost: a\r\n\r\n", &many];
    let mut clients = Vec::new();
    for version in ["1.0", "1.1"] {
        for behind in behind {
            if version == "1.0" && behind.len() > 1000 {
                // Cannot be asked; the system's own probes find out in the end.
                continue;
            }
            for resets in [false, true] {
                let head = format!("POST /wait HTTP/{version}\r\n");
                clients.push((sent(address, &head, behind).await, resets));
            }
        }
    }
    let count = clients.len();
    events(&mut running, "waits", count).await;
    for (stream, resets) in clients {
        if resets {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
    }
    events(&mut running, "ended", count).await;
}

#[tokio::test]
async fn a_client_that_ends_its_half_gets_its_answer_and_is_asked_whether_it_is_there() {
    let mut running = run(1, 0);
    let address = running.server.address();
    let mut stream = sent(address, "POST /wait HTTP/1.1\r\nconnection: close\r\n", b"\r\n").await;
    events(&mut running, "waits", 1).await;
    stream.shutdown().await.unwrap();
    let mut interim = [0; 25];
    patiently(stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    running.release.send(true).unwrap();
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n1"), "{answer}");
}

#[tokio::test]
async fn what_is_there_at_once_is_always_answered_to_a_client_that_ended_its_half() {
    let running = run(2, 3);
    let address = running.server.address();
    for round in 0..200 {
        let version = if round % 2 == 0 { "1.1" } else { "1.0" };
        let path = ["/thread", "/messages", "/upload"][round % 3];
        let mut stream = sent(address, &format!("GET {path} HTTP/{version}\r\n"), b"").await;
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        patiently(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(" 200 OK\r\n"), "round {round}: {answer:?}");
    }
}

/// Reads a listing of which the server sends only a part, and returns how it ended.
async fn cut_listing(version: &str) -> io::Result<usize> {
    let running = run(1, 250_000);
    // Reads less than the listing before it pauses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.server.address()).await.unwrap();
    let request = format!("GET /messages HTTP/{version}\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    patiently(stream.read_exact(&mut first)).await.unwrap();
    assert!(first.ends_with(b" 200"));
    patiently(running.server.stop(Duration::ZERO)).await;
    let mut rest = Vec::new();
    patiently(stream.read_to_end(&mut rest)).await
}

#[tokio::test]
async fn a_cut_listing_is_a_reset_where_only_the_end_of_the_connection_ends_it() {
    let error = cut_listing("1.0").await.expect_err("no clean end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    // Here the last chunk is missing, and all that was sent arrives.
    cut_listing("1.1").await.expect("a clean end");
}

/// A stream in memory, whose ends are always there.
impl Stream for tokio::io::DuplexStream {
    fn poll_is_closed(&self, _: &mut Context<'_>) -> Poll<io::Result<bool>> {
        Poll::Pending
    }

    fn try_send(&self, _: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    fn unread_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_on_close(&self, _: OnClose) {}
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_waiting_handler() {
    let mut running = run(2, 0);
    let waiting = running.start_waiting("{}").await;
    waiting.abort();
    assert_eq!(patiently(running.events.recv()).await, Some("ended"));
}
