//! A proxy in front of a node that tells lies.

use super::*;

/// Changes a response: gets the request line with the headers that are passed on, and status and
/// body of the response.
type Lie = dyn Fn(&str, &mut u16, &mut Value) + Send + Sync;

/// Starts a proxy that changes the JSON of each response; returns its address.
pub(super) fn lying(
    to: SocketAddr,
    lie: impl Fn(&str, &mut u16, &mut Value) + Send + Sync + 'static,
) -> SocketAddr {
    lying_also_in_streams(to, lie, |event| event)
}

/// As [`lying`], with the events of streams changed, too.
pub(super) fn lying_also_in_streams(
    to: SocketAddr,
    lie: impl Fn(&str, &mut u16, &mut Value) + Send + Sync + 'static,
    event_lie: impl Fn(String) -> String + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (lie, event_lie): (Arc<Lie>, Arc<EventLie>) = (Arc::new(lie), Arc::new(event_lie));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (lie, event_lie) = (Arc::clone(&lie), Arc::clone(&event_lie));
            std::thread::spawn(move || {
                while pass_on_with(&client, to, &|body| body, &*lie, &*event_lie).is_some() {}
            });
        }
    });
    address
}

/// Passes on one request and its response; none once the client is gone.
pub(super) fn pass_on(client: &TcpStream, to: SocketAddr, lie: &Lie) -> Option<()> {
    pass_on_changed(client, to, &|body| body, lie)
}

/// As [`pass_on`], with the body of the request changed.
pub(super) fn pass_on_changed(
    client: &TcpStream,
    to: SocketAddr,
    change: &dyn Fn(String) -> String,
    lie: &Lie,
) -> Option<()> {
    pass_on_with(client, to, change, lie, &|event| event)
}

/// As [`pass_on_changed`], with the events of streams changed.
fn pass_on_with(
    mut client: &TcpStream,
    to: SocketAddr,
    change: &dyn Fn(String) -> String,
    lie: &Lie,
    event_lie: &EventLie,
) -> Option<()> {
    let mut reader = BufReader::new(client);
    let (mut line, mut length, mut headers) = (String::new(), 0, Vec::new());
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        let Some((name, value)) = header.split_once(": ") else { break };
        match name {
            "content-length" => length = value.parse().ok()?,
            "accept" | "idempotency-key" | "last-event-id" => headers.push(header),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let kept: Vec<&str> = headers.iter().map(String::as_str).collect();
    if kept.contains(&"accept: text/event-stream") {
        // It ends with the connection.
        pass_on_stream(client, to, path, &kept, event_lie);
        return None;
    }
    let answer = begin_with(to, method, path, &kept, &change(String::from_utf8(body).ok()?));
    let answer = answer.try_answer().ok()?;
    let is_lines = answer.header("content-type") == Some("application/x-ndjson");
    let mut json: Value = match is_lines {
        true => {
            answer.body.lines().map(|line| line.parse::<Value>().ok()).collect::<Option<_>>()?
        }
        false => serde_json::from_str(&answer.body).ok()?,
    };
    let mut status = answer.status;
    lie(&format!("{} {}", line.trim(), headers.join(" ")), &mut status, &mut json);
    let body: String = match &json {
        Value::Array(rows) if is_lines => rows.iter().map(|row| format!("{row}\n")).collect(),
        other => format!("{other}\n"),
    };
    let retry = answer.header("retry-after").map_or("", |_| "Retry-After: 1\r\n");
    // The id after the change: its place in `location` is a lie of its own.
    let at = json["location"]
        .as_str()
        .map(str::to_owned)
        .or_else(|| (status == 201).then(|| format!("/messages/{}", json["id"])));
    let at = at.map_or(String::new(), |at| format!("Location: {at}\r\n"));
    let head = format!("HTTP/1.1 {status} x\r\n{retry}{at}Content-Length: {}\r\n\r\n", body.len());
    client.write_all((head + &body).as_bytes()).ok()
}

/// Changes an event: gets its lines, each with its line feed, and returns what is passed on.
type EventLie = dyn Fn(String) -> String + Send + Sync;

/// Passes on a request for a stream, and the answer event by event, until either side is gone.
fn pass_on_stream(
    mut client: &TcpStream,
    to: SocketAddr,
    path: &str,
    headers: &[&str],
    lie: &EventLie,
) -> Option<()> {
    let mut node = TcpStream::connect(to).ok()?;
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    // The body of such an answer ends with the connection, and has no chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
    node.write_all(request.as_bytes()).ok()?;
    let mut node = BufReader::new(node);
    let mut next = |end: &str| {
        let mut block = String::new();
        while !block.ends_with(end) {
            if node.read_line(&mut block).ok()? == 0 {
                return None;
            }
        }
        Some(block)
    };
    client.write_all(next("\r\n\r\n")?.as_bytes()).ok()?;
    loop {
        client.write_all(lie(next("\n\n")?).as_bytes()).ok()?;
    }
}
