//! One connection, from its first byte to its close.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::client::{ClientStream, ClientWatch, HEAD_BYTES_MAX, RefusedBytes, Stream};
use super::connections::Activity;
use super::linger::Linger;
use super::response::ResponseBody;

/// Time for a client to send a request's head; it counts from the end of the last answer, so it is
/// also how long an idle connection is kept. Longer than the 60 s for which common proxies keep
/// theirs: the side that closes first must be the one that sends the next request. Much longer:
/// clients that send nothing hold their descriptors longer.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Most bytes that hyper buffers of one connection, each way. Smaller: the longest head does not
/// fit. Larger: a connection that once received a body holds twice that much until it is closed,
/// since hyper keeps its buffer.
const CONNECTION_BUFFER_BYTES: usize = HEAD_BYTES_MAX;

/// Answers requests. In production that is the node behind the routes; tests bring their own.
pub(super) trait Handler: 'static {
    /// Answers one request. The future is dropped when the client is gone.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<ResponseBody>>;

    /// Returns how many bytes of a refused request are discarded at most.
    fn discarded_bytes(&self) -> usize;

    /// Ends the answers that would go on for ever, since the server stops.
    fn stop(&self) {}

    /// Notes that bytes were answered that are no request.
    fn refused(&self, _refused: RefusedBytes) {}
}

/// Returns the settings with which connections are served: the same for all of a thread.
pub(super) fn http_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        // A client may end its half and wait for the answer. `client` checks whether it is there.
        .half_close(true);
    http
}

/// Serves one connection until either side closes it. When `closing` is cancelled, the request in
/// progress is answered and the connection closed.
///
/// Dropping the future drops the connection and the handler in progress.
pub(super) async fn serve<A: Handler, S>(
    http: &http1::Builder,
    answer: Rc<A>,
    stream: S,
    activity: Arc<Activity>,
    closing: CancellationToken,
) where
    S: Stream + 'static,
{
    let (client, watch) = ClientStream::new(stream);
    let client = Linger::new(client, closing.clone(), answer.discarded_bytes());
    let service = service_fn(|request: Request<Incoming>| {
        watch.head_was_read(request.body().size_hint().exact());
        let (answer, watch, activity) = (answer.clone(), watch.clone(), activity.clone());
        let closing = closing.clone();
        async move {
            let busy = activity.begin().ok_or_else(|| io::Error::other("idle for too long"))?;
            let mut response = answer_watched(&*answer, &watch, request).await?;
            // A listing, or a stream, goes on until its body is dropped.
            response.body_mut().attend(busy, || Box::new(watch.presence()), &closing);
            Ok::<_, io::Error>(response)
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(client), service));
    let served = tokio::select! {
        biased;
        // First: an answer that gets ready at the same moment announces that the connection closes.
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        served = connection.as_mut() => served,
    };
    if let Some(refused) = watch.refused() {
        answer.refused(refused);
    }
    if let Err(error) = served {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        debug!(%error, cause, "connection ended");
    }
}

/// Answers one request, unless its client goes away first.
///
/// # Errors
/// When it did. The connection then ends without an answer.
async fn answer_watched<A: Handler, S: Stream>(
    answer: &A,
    watch: &ClientWatch<S>,
    request: Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let version = request.version();
    let mut response = tokio::select! {
        biased;
        response = answer.answer(request) => response,
        gone = watch.gone(version) => return Err(gone),
    };
    let ends_answer = version < Version::HTTP_11 && response.body().size_hint().exact().is_none();
    if ends_answer {
        watch.ends_answer();
    }
    if ends_answer || (watch.lacks_body() && !response.body().reads_request()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if version < Version::HTTP_11 && response.headers().contains_key(CONNECTION) {
        // hyper would add that the connection is kept.
        *response.version_mut() = Version::HTTP_10;
    }
    Ok(response)
}
