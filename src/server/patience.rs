//! Patience with clients: how a connection is given up whose client vanished, or takes nothing of
//! what is written to it. Nodes and the runner of a scenario that is watched have the same.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Longest time for which a client may read none of the bytes that wait for it. Shorter: a reader
/// that pauses for a while loses its listing. Longer: readers that stopped hold memory that others
/// wait for.
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// Bytes of an answer that the kernel accepts before it has sent them, approximately. Smaller: more
/// wake-ups for a listing. Larger: for each blocked reader, that much is copied; without a limit it
/// is megabytes, and thousands of such readers keep all others waiting.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Idle time of a connection after which the system probes the peer. Shorter: idle clients are
/// woken more often. Longer: vanished ones are noticed later.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// Time between two probes.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Probes without a response after which the connection counts as broken. On Linux
/// [`UNACKNOWLEDGED_MAX`] applies instead.
const KEEPALIVE_RETRIES: u32 = 3;

/// Longest time for which sent bytes, or probes, may stay unacknowledged before the system closes
/// the connection. Longer than [`UNREAD_MAX`], which logs the reason; below two minutes, within
/// which a vanished client is to be noticed.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(90);

/// Sets up the connection to a client: what is written leaves at once, the system keeps little of
/// it, and detects a client that vanished without closing the connection.
///
/// # Errors
/// The system's: the connection is gone.
pub(crate) fn set_up(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // Answers are written as a whole; waiting for more bytes to join them would only delay them.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
        // On other systems the kernel buffers more; nothing else is different.
        socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    }
    Ok(())
}

/// A stream to a client whose writes fail once the client has taken nothing for [`UNREAD_MAX`],
/// while something waits for it.
#[derive(Debug)]
pub(crate) struct UnreadLimit<S> {
    stream: S,
    /// Set while the client reads nothing.
    unread: Option<Unread>,
}

/// The state of a client that reads nothing of what waits for it.
#[derive(Debug)]
struct Unread {
    /// The time at which it last read something.
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<S> UnreadLimit<S> {
    /// Wraps a stream.
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, unread: None }
    }

    /// Returns the stream.
    pub(crate) const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Notes whether a write was accepted, and fails once none was for too long.
    fn poll_unread(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if let Some(unread) = &mut self.unread {
                unread.since = Instant::now();
            }
            return written;
        }
        let unread = self.unread.get_or_insert_with(|| Unread {
            since: Instant::now(),
            timer: Box::pin(sleep(UNREAD_MAX)),
        });
        loop {
            ready!(unread.timer.as_mut().poll(cx));
            let due = unread.since + UNREAD_MAX;
            if due <= Instant::now() {
                let seconds = UNREAD_MAX.as_secs();
                let text = format!("the client took nothing of its answer for {seconds} s");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            unread.timer.as_mut().reset(due);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for UnreadLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for UnreadLimit<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.poll_unread(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.poll_unread(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[cfg(target_os = "linux")]
    mod of_sockets {
        use super::*;

        /// Returns a connection as it is served, and its client.
        fn connected() -> (std::net::TcpStream, std::net::TcpStream) {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            set_up(&accepted).unwrap();
            (accepted, client)
        }

        #[test]
        fn the_kernel_takes_little_for_a_reader_that_takes_nothing() {
            let (served, _client) = connected();
            let limit = SockRef::from(&served).tcp_notsent_lowat().unwrap();
            assert_eq!(limit, UNSENT_BYTES_MAX);
        }

        #[test]
        fn a_client_whose_machine_vanished_is_given_up_within_two_minutes() {
            let (served, _client) = connected();
            let socket = SockRef::from(&served);
            assert!(socket.keepalive().unwrap());
            let asked = socket.tcp_keepalive_interval().unwrap();
            let asked = asked * socket.tcp_keepalive_retries().unwrap();
            let patience = Duration::from_secs(120);
            assert!(socket.tcp_keepalive_time().unwrap() + asked <= patience);
            assert!(socket.tcp_user_timeout().unwrap().is_some_and(|unacked| unacked <= patience));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_now_and_then_is_kept_until_it_stops() {
        let (near, mut far) = duplex(10);
        let mut near = UnreadLimit::new(near);
        let begin = Instant::now();
        let reads = async {
            for _ in 0..5 {
                sleep(UNREAD_MAX * 2 / 3).await;
                far.read_u8().await.unwrap();
            }
            begin.elapsed()
        };
        let (written, read_for) = tokio::join!(near.write_all(&[0; 100]), reads);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), read_for + UNREAD_MAX);
    }
}
