//! Requests that are refused, and what comes of the connection.

use super::*;

/// The status, the code and the outcome of the last answer.
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
