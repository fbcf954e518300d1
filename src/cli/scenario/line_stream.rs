//! An append stream of a scenario to a real node: lines go out as its steps send them, and each
//! answer becomes the reply to its line.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use acklog_api::{AppendLine, AppendRequest, headers, paths};
use acklog_sim::scenario::{Reply, StreamStep};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::http;
use crate::cli::NodeUrl;

/// A stream that goes on. Dropping it closes its connection.
pub(super) struct LineStream {
    /// Lines on their way. No more than the scenario sends, whose file is in memory.
    lines: mpsc::UnboundedSender<Bytes>,
    task: AbortHandle,
    on_reply: OnReply,
    /// The reply to each line without one, as soon as the stream has ended.
    end: Arc<OnceLock<Reply>>,
}

/// What a stream calls for each reply: the number of the line, none for all that have none yet.
pub(super) type OnReply = Arc<dyn Fn(Option<u64>, Reply) + Send + Sync>;

impl LineStream {
    /// Begins a stream.
    pub(super) fn begin(runtime: &Runtime, url: NodeUrl, on_reply: OnReply) -> Self {
        let (lines, taken) = mpsc::unbounded_channel();
        let end = Arc::new(OnceLock::new());
        let (ended, reply_to) = (Arc::clone(&end), Arc::clone(&on_reply));
        let task = runtime.spawn(async move {
            let last = exchange(url, LinesBody(taken), &reply_to).await;
            let last = last.unwrap_or_else(|error| Reply::Lost(error.to_string()));
            // Known before it is told: a line that comes in between is told twice, not never.
            reply_to(None, ended.get_or_init(|| last).clone());
        });
        Self { lines, task: task.abort_handle(), on_reply, end }
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
            // Fails when the connection has ended, which is told below.
            let _ = self.lines.send((json + "\n").into());
        }
        if let Some(end) = self.end.get() {
            (self.on_reply)(None, end.clone());
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

/// Sends lines until the stream ends; returns the reply to those without one.
async fn exchange(url: NodeUrl, lines: LinesBody, on_reply: &OnReply) -> anyhow::Result<Reply> {
    let stream = url.dial().await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post(paths::MESSAGES)
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, headers::APPLICATION_NDJSON)
        .body(lines)?;
    let replies = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            let body = answer.into_body().collect().await?.to_bytes();
            return Ok(http::stream_reply(status, &body));
        }
        take_replies(answer.into_body(), on_reply).await?;
        Ok(Reply::Lost("it ended".to_owned()))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::cli::test_node::{AppendsNode, LineReply, LocalNode, Script, ScriptedNode};

    fn step(text: &str) -> StreamStep {
        let (stream, texts) = ("s".to_owned(), vec![text.to_owned()]);
        StreamStep { stream, texts, write_concern: None, timeout: None }
    }

    fn begin(runtime: &Runtime, url: NodeUrl) -> (LineStream, Receiver<(Option<u64>, Reply)>) {
        let (sender, replies) = channel();
        let on_reply = move |line, reply| sender.send((line, reply)).unwrap();
        (LineStream::begin(runtime, url, Arc::new(on_reply)), replies)
    }

    #[test]
    fn a_stream_that_is_refused_says_why_to_each_line() {
        let runtime = Runtime::new().unwrap();
        let problem =
            r#"{"title":"t","status":405,"detail":"a secondary","code":"c","retry":false}"#;
        for (body, why) in [(problem, "a secondary"), ("<p>", "status 405")] {
            let script = Script::answer(405, "application/problem+json", body);
            let node = runtime.block_on(ScriptedNode::start([script]));
            let (stream, replies) = begin(&runtime, node.url());
            stream.send(&step("a"));
            assert_eq!(replies.recv().unwrap(), (None, Reply::Refused(why.to_owned())));
        }
    }

    #[test]
    fn a_line_behind_the_end_of_its_stream_is_lost() {
        let runtime = Runtime::new().unwrap();
        let node = runtime.block_on(AppendsNode::start(|_, number, _| match number {
            0 => LineReply::Answers(vec![LineReply::stored(number, 7)]),
            _ => LineReply::End,
        }));
        let (stream, replies) = begin(&runtime, node.url());
        stream.send(&step("a"));
        assert_eq!(replies.recv().unwrap().0, Some(0));
        for text in ["b", "c"] {
            stream.send(&step(text));
            let (line, reply) = replies.recv().unwrap();
            assert!(line.is_none() && matches!(reply, Reply::Lost(_)), "{reply:?}");
        }
    }
}
