//! The connection to one client: the bytes for hyper, and whether the client is still there.
//!
//! hyper looks for the end of a connection only while it has nothing else to read. A client that
//! sends its next request early, or a stray line end, and then hangs up would stay unnoticed for as
//! long as its request waits. So a waiting handler checks the socket's state itself, beside hyper
//! and without reading a byte from it ([`ClientWatch`]).
//!
//! The end of the client's half alone does not tell whether it still reads: some clients shut down
//! their sending half after the request and wait for the answer. A client that has closed the
//! socket altogether answers anything that is sent with a reset. So a client whose half has ended
//! gets an interim `100 Continue` now and then, which every HTTP/1.1 client skips (RFC 9110, 15.2).

mod refusal;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::Version;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use self::refusal::{RequestHead, refusal};

/// Longest head of a request, in bytes: far more than any request to a node needs.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

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

/// Longest time for which a client may read none of the bytes that wait for it. Shorter: a reader
/// that pauses for a while loses its listing. Longer: readers that stopped hold memory that others
/// wait for.
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// Time for the answer after the client's half has ended, before the client is probed. Shorter:
/// clients that shut down their sending half see interim answers where the final one is a moment
/// away. Longer: clients that hung up are noticed later.
const HALF_CLOSED_GRACE: Duration = Duration::from_secs(2);

/// Time between two checks of a connection that the system does not report on any more.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Time between two interim answers to a client whose half has ended. Shorter: more bytes for
/// clients that do read. Longer: one that hangs up later is noticed later.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Unread bytes after a waiting request from which on the end of the client's half may be hidden:
/// it arrives only after the bytes sent before it, and these may not fit. Less than any window that
/// the system grants; more than a client sends by mistake.
const UNREAD_BYTES_HIDE_END: u64 = 16 * 1024;

/// The probe of a client that may be gone.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A stream to a client.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {
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
    fn reset_on_close(&self, resets: bool);
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

    fn reset_on_close(&self, resets: bool) {
        // Fails when the connection is broken, and then it ends with an error anyway.
        let _ = SockRef::from(self).set_linger(resets.then_some(Duration::ZERO));
    }
}

/// Sets up the system to detect a client that vanished without closing the connection.
///
/// # Errors
/// The system's: the connection is gone.
pub(super) fn notice_silence(stream: &std::net::TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}

/// The state that hyper's end and the watching end of a connection share.
struct ClientState<S> {
    stream: RefCell<S>,
    /// Whether all that hyper wrote was accepted, so that an interim answer stands between two
    /// answers and not inside one.
    is_flushed: Cell<bool>,
    /// The rest of an interim answer that was sent in part.
    interim: Cell<&'static [u8]>,
    /// Whether the end of the connection marks the end of the answer. Then it is set to be reset
    /// until hyper closes it.
    ends_answer: Cell<bool>,
    /// The head of the next request, as far as it has arrived.
    head: RefCell<RequestHead>,
}

/// hyper's end of a connection.
pub(super) struct ClientStream<S: Stream> {
    shared: Rc<ClientState<S>>,
    /// Set while the client reads nothing.
    unread: Option<Unread>,
    /// Bytes of hyper's that are replaced by another answer.
    replaced: Option<usize>,
}

/// The state of a client that reads nothing of what waits for it.
struct Unread {
    /// When it last read something.
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

/// The watching end of a connection.
pub(super) struct ClientWatch<S>(Rc<ClientState<S>>);

impl<S> Clone for ClientWatch<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Stream> ClientStream<S> {
    pub(super) fn new(stream: S) -> (Self, ClientWatch<S>) {
        let shared = Rc::new(ClientState {
            stream: RefCell::new(stream),
            is_flushed: Cell::new(true),
            interim: Cell::new(&[]),
            ends_answer: Cell::new(false),
            head: RefCell::default(),
        });
        let watch = ClientWatch(shared.clone());
        (Self { shared, unread: None, replaced: None }, watch)
    }

    /// Fails once the client has read nothing for [`UNREAD_MAX`].
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
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
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            unread.timer.as_mut().reset(due);
        }
    }

    /// Writes what `write` writes, after the rest of an interim answer.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let begins = self.shared.is_flushed.replace(false);
        if self.replaced.is_none()
            && let Some(refusal) = refusal(bytes, &self.shared.head.borrow())
        {
            self.shared.interim.set(refusal);
            self.replaced = Some(bytes.len());
        }
        if begins {
            self.shared.head.borrow_mut().note_answer(bytes);
        }
        let mut stream = self.shared.stream.borrow_mut();
        while let rest @ [_, ..] = self.shared.interim.get() {
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(sent) => {
                    self.shared.interim.set(rest.get(sent?..).unwrap_or_default());
                }
                Poll::Pending => {
                    drop(stream);
                    return self.poll_unread(cx).map(Err);
                }
            }
        }
        if let Some(written) = self.replaced.take() {
            return Poll::Ready(Ok(written));
        }
        let sent = write(Pin::new(&mut *stream), cx);
        drop(stream);
        match sent {
            Poll::Ready(sent) => {
                if let Some(unread) = &mut self.unread {
                    unread.since = Instant::now();
                }
                Poll::Ready(sent)
            }
            Poll::Pending => self.poll_unread(cx).map(Err),
        }
    }
}

impl<S: Stream> AsyncRead for ClientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.shared.stream.borrow_mut()).poll_read(cx, buf);
        refusal::misspell_http2(buf.filled_mut().get_mut(before..).unwrap_or_default());
        self.shared.head.borrow_mut().note(buf.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<S: Stream> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.first().map_or(&[][..], |first| first);
        self.poll_send(cx, first, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.shared.stream.borrow().is_write_vectored()
    }

    /// Called by hyper once all of an answer was written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.is_flushed.set(true);
        Pin::new(&mut *self.shared.stream.borrow_mut()).poll_flush(cx)
    }

    /// Called by hyper once the last answer is complete, and never after an error.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shared.ends_answer.take() {
            self.shared.stream.borrow().reset_on_close(false);
        }
        Pin::new(&mut *self.shared.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl<S: Stream> ClientWatch<S> {
    /// Notes that hyper has read the head of a request, whose body has so many bytes; none where it
    /// arrives in chunks. To be called before hyper reads on.
    pub(super) fn head_was_read(&self, body_bytes: Option<u64>) {
        self.0.head.borrow_mut().was_read(body_bytes);
    }

    /// Returns whether hyper closes the connection after an answer now, since a part of the
    /// request's body did not arrive. Not known for a body in chunks.
    pub(super) fn lacks_body(&self) -> bool {
        self.0.head.borrow().lacks_body()
    }

    /// Sets the connection to be reset if it ends before hyper closes it: for an answer that only
    /// the end of the connection ends, as a listing's for an HTTP/1.0 client. A clean end would
    /// make an incomplete answer look complete.
    pub(super) fn ends_answer(&self) {
        self.0.ends_answer.set(true);
        self.0.stream.borrow().reset_on_close(true);
    }

    /// Waits until the client of a waiting request is gone: its connection is broken or, where its
    /// half has ended, it does not respond for its other half. Cancel safe.
    ///
    /// HTTP/1.0 knows no interim answers: such a client counts as gone [`HALF_CLOSED_GRACE`] after
    /// the end of its half.
    pub(super) async fn gone(&self, version: Version) -> io::Error {
        let mut in_doubt: Option<Instant> = None;
        let mut ask = HALF_CLOSED_GRACE;
        loop {
            let state = poll_fn(|cx| self.0.stream.borrow().poll_is_closed(cx)).await;
            let closed = match state.and_then(|closed| self.may_be_gone(closed)) {
                Err(error) => return error,
                Ok(doubt) => doubt,
            };
            if let Some(closed) = closed {
                let since = *in_doubt.get_or_insert_with(Instant::now);
                if since.elapsed() >= ask {
                    ask += ASK_EVERY;
                    if let Err(error) = self.ask(version, closed) {
                        return error;
                    }
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Returns whether the client's half has ended where it may be gone; none where it is there.
    fn may_be_gone(&self, closed: bool) -> io::Result<Option<bool>> {
        let stream = self.0.stream.borrow();
        if closed {
            return stream.check().map(|()| Some(true));
        }
        Ok((stream.unread_bytes()? >= UNREAD_BYTES_HIDE_END).then_some(false))
    }

    /// Sends an interim answer, unless one or other bytes are being sent.
    fn ask(&self, version: Version, closed: bool) -> io::Result<()> {
        if version < Version::HTTP_11 {
            let hung_up = || io::Error::new(io::ErrorKind::UnexpectedEof, "the client hung up");
            return if closed { Err(hung_up()) } else { Ok(()) };
        }
        if !self.0.is_flushed.get() || !self.0.interim.get().is_empty() {
            return Ok(());
        }
        match self.0.stream.borrow().try_send(INTERIM) {
            Ok(sent) => self.0.interim.set(INTERIM.get(sent..).unwrap_or_default()),
            // A full socket buffer has bytes that serve as a probe as well.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
