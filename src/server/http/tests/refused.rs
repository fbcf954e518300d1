//! Refused requests, and what happens to their connection.

use super::*;

/// Returns the status, the code and the outcome of the last answer.
fn last(answers: &str) -> (u16, String, Option<String>) {
    let (_, last) = answers.rsplit_once("HTTP/1.1 4").expect("an answer");
    let (_, body) = last.split_once("\r\n\r\n").unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).expect(answers);
    let text = |member: &str| problem[member].as_str().map(str::to_owned);
    (problem["status"].as_u64().unwrap() as u16, text("code").unwrap(), text("outcome"))
}

#[tokio::test]
async fn what_is_no_request_is_told_alike_alone_and_behind_others() {
    let running = run(1, 0);
    let address = running.server.address();
    let many = "a: b\r\n".repeat(120);
    let refused = Some("refused");
    let cases = [
        (format!("POST /messages HTTP/1.1\r\n{many}\r\n"), 431, "head-too-long", refused),
        (format!("GET /messages HTTP/1.1\r\n{many}\r\n"), 431, "head-too-long", None),
        (
            format!("POST /messages HTTP/1.1\r\nx: {}", "x".repeat(17_000)),
            431,
            "head-too-long",
            refused,
        ),
        (format!("POST /messages?{}", "x".repeat(17_000)), 414, "target-too-long", refused),
        ("POST /messages HTTP/1.1\r\nX : 1\r\n\r\n".into(), 400, "bad-request", refused),
        ("POST http://a/messages HTTP/1.1\r\nX : 1\r\n\r\n".into(), 400, "bad-request", refused),
        ("POST http://a/health HTTP/1.1\r\nX : 1\r\n\r\n".into(), 400, "bad-request", None),
        (
            "POST /messages HTTP/1.1\r\ncontent-length: 18446744073709551615\r\n\r\n".into(),
            413,
            "too-large",
            refused,
        ),
    ];
    let get = "GET /thread HTTP/1.1\r\nhost: a\r\n\r\n";
    let upload = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\n";
    let upload = format!("{upload}{}", "\r\nGET ".repeat(150));
    let chunked = "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{chunked}3\r\nabc\r\n0\r\n\r\n");
    for (bad, status, code, outcome) in cases {
        let expected = (status, code.to_owned(), outcome.map(str::to_owned));
        for before in ["", "\r\n\r\n", get, &upload, &[get, &upload, get, "\r\n"].concat()] {
            let answers = raw(address, format!("{before}{bad}").into_bytes()).await;
            assert_eq!(last(&answers), expected, "{before}{bad:.200}");
        }
        // Where it begins is not known: what hyper says is told, and no outcome.
        let answers = raw(address, format!("{chunked}{bad}").into_bytes()).await;
        let (told, _, outcome) = last(&answers);
        assert!([status, 431].contains(&told) && outcome.is_none(), "{answers}");
        // One that comes in pieces, behind an answer that was read.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(chunked.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        patiently(stream.read_exact(&mut answer)).await.unwrap();
        let (first, rest) = bad.split_at(9);
        stream.write_all(first.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answers = String::new();
        patiently(stream.read_to_string(&mut answers)).await.unwrap();
        assert_eq!(last(&answers), expected, "{bad:.200}");
    }
}

#[tokio::test]
async fn an_answer_behind_which_the_connection_is_closed_says_so() {
    let running = run(1, 50_000);
    let closes = |head: &'static str| {
        let address = running.server.address();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                patiently(stream.read_buf(&mut answer)).await.unwrap();
            }
            let head = String::from_utf8_lossy(&answer).into_owned();
            let (head, _) = head.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(" 200 ") || head.contains(" 413 "), "{head}");
            head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"))
        }
    };
    // Nobody asks for the body, which does not come then.
    let expects = "host: a\r\nexpect: 100-continue\r\n";
    let head = format!("POST /thread HTTP/1.1\r\n{expects}content-length: 9\r\n\r\n").leak();
    assert!(closes(head).await, "{head}");
    let head = format!("GET /thread HTTP/1.1\r\n{expects}\r\n").leak();
    assert!(!closes(head).await, "there is no body");
    assert!(closes("POST /thread HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\nx").await);
    assert!(closes("POST /thread HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n").await);
    assert!(!closes("POST /thread HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx").await);
    assert!(!closes("GET /thread HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await);
    // Its end is that of the connection.
    assert!(closes("GET /messages HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await);
    let long = "POST /upload HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 900000\r\n\r\n";
    assert!(closes(long).await);
    assert!(!closes("GET /messages HTTP/1.1\r\nhost: a\r\n\r\n").await);
}

#[tokio::test]
async fn all_that_came_at_once_behind_a_body_in_chunks_is_answered() {
    let running = run(1, 0);
    let chunked = "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
        4\r\nbody\r\n0\r\n\r\n";
    let expects = "expect: 100-continue\r\ncontent-length: 4\r\n\r\nbody";
    let asked = format!("POST /upload HTTP/1.1\r\nhost: a\r\n{expects}");
    let last = "GET /thread HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    stream.write_all([chunked, &asked, last].concat().as_bytes()).await.unwrap();
    let mut answers = String::new();
    patiently(stream.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
}

#[tokio::test]
async fn a_body_that_was_asked_for_leaves_the_connection_usable() {
    let running = run(1, 0);
    for length in ["content-length: 4\r\n", "transfer-encoding: chunked\r\n"] {
        let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
        let head =
            format!("POST /upload HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{length}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        patiently(stream.read_exact(&mut asked)).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        let body: &[u8] = if length.starts_with('c') { b"body" } else { b"4\r\nbody\r\n0\r\n\r\n" };
        stream.write_all(body).await.unwrap();
        stream
            .write_all(b"GET /thread HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answers = String::new();
        patiently(stream.read_to_string(&mut answers)).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_reason() {
    let running = run(1, 0);
    let mut sent = b"GET /thread HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    sent.resize(200_000, b'x');
    let line = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(60_000));
    let length = |value: &str| {
        let head = format!("POST /upload HTTP/1.1\r\nhost: a\r\nContent-length: {value}\r\n\r\n");
        head.into_bytes()
    };
    let cases = [
        // 2^64 and more, and the last two numbers below it, which no counter of bytes has.
        (length("18446744073709551614"), "413", "too-large"),
        (length("18446744073709551615"), "413", "too-large"),
        (length("0018446744073709551616"), "413", "too-large"),
        (length(&"9".repeat(1000)), "413", "too-large"),
        (length("18446744073709551613"), "413", "too-large"),
        (length("+5"), "400", "bad-request"),
        (length("-1"), "400", "bad-request"),
        (length("5, 6"), "400", "bad-request"),
        (length("0x10"), "400", "bad-request"),
        (length(""), "400", "bad-request"),
        (length("99999999999999999999x"), "400", "bad-request"),
        (sent, "431", "head-too-long"),
        (line.into_bytes(), "414", "target-too-long"),
        (b"GET /thread HTTP/1.1\r\nhost : a\r\n\r\n".to_vec(), "400", "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "400", "bad-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "400", "bad-request"),
    ];
    for (sent, status, code) in cases {
        let answer = raw(running.server.address(), sent).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/problem+json"), "{answer}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["code"], &problem["retry"]), (&code.into(), &false.into()));
    }
    for (line, outcome) in [
        ("POST /messages?x HTTP/1.1", Some("refused")),
        ("POST /newMessage HTTP/1.1", Some("refused")),
        ("POST /messages/3 HTTP/1.1", None),
        ("GET /messages HTTP/1.1", None),
    ] {
        let sent = format!("{line}\r\nhost: a\r\ncontent-length: x\r\n\r\n").into_bytes();
        let answer = raw(running.server.address(), sent).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((problem["status"].as_u64(), problem["outcome"].as_str()), (Some(400), outcome));
    }
}
