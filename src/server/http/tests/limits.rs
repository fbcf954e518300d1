//! The limit on the number of connections.

use super::*;

/// Returns whether the server closed a connection without a byte.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut byte = [0];
    matches!(patiently(stream.read(&mut byte)).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn the_connection_that_has_been_idle_longest_makes_room() {
    let running = run_with(2, 0, 2);
    let address = running.server.address();
    let mut first = client::<Empty<Bytes>>(address).await;
    let mut second = client::<Empty<Bytes>>(address).await;
    // In this order they came; in the other one they fell idle.
    for sender in [&mut second, &mut first] {
        assert_eq!(get(sender, "/thread").await.0, 200);
    }
    let mut third = client::<Empty<Bytes>>(address).await;
    assert_eq!(get(&mut third, "/thread").await.0, 200);
    while !second.is_closed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&mut first, "/thread").await.0, 200);
}

#[tokio::test]
async fn where_none_is_idle_the_new_connection_is_refused() {
    let mut running = run_with(1, 250_000, 2);
    let address = running.server.address();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting
        .write_all(b"POST /wait HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1")
        .await
        .unwrap();
    assert_eq!(patiently(running.events.recv()).await, Some("waits"));
    // A listing that is not read is no idle connection.
    let mut listing = TcpStream::connect(address).await.unwrap();
    listing.write_all(b"GET /messages HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    patiently(listing.read_exact(&mut first)).await.unwrap();
    for _ in 0..3 {
        assert!(is_closed(TcpStream::connect(address).await.unwrap()).await);
    }
    running.release.send(true).unwrap();
    patiently(waiting.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // It is idle now, and makes room.
    let mut sender = client::<Empty<Bytes>>(address).await;
    assert_eq!(get(&mut sender, "/thread").await.0, 200);
    assert!(is_closed_later(waiting).await);
}

/// Returns whether the server closed a connection once its answer was read.
async fn is_closed_later(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    patiently(stream.read_to_end(&mut rest)).await.is_ok()
}
