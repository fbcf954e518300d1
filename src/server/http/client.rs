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
mod socket;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

pub(super) use self::refusal::RefusedBytes;
use self::refusal::{RequestHead, refusal};
pub(super) use self::socket::{OnClose, Stream};
use super::response::Presence;
use crate::server::patience::UnreadLimit;

/// Longest head of a request, in bytes: far more than any request to a node needs.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Time for the answer after the client's half has ended, before the client is probed. Shorter:
/// clients that shut down their sending half see interim answers where the final one is a moment
/// away. Longer: clients that hung up are noticed later.
const HALF_CLOSED_GRACE: Duration = Duration::from_secs(2);

/// Time between two checks of a connection that the system does not report on any more.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Time between two interim answers to a client whose half has ended. Shorter: more bytes for
/// clients that do read. Longer: one that hangs up later is noticed later.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// Unread bytes after a waiting request from which on the end of the client's half may be hidden:
/// it arrives only after the bytes sent before it, and these may not fit. Less than any window that
/// the system grants; more than a client sends by mistake.
const UNREAD_BYTES_HIDE_END: u64 = 16 * 1024;

/// The probe of a client that may be gone.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The reason why a client may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Its half of the connection has ended.
    HalfClosed,
    /// So many bytes of it are unread that the end of its half may be hidden behind them.
    EndHidden,
}

/// The state that hyper's end and the watching end of a connection share.
struct ClientState<S> {
    stream: RefCell<UnreadLimit<S>>,
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
    /// The bytes that were answered as no request, after which the connection ends.
    refused: Cell<Option<RefusedBytes>>,
}

/// hyper's end of a connection.
pub(super) struct ClientStream<S: Stream> {
    shared: Rc<ClientState<S>>,
    /// Bytes of hyper's that are replaced by another answer.
    replaced: Option<usize>,
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
            stream: RefCell::new(UnreadLimit::new(stream)),
            is_flushed: Cell::new(true),
            interim: Cell::new(&[]),
            ends_answer: Cell::new(false),
            head: RefCell::default(),
            refused: Cell::default(),
        });
        let watch = ClientWatch(shared.clone());
        (Self { shared, replaced: None }, watch)
    }

    /// Writes what `write` writes, after the rest of an interim answer.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        write: impl FnOnce(Pin<&mut UnreadLimit<S>>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let begins = self.shared.is_flushed.replace(false);
        if self.replaced.is_none()
            && let Some(refused) = refusal(bytes, &self.shared.head.borrow())
        {
            self.shared.interim.set(refused.answer);
            self.shared.refused.set(Some(refused));
            self.replaced = Some(bytes.len());
        }
        if begins {
            self.shared.head.borrow_mut().note_answer(bytes);
        }
        let mut stream = self.shared.stream.borrow_mut();
        while let rest @ [_, ..] = self.shared.interim.get() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            self.shared.interim.set(rest.get(sent..).unwrap_or_default());
        }
        if let Some(written) = self.replaced.take() {
            return Poll::Ready(Ok(written));
        }
        write(Pin::new(&mut *stream), cx)
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
            self.shared.stream.borrow().get_ref().set_on_close(OnClose::End);
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

    /// Returns the bytes that were answered as no request; none if there were none.
    pub(super) fn refused(&self) -> Option<RefusedBytes> {
        self.0.refused.get()
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
        self.0.stream.borrow().get_ref().set_on_close(OnClose::Reset);
    }

    /// Returns what tells an answer that is streamed whether its client is there.
    pub(super) fn presence(&self) -> ClientPresence<S> {
        ClientPresence { watch: self.clone(), timer: None, next: NextProbe::default() }
    }

    /// Waits until the client of a waiting request is gone: its connection is broken or, where its
    /// half has ended, it does not respond for its other half. Cancel safe.
    ///
    /// HTTP/1.0 knows no interim answers: such a client counts as gone [`HALF_CLOSED_GRACE`] after
    /// the end of its half.
    pub(super) async fn gone(&self, version: Version) -> io::Error {
        let mut next = NextProbe::default();
        loop {
            let state = poll_fn(|cx| self.0.stream.borrow().get_ref().poll_is_closed(cx)).await;
            let doubt = match state.and_then(|is_closed| self.doubt(is_closed)) {
                Err(error) => return error,
                Ok(doubt) => doubt,
            };
            if next.is_due(doubt)
                && let Some(doubt) = doubt
                && let Err(error) = self.probe(version, doubt)
            {
                return error;
            }
            sleep(CHECK_EVERY).await;
        }
    }

    /// Returns why the client may be gone; none where it is there.
    fn doubt(&self, is_closed: bool) -> io::Result<Option<Doubt>> {
        let stream = self.0.stream.borrow();
        let stream = stream.get_ref();
        if is_closed {
            return stream.check().map(|()| Some(Doubt::HalfClosed));
        }
        Ok((stream.unread_bytes()? >= UNREAD_BYTES_HIDE_END).then_some(Doubt::EndHidden))
    }

    /// Sends an interim answer, unless one or other bytes are being sent.
    fn probe(&self, version: Version, doubt: Doubt) -> io::Result<()> {
        if version < Version::HTTP_11 {
            return match doubt {
                Doubt::HalfClosed => {
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client hung up"))
                }
                Doubt::EndHidden => Ok(()),
            };
        }
        if !self.0.is_flushed.get() || !self.0.interim.get().is_empty() {
            return Ok(());
        }
        match self.0.stream.borrow().get_ref().try_send(INTERIM) {
            Ok(sent) => self.0.interim.set(INTERIM.get(sent..).unwrap_or_default()),
            // A full socket buffer has bytes that serve as a probe as well.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The time of the next probe.
#[derive(Debug, Default)]
struct NextProbe(Option<Instant>);

impl NextProbe {
    /// Returns whether a client is to be probed now that is in this doubt.
    fn is_due(&mut self, doubt: Option<Doubt>) -> bool {
        if doubt.is_none() {
            self.0 = None;
            return false;
        }
        let now = Instant::now();
        let due = self.0.get_or_insert(now + HALF_CLOSED_GRACE);
        let is_due = now >= *due;
        if is_due {
            *due = now + PROBE_EVERY;
        }
        is_due
    }
}

/// Tells an answer that is streamed when its client is to be probed. Interim answers cannot be sent
/// inside of an answer, so the answer itself sends something.
pub(super) struct ClientPresence<S> {
    watch: ClientWatch<S>,
    /// The time of the next check.
    timer: Option<Pin<Box<Sleep>>>,
    next: NextProbe,
}

impl<S: Stream> Presence for ClientPresence<S> {
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            let is_closed = ready!(self.watch.0.stream.borrow().get_ref().poll_is_closed(cx))?;
            let doubt = self.watch.doubt(is_closed)?;
            self.timer = Some(Box::pin(sleep(CHECK_EVERY)));
            if self.next.is_due(doubt) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
