//! Bodies of requests that are too long, and answers that are long.

use super::*;

#[tokio::test]
async fn a_body_that_is_too_long_is_answered_and_not_reset() {
    let running = run(1, 0);
    let address = running.server.address();
    let megabyte = 1024 * 1024;
    let mut announced =
        format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: {megabyte}\r\n\r\n")
            .into_bytes();
    announced.resize(announced.len() + megabyte, b'x');
    let mut chunked = format!(
        "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{megabyte:x}\r\n"
    )
    .into_bytes();
    chunked.resize(chunked.len() + megabyte, b'x');
    let mut unexpected =
        b"POST /thread HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n".to_vec();
    unexpected.resize(unexpected.len() + 9_000_000, b'x');
    let answer = raw(address, unexpected).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for sent in [announced, chunked] {
        let answer = raw(address, sent).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.ends_with("}\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let running = run(1, 0);
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
                content-length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    patiently(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_long_log_arrives_whole_and_head_leaves_the_connection_usable() {
    let running = run(1, 50_000);
    let mut sender = client::<Empty<Bytes>>(running.server.address()).await;
    let head = Request::head("/messages").body(Empty::new()).unwrap();
    let response = patiently(sender.send_request(head)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    patiently(sender.ready()).await.unwrap();
    let (_, body) = get(&mut sender, "/messages").await;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(rows.len(), 50_000);
    assert_eq!(
        rows[49_999],
        serde_json::json!({"id": 49_999, "message": "message 49999 \"\n\u{1}"})
    );
    patiently(sender.ready()).await.unwrap();
    assert_eq!(get(&mut sender, "/thread").await.1, "http-0");
}
