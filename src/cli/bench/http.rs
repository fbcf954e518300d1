//! Sends the same prepared HTTP request again and again.

use std::sync::Arc;
use std::time::Duration;

use acklog_api::headers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::engine::{LoadConnection, LoadTarget, RequestFailure};
use super::response::{RawResponse, ResponseReader, refusal};
use crate::cli::NodeUrl;

/// An HTTP server and the one request that it is sent.
#[derive(Debug)]
pub struct HttpTarget {
    url: NodeUrl,
    request: Arc<[u8]>,
}

impl HttpTarget {
    /// Creates a target to which this JSON body is posted at this path.
    pub fn post(url: NodeUrl, path: &str, body: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\n\r\n",
            url.authority(),
            headers::APPLICATION_JSON,
            body.len()
        );
        Self { url, request: [head.as_bytes(), body.as_bytes()].concat().into() }
    }
}

impl LoadTarget for HttpTarget {
    type Connection = HttpConnection;

    // The dialer has a limit of its own for resolving the name and for each address.
    const CONNECT_TIMEOUT: Duration = Duration::MAX;

    async fn connect(&self) -> Result<HttpConnection, RequestFailure> {
        let no_connection =
            |error: std::io::Error| RequestFailure::Connect(self.url.advised(&error));
        let stream = self.url.dial().await.map_err(no_connection)?;
        stream.set_nodelay(true).map_err(no_connection)?;
        let request = Arc::clone(&self.request);
        Ok(HttpConnection { stream, request, response: ResponseReader::new(), is_open: true })
    }
}

/// A connection to an HTTP server.
pub struct HttpConnection {
    stream: TcpStream,
    request: Arc<[u8]>,
    response: ResponseReader,
    is_open: bool,
}

impl LoadConnection for HttpConnection {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        // A server that refuses a request before it has read all of it says why in its answer.
        let written = self.stream.write_all(&self.request).await;
        self.response.clear();
        loop {
            let count = match self.stream.read(self.response.free_bytes()).await? {
                0 => {
                    return Err(written.err().map_or(RequestFailure::HungUp, RequestFailure::from));
                }
                count => count,
            };
            if let Some(response) = self.response.take(count)? {
                self.is_open = !response.is_last && written.is_ok();
                return check_status(&response);
            }
        }
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

fn check_status(response: &RawResponse<'_>) -> Result<(), RequestFailure> {
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    Err(refusal(response.status, response.body))
}

#[cfg(test)]
mod tests {
    use acklog_threads::{ThreadPool, WorkHandle};

    use super::*;
    use crate::cli::bench::engine::open_connection;
    use crate::server::net::silent;

    fn target(response: WorkHandle<std::io::Result<Vec<std::net::SocketAddr>>>) -> HttpTarget {
        HttpTarget::post(NodeUrl::resolved("multi", response), "/messages", "{}")
    }

    #[tokio::test]
    async fn an_address_of_a_name_that_swallows_packets_does_not_hold_up_the_next() {
        let (silent, _socket, _queued) = silent().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = vec![silent, listener.local_addr().unwrap()];
        assert!(open_connection(&target(WorkHandle::ready(Ok(addresses)))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_resolved_is_told_after_the_time_that_a_silent_server_takes() {
        let (_never, response) = std::sync::mpsc::channel();
        let names = ThreadPool::new("names", 1);
        let response = names.run(move || response.recv().unwrap());
        let failure = open_connection(&target(response)).await.err().unwrap();
        let reason = "the name multi was not resolved within 30s".to_owned();
        assert_eq!(failure, RequestFailure::Connect(reason));
    }
}
