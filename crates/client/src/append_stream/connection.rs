//! One connection on which lines are sent and answered at the same time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use acklog_api::{headers, paths};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::{Dial, Endpoint};
use crate::node::{ANSWER_BYTES_MAX, CallError, READ_TIMEOUT, Unreachable, connect, whole};
use crate::nodes::NodesError;
use crate::retry::Failure;

/// Time for the end of the answer after the end of the request, when all lines are answered.
/// Shorter: the node sees a stream that is cut off. Longer: a program that ends waits for a node
/// that hangs.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A part of the node's answer.
#[derive(Debug)]
pub(super) enum AnswerPart {
    /// The node takes the stream.
    Taken,
    /// A piece of the answers.
    Piece(Bytes),
}

/// A connection to a node, with a request that goes on.
#[derive(Debug)]
pub(super) struct LinesConnection {
    /// The lines that are to be sent; `None` behind the end of the request, at which the node ends
    /// its answer when all is answered.
    pub(super) lines: Option<mpsc::Sender<Bytes>>,
    /// The answers as they come, and why no more come.
    pub(super) answers: mpsc::Receiver<Result<AnswerPart, Failure>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// The body of the request: what comes from a channel, for as long as it comes.
struct LinesBody(mpsc::Receiver<Bytes>);

impl Body for LinesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl LinesConnection {
    /// Connects to a node and begins a stream of appends.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub(super) async fn open<D: Dial>(target: &D) -> Result<Self, Unreachable> {
        let (sender, connection) = connect(target).await?;
        let connection = tokio::spawn(async move {
            // Its errors come out of the answer.
            let _ = connection.await;
        });
        // One piece is on its way to the socket while the next one is made; and answers are taken
        // apart while the next ones are read.
        let ((lines, body), (parts, answers)) = (mpsc::channel(1), mpsc::channel(1));
        let reading = read(target.endpoint().clone(), sender, LinesBody(body), parts);
        let tasks = [connection, tokio::spawn(reading)].map(AbortOnDropHandle::new);
        Ok(Self { lines: Some(lines), answers, _tasks: tasks })
    }

    /// Ends the request, and waits for the end of the answer.
    pub(super) async fn end(self) {
        let Self { lines, mut answers, _tasks } = self;
        drop(lines);
        let ended = async { while answers.recv().await.is_some() {} };
        let _ = timeout(END_TIMEOUT, ended).await;
    }
}

/// Sends the request and passes on the answer, part by part.
async fn read(
    endpoint: Endpoint,
    mut sender: SendRequest<LinesBody>,
    body: LinesBody,
    parts: mpsc::Sender<Result<AnswerPart, Failure>>,
) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(paths::MESSAGES)
        .header(HOST, endpoint.authority())
        .header(CONTENT_TYPE, headers::APPLICATION_NDJSON)
        .body(body);
    let request = match request {
        Ok(request) => request,
        Err(error) => return tell(&parts, CallError::from(error)).await,
    };
    let answer = match sender.send_request(request).await {
        Ok(response) if response.status() == StatusCode::OK => response.into_body(),
        Ok(response) => return tell_refusal(&parts, &endpoint, response).await,
        Err(error) => return tell(&parts, CallError::Lost(endpoint, error)).await,
    };
    if parts.send(Ok(AnswerPart::Taken)).await.is_ok() {
        pass_on(answer, &endpoint, &parts).await;
    }
}

/// Passes on the pieces of the answer until it ends.
async fn pass_on(
    mut answer: Incoming,
    endpoint: &Endpoint,
    parts: &mpsc::Sender<Result<AnswerPart, Failure>>,
) {
    while let Some(frame) = answer.frame().await {
        let piece = match frame {
            Ok(frame) => frame.into_data(),
            Err(error) => return tell(parts, CallError::BrokenOff(endpoint.clone(), error)).await,
        };
        let Ok(piece) = piece else { continue };
        if parts.send(Ok(AnswerPart::Piece(piece))).await.is_err() {
            return;
        }
    }
}

/// Passes on why there is no answer. Nobody may be there to hear it.
async fn tell(parts: &mpsc::Sender<Result<AnswerPart, Failure>>, error: CallError) {
    let failure = Failure::lost(NodesError::from(error).into());
    let _ = parts.send(Err(failure)).await;
}

async fn tell_refusal(
    parts: &mpsc::Sender<Result<AnswerPart, Failure>>,
    endpoint: &Endpoint,
    response: Response<Incoming>,
) {
    let answer = timeout(READ_TIMEOUT, whole(endpoint, response, ANSWER_BYTES_MAX)).await;
    match answer.unwrap_or_else(|_| Err(CallError::Silent(endpoint.clone()))) {
        Ok(answer) => {
            let _ = parts.send(Err(Failure::of_answer(&answer))).await;
        }
        Err(error) => tell(parts, error).await,
    }
}
