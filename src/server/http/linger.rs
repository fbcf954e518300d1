//! Closes a connection so that its last answer arrives.
//!
//! A socket that is closed while bytes from the client are still unread is reset, and the reset can
//! overtake the answer: the client of a body that is too long would see "connection reset" where a
//! 413 was sent. So the sending half is closed first, and what the client still sends is read and
//! discarded, for a short time and up to a number of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// Time for which a closed connection is read from before it is dropped. Shorter: a client that
/// sends its whole body before it looks for the answer may not see the answer. Longer: descriptors
/// of silent clients are held.
pub(super) const LINGER: Duration = Duration::from_secs(8);

/// Bytes that are read and discarded at once, on the stack.
const DISCARD_BYTES: usize = 8 * 1024;

/// A stream whose shutdown lingers.
pub(super) struct Linger<S> {
    stream: S,
    /// Cancelled when the server stops, which does not wait for silent clients.
    closing: CancellationToken,
    /// Number of further bytes that are discarded.
    discards: usize,
    /// Set once the sending half is closed.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Linger<S> {
    /// Wraps a stream from which at most `discards` bytes are discarded.
    pub(super) fn new(stream: S, closing: CancellationToken, discards: usize) -> Self {
        Self { stream, closing, discards, deadline: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.deadline.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if this.closing.is_cancelled() {
                return Poll::Ready(Ok(()));
            }
        }
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut discarded = [0; DISCARD_BYTES];
        loop {
            if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf));
            let bytes = buf.filled().len();
            // The client closed its half, or is gone: either way there is nothing left to wait for.
            if read.is_err() || bytes == 0 || bytes >= this.discards {
                return Poll::Ready(Ok(()));
            }
            this.discards -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// The buffer space between both ends, in bytes.
    const ROOM: usize = 1000;

    fn pair(discards: usize) -> (Linger<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(ROOM);
        (Linger::new(near, CancellationToken::new(), discards), far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_slowly_or_nothing_is_read_from_for_eight_seconds() {
        for sends in [false, true] {
            let (mut linger, mut far) = pair(ROOM);
            let begin = Instant::now();
            let slowly = async {
                loop {
                    sleep(Duration::from_millis(300)).await;
                    if sends {
                        far.write_all(b"x").await.unwrap();
                    }
                }
            };
            tokio::select! {
                closed = linger.shutdown() => closed.unwrap(),
                () = slowly => {}
            }
            let took = begin.elapsed();
            assert!((LINGER..LINGER + Duration::from_millis(10)).contains(&took), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_fast_is_read_from_up_to_a_number_of_bytes() {
        let discards = 10 * DISCARD_BYTES;
        let (mut linger, mut far) = pair(discards);
        let begin = Instant::now();
        let fast = async {
            let mut sent = 0;
            while let Ok(bytes) = far.write(&[0; ROOM]).await {
                sent += bytes;
            }
            sent
        };
        let closes = async {
            linger.shutdown().await.unwrap();
            drop(linger);
        };
        let (sent, ()) = tokio::join!(fast, closes);
        assert!((discards..=discards + 2 * ROOM).contains(&sent), "{sent} bytes");
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_waits_for_no_more_bytes() {
        let (mut linger, _far) = pair(ROOM);
        linger.closing.cancel();
        let begin = Instant::now();
        linger.shutdown().await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
