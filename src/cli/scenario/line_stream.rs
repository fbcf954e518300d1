//! An append stream of a scenario to a real node: lines go out as its steps send them, and each
//! answer becomes the reply to its line.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use acklog_api::{AppendLine, AppendRequest, headers, paths};
use acklog_sim::scenario::{Reply, StreamStep};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::http;
use crate::cli::NodeUrl;

/// A stream that goes on. Dropping it closes its connection.
pub(super) struct LineStream {
    lines: mpsc::UnboundedSender<Bytes>,
    task: AbortHandle,
}

/// What a stream calls for each reply: the number of the line, none for all that have none yet.
pub(super) type OnReply = Arc<dyn Fn(Option<u64>, Reply) + Send + Sync>;

impl LineStream {
    /// Begins a stream.
    pub(super) fn begin(runtime: &Runtime, url: NodeUrl, on_reply: OnReply) -> Self {
        let (lines, taken) = mpsc::unbounded_channel();
        let task = runtime.spawn(async move {
            let ended = exchange(url, LinesBody(taken), &on_reply).await;
            let why = ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
            on_reply(None, Reply::Lost(why));
        });
        Self { lines, task: task.abort_handle() }
    }

    /// Sends lines.
    pub(super) fn send(&self, step: &StreamStep) {
        for text in &step.texts {
            let request = AppendRequest {
                write_concern: step.write_concern,
                timeout_ms: step.timeout.map(http::millis),
                ..AppendRequest::message(text.as_str())
            };
            let line = AppendLine { request, key: None };
            let json = serde_json::to_string(&line).expect("a line always has a JSON form");
            // Fails when the connection has ended, which is told to each line.
            let _ = self.lines.send((json + "\n").into());
        }
    }
}

impl Drop for LineStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of the request: lines as they are sent.
struct LinesBody(mpsc::UnboundedReceiver<Bytes>);

impl Body for LinesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

async fn exchange(url: NodeUrl, lines: LinesBody, on_reply: &OnReply) -> anyhow::Result<()> {
    let stream = url.dial().await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post(paths::MESSAGES)
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, headers::APPLICATION_NDJSON)
        .body(lines)?;
    let replies = async {
        let answer = sender.send_request(request).await?;
        take_replies(answer.into_body(), on_reply).await
    };
    // Both in one task, so that its end closes the connection.
    tokio::pin!(connection, replies);
    tokio::select! {
        ended = &mut replies => ended,
        ended = &mut connection => {
            ended?;
            replies.await
        }
    }
}

async fn take_replies(mut body: Incoming, on_reply: &OnReply) -> anyhow::Result<()> {
    let mut partial = Vec::new();
    while let Some(frame) = body.frame().await {
        partial.extend_from_slice(&frame?.into_data().unwrap_or_default());
        while let Some(end) = memchr::memchr(b'\n', &partial) {
            let line: Vec<u8> = partial.drain(..=end).collect();
            let (number, reply) = http::line_reply(&line)?;
            on_reply(Some(number), reply);
        }
    }
    Ok(())
}
