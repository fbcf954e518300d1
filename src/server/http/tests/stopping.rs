//! The threads of a server, and how it stops.

use super::*;

/// Longest that a server may take to stop in a test where it must end its requests first.
const GRACE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn connections_are_dealt_to_the_threads_in_turn() {
    let running = run(3, 0);
    let mut threads = Vec::new();
    for _ in 0..6 {
        let mut sender = client::<Empty<Bytes>>(running.server.address()).await;
        threads.push(String::from_utf8(get(&mut sender, "/thread").await.1.to_vec()).unwrap());
    }
    assert_eq!(threads, ["http-0", "http-1", "http-2", "http-0", "http-1", "http-2"]);
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_closes_idle_connections() {
    let mut running = run(2, 0);
    let address = running.server.address();
    let mut idle = client::<Empty<Bytes>>(address).await;
    assert_eq!(get(&mut idle, "/thread").await.0, 200);
    let _silent = TcpStream::connect(address).await.unwrap();
    let waiting = running.start_waiting("four").await;
    let stopping = tokio::spawn(running.server.stop(GRACE));
    // The idle one is closed while the other one still waits.
    let closed = async {
        while !idle.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    patiently(closed).await;
    running.release.send(true).unwrap();
    let response = patiently(waiting).await.unwrap().unwrap();
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "4");
    patiently(stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_drops_what_does_not_end_within_the_grace() {
    let mut running = run(1, 0);
    let waiting = running.start_waiting("{}").await;
    patiently(running.server.stop(Duration::ZERO)).await;
    assert_eq!(running.events.recv().await, Some("ended"));
    assert!(patiently(waiting).await.unwrap().is_err());
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let mut running = run(1, 0);
    let waiting = running.start_waiting("{}").await;
    drop(running.server);
    assert_eq!(patiently(running.events.recv()).await, Some("ended"));
    assert!(patiently(waiting).await.unwrap().is_err());
}
