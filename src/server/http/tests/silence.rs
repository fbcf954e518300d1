//! Clients that send or read nothing for a while.

use super::*;
use crate::server::http::connection;
use crate::server::http::problem::RequestProblem;

#[tokio::test(start_paused = true)]
async fn silent_clients_are_given_up_but_never_one_that_waits() {
    let (fake, mut events, release) = fake(50_000);
    let http = connection::http_builder();
    let serve = |stream| {
        let closing = tokio_util::sync::CancellationToken::new();
        let activity = Connections::new(1).enter().unwrap().activity.clone();
        connection::serve(&http, std::rc::Rc::new(fake.clone()), stream, activity, closing)
    };
    // Not a whole head, even a byte at a time; not a whole body.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /upload HTTP/1.1\r\nx: ").await.unwrap();
    let drip = async {
        while near.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
    };
    tokio::join!(serve(far), drip);
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /upload HTTP/1.1\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    serve(far).await;
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let problem = RequestProblem::BodyIdle { seconds: 30 }.to_string();
    assert!(answer.contains(&problem), "{answer}");
    // A day is no time for a sender that waits for its write concern.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /wait HTTP/1.1\r\ncontent-length: 1\r\n\r\n1").await.unwrap();
    let connection = serve(far);
    let day = tokio::time::Instant::now() + Duration::from_secs(24 * 3600);
    let client = async {
        assert_eq!(events.recv().await, Some("waits"));
        tokio::time::sleep_until(day).await;
        release.send(true).unwrap();
        let mut status = [0; 12];
        near.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        drop(near);
    };
    tokio::join!(connection, client);
    // Nor for one that takes its time with a long listing, as long as it takes something.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET /messages HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let connection = serve(far);
    let client = async {
        let mut listing = Vec::new();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_secs(59)).await;
            near.read_buf(&mut listing).await.unwrap();
        }
        near.read_to_end(&mut listing).await.unwrap();
        assert!(listing.ends_with(b"]\n\r\n0\r\n\r\n"));
    };
    tokio::join!(connection, client);
    // But for one that takes nothing.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET /messages HTTP/1.1\r\n\r\n").await.unwrap();
    let begun = tokio::time::Instant::now();
    serve(far).await;
    let taken = begun.elapsed().as_secs();
    assert!((60..62).contains(&taken), "given up after {taken} s");
    let mut listing = Vec::new();
    near.read_to_end(&mut listing).await.unwrap();
    assert_eq!(listing.len(), 1024);
}
