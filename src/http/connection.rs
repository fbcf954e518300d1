//! One connection, from its first byte to its close.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::body::ResponseBody;
use super::linger::Linger;

/// How long a client may take to send a request's head, in time; it counts from the end of the last
/// answer, so it is also how long an idle connection is kept. Shorter: clients that keep
/// connections open must dial more often. Longer: clients that send nothing hold their descriptors
/// longer.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest head of a request, in bytes: far more than any request to a node needs.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most that hyper buffers of one connection, in bytes each way. Smaller: bodies come and listings
/// go in more pieces. Larger: each slow client holds more memory.
const CONNECTION_BUFFER_BYTES: usize = 128 * 1024;

/// Answers requests. The node behind the routes does in production; tests bring their own.
pub(super) trait Answer: 'static {
    /// Answers one request. The future is dropped when the client hangs up.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<ResponseBody>>;
}

/// How connections are served: the same for all of a thread.
pub(super) fn http_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        // A client that hangs up while its handler waits is noticed, and the handler is dropped.
        .half_close(false);
    http
}

/// Serves one connection until either side closes it. When `closing` is cancelled, the request
/// under way is answered and the connection closed.
///
/// Cancel safe in the sense that dropping the future drops the connection and the handler under
/// way.
pub(super) async fn serve<A: Answer, S>(
    http: &http1::Builder,
    answer: Rc<A>,
    stream: S,
    closing: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer.answer(request).await) }
    });
    let io = TokioIo::new(Linger::new(stream, closing.clone()));
    let mut connection = pin!(http.serve_connection(io, service));
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => served,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "connection ended");
    }
}
