//! A client's socket: what its connection reports, and how it is closed.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;

/// The end that the client sees when its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::http) enum OnClose {
    /// A clean end.
    End,
    /// A reset: the answer is incomplete.
    Reset,
}

/// A stream to a client.
pub(in crate::server::http) trait Stream:
    AsyncRead + AsyncWrite + Unpin
{
    /// Returns whether the client's half has ended, or the connection is broken. Pending while it
    /// is neither, and there is nothing to read.
    fn poll_is_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>>;

    /// Sends bytes without waiting, and returns how many were accepted.
    ///
    /// # Errors
    /// When the connection is broken, or accepts nothing now.
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Checks that the connection is not broken.
    ///
    /// # Errors
    /// The reason why it is broken.
    fn check(&self) -> io::Result<()>;

    /// Returns the number of bytes that have arrived and are not read.
    ///
    /// # Errors
    /// The system's.
    fn unread_bytes(&self) -> io::Result<u64>;

    /// Sets whether the connection is reset when it is closed, also by the end of the process, so
    /// that the client sees that the answer is incomplete.
    fn set_on_close(&self, effect: OnClose);
}

impl Stream for TcpStream {
    fn poll_is_closed(&self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        ready!(self.poll_read_ready(cx))?;
        // Ready at once, since the socket is ready; what this waker misses the next check sees.
        let state = pin!(self.ready(Interest::READABLE));
        match state.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(state) => Poll::Ready(state.map(|state| state.is_read_closed())),
            Poll::Pending => Poll::Ready(Ok(false)),
        }
    }

    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    fn check(&self) -> io::Result<()> {
        self.take_error()?.map_or(Ok(()), Err)
    }

    fn unread_bytes(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(self)?)
    }

    fn set_on_close(&self, effect: OnClose) {
        // Fails when the connection is broken, and then it ends with an error anyway.
        let _ =
            SockRef::from(self).set_linger((effect == OnClose::Reset).then_some(Duration::ZERO));
    }
}
