//! The stream of messages to one follower.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use acklog_api::follow::{CAUGHT_UP_EVENT, CaughtUp, Open, SIGN_OF_LIFE_SECONDS, TAIL_EVENT, Tail};
use acklog_log::{LogReader, ReadError};
use acklog_threads::WorkHandle;
use acklog_types::{IdRange, LogEnd, MessageId, rfc3339};
use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::begin::Beginning;
use super::form::{FollowForm, error_event, error_stream, opening, probe};
use super::hub::Waiter;
use super::limit::Follower;
use super::pages::Place;
use crate::contract::sse;
use crate::server::http::listing::{ListingForm, ListingRoom, MessageStream};
use crate::server::http::problem::RequestProblem;
use crate::server::http::response::{Attendance, BodyError, BodyPieces, Presence};
use crate::server::node::ReadPositions;

/// Time without messages after which a follower is sent a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(SIGN_OF_LIFE_SECONDS);

/// The place of a stream, and its end.
#[derive(Clone, Copy, Debug)]
struct StreamPlace {
    /// The next message.
    position: LogEnd,
    /// The first message of the batch in the middle of which that lies; none between batches.
    batch: Option<MessageId>,
    /// The end of what the follower asked for.
    until: LogEnd,
}

/// A look at the log for the beginning of a stream, and for the batch in which that lies.
type Look = WorkHandle<Result<(Beginning, Option<MessageId>), ReadError>>;

/// The stream of messages to one follower. It ends when it has all that the follower asked for,
/// when the node stops, or with an error that it tells.
pub(in crate::server::http) struct FollowStream {
    log: LogReader,
    room: ListingRoom,
    positions: ReadPositions,
    waiter: Waiter,
    form: FollowForm,
    /// The form of each message, once the log is known.
    listing: Option<ListingForm>,
    /// The beginning, as long as it is not known for certain.
    beginning: Option<Beginning>,
    look: Option<Look>,
    place: StreamPlace,
    /// The messages up to this end, read for this follower alone.
    alone: Option<(Box<MessageStream>, LogEnd)>,
    /// What is sent next, whatever the log does.
    next: Option<Bytes>,
    /// The event `open`, as long as it is not known where the stream begins, which it tells.
    open: Option<Open>,
    caught_up: bool,
    is_done: bool,
    /// Whether other connections of the thread ran since the last page.
    yielded: bool,
    /// When something was sent last.
    sent: Instant,
    sign_of_life: Pin<Box<Sleep>>,
    presence: Option<Box<dyn Presence>>,
    _follower: Follower,
}

impl FollowStream {
    /// Creates a stream. One of events begins with `open`, once it is known where that is.
    pub(in crate::server::http) fn new(
        (log, room, positions): (LogReader, ListingRoom, ReadPositions),
        (form, beginning): (FollowForm, Beginning),
        open: Open,
        (waiter, follower): (Waiter, Follower),
    ) -> Self {
        let is_events = form == FollowForm::Events;
        let Beginning { position, since, .. } = beginning;
        let place = StreamPlace { position, batch: None, until: beginning.end() };
        let open = is_events.then_some(open);
        let (open, next) = match since.is_some() && place.until > position {
            true => (open, None),
            false => (None, open.as_ref().map(opening)),
        };
        // Lines do not tell of batches, and the log begins with none open.
        let is_known = since.is_none() && !(is_events && position > LogEnd::ZERO);
        let beginning = (!is_known).then_some(beginning);
        Self {
            log,
            room,
            positions,
            waiter,
            form,
            listing: None,
            beginning,
            look: None,
            place,
            alone: None,
            next,
            open,
            caught_up: !is_events,
            is_done: false,
            yielded: true,
            sent: Instant::now(),
            sign_of_life: Box::pin(sleep(SIGN_OF_LIFE)),
            presence: None,
            _follower: follower,
        }
    }

    /// Returns the next messages; pending while there are none. None at the end.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(piece) = ready!(self.poll_alone(cx)) {
                return Poll::Ready(Some(piece));
            }
            if self.is_done || self.place.position >= self.place.until {
                return Poll::Ready(None);
            }
            let end = match ready!(self.waiter.poll_beyond(self.place.position, cx)) {
                Ok(end) => end,
                Err(RequestProblem::Stopped) => return Poll::Ready(None),
                Err(problem) => return Poll::Ready(Some(self.end_with(problem))),
            };
            if self.beginning.is_some() {
                if let Err(error) = ready!(self.poll_begin(cx)) {
                    return Poll::Ready(Some(self.end_with(error.into())));
                }
                if self.beginning.is_none()
                    && let Some(open) = self.open.take()
                {
                    let (end, next) = (self.waiter.end().get(), self.place.position.get());
                    return Poll::Ready(Some(opening(&Open { end, next, ..open })));
                }
                continue;
            }
            if !std::mem::replace(&mut self.yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(page) = self.page(end.min(self.place.until)) {
                return Poll::Ready(Some(page));
            }
        }
    }

    /// Looks where the stream begins, once there is a message beyond that.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        let Some(beginning) = self.beginning else { return Poll::Ready(Ok(())) };
        let look = self.look.get_or_insert_with(|| {
            self.log.aside(move |log| {
                let beginning = beginning.again(log)?;
                Ok((beginning, beginning.open_batch(log)?))
            })
        });
        let looked = ready!(Pin::new(look).poll(cx));
        self.look = None;
        let (beginning, batch) = looked.map_err(ReadError::from)??;
        self.place = StreamPlace { position: beginning.position, batch, until: beginning.end() };
        self.beginning = beginning.since.map(|_| beginning);
        Poll::Ready(Ok(()))
    }

    /// Returns the next piece of what is read for this follower alone; none where it is to go on
    /// with shared pages.
    fn poll_alone(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((stream, end)) = &mut self.alone else { return Poll::Ready(None) };
        if self.waiter.is_closing() && stream.is_between_messages() {
            (self.alone, self.is_done) = (None, true);
            return Poll::Ready(None);
        }
        let piece = match ready!(stream.poll_chunk(cx)) {
            Some(Ok(piece)) => Some(piece),
            Some(Err(error)) => Some(self.end_with(error.into())),
            None => {
                (self.place.position, self.place.batch) = (*end, stream.open_batch());
                self.alone = None;
                None
            }
        };
        Poll::Ready(piece)
    }

    /// Ends the stream, and returns how it tells why.
    fn end_with(&mut self, problem: RequestProblem) -> Bytes {
        (self.alone, self.is_done) = (None, true);
        match self.open.take() {
            Some(_) => error_stream(self.form, problem),
            None => error_event(self.form, problem),
        }
    }

    /// Returns a shared page; none where the follower reads for itself from now on.
    fn page(&mut self, until: LogEnd) -> Option<Bytes> {
        let form = self.form;
        let listing = self.listing.get_or_insert_with(|| match form {
            FollowForm::Lines => ListingForm::LINES,
            FollowForm::Events => {
                let log = self.waiter.log().expect("messages come from a log");
                ListingForm::events(log, self.positions.epoch())
            }
        });
        let StreamPlace { position, batch, .. } = self.place;
        let place = Place { position, batch, until, form, listing };
        if let Some(page) = self.waiter.hub().pages.page(&self.log, place) {
            (self.place.position, self.place.batch) = (page.end, page.open_batch);
            return Some(page.bytes);
        }
        let range = IdRange::new(position, until);
        let stream =
            MessageStream::new(self.log.clone(), self.room.clone(), range, listing.clone());
        self.alone = Some((Box::new(stream.in_batch(batch)), until));
        None
    }

    /// Returns whether a message, or a part of one, is on its way to the client.
    fn is_sending(&self) -> bool {
        self.alone.as_ref().is_some_and(|(stream, _)| !stream.waits_between_messages())
    }

    /// Returns what is sent beside messages: that everything was sent, once, and signs of life.
    fn poll_beside(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let end = self.waiter.end().get();
        if !self.caught_up && self.open.is_none() && self.place.position.get() >= end {
            self.caught_up = true;
            return Poll::Ready(sse::event(CAUGHT_UP_EVENT, &CaughtUp { end }));
        }
        loop {
            ready!(self.sign_of_life.as_mut().poll(cx));
            let due = self.sent + SIGN_OF_LIFE;
            if due <= Instant::now() {
                break;
            }
            self.sign_of_life.as_mut().reset(due);
        }
        self.sign_of_life.as_mut().reset(Instant::now() + SIGN_OF_LIFE);
        let time = rfc3339(SystemTime::now());
        Poll::Ready(match self.form {
            FollowForm::Lines => Bytes::from_static(b"{}\n"),
            FollowForm::Events if self.open.is_some() => probe(self.form),
            FollowForm::Events => sse::event(TAIL_EVENT, &Tail { end, time }),
        })
    }
}

impl BodyPieces for FollowStream {
    fn attends(&self) -> bool {
        true
    }

    fn begin(&mut self, Attendance { presence, .. }: Attendance) {
        self.presence = Some(presence);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = match self.next.take() {
            Some(next) => Some(next),
            None => match self.poll_messages(cx) {
                Poll::Ready(piece) => {
                    self.yielded = false;
                    piece
                }
                // Here what is written finds out whether the client is there.
                Poll::Pending if self.is_sending() => return Poll::Pending,
                Poll::Pending => match self.poll_beside(cx) {
                    Poll::Ready(piece) => Some(piece),
                    // It is no sign of life, which still comes in its time.
                    Poll::Pending => {
                        let probed = ready!(self.presence.poll_probe(cx));
                        let probed = probed.map(|()| probe(self.form));
                        return Poll::Ready(Some(probed.map_err(Into::into)));
                    }
                },
            },
        };
        self.sent = Instant::now();
        Poll::Ready(piece.map(Ok))
    }
}
