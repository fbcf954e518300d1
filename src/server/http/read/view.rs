//! Reads of the log: listings, long polls and streams, under a read concern.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use acklog_api::follow::{EventId, Open};
use acklog_api::headers as names;
use acklog_log::{LogReader, ReadError};
use acklog_types::{IdRange, LogEnd, LogId, WriteConcern};
use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY};
use tokio::time::timeout;

use super::accept::{Accepted, ReadForm};

use super::{message, respond};
use crate::contract::sse::TEXT_EVENT_STREAM;
use crate::server::http::accepted::RequestKind;
use crate::server::http::follow::{
    Beginning, FollowForm, FollowHub, FollowStream, Follower, FollowerLimit, SoughtTime, Waiter,
    error_stream,
};
use crate::server::http::known_master::KnownMaster;
use crate::server::http::listing::{ListingForm, ListingRoom, MessageStream};
use crate::server::http::problem::RequestProblem;
use crate::server::http::query::{self, FOLLOW_HAS_NO_TIMEOUT};
use crate::server::http::read_request::{ReadBegin, ReadRequest};
use crate::server::http::response::{APPLICATION_JSON, APPLICATION_NDJSON, ResponseBody, streamed};
use crate::server::node::{ReadLevel, ReadPositions, SecondaryHandle};

/// The name of a header, as the contract has it.
const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// The node's log as one HTTP thread reads it.
pub(in crate::server::http) struct LogView {
    pub(in crate::server::http) log: LogReader,
    pub(in crate::server::http) positions: ReadPositions,
    pub(in crate::server::http) room: ListingRoom,
    pub(in crate::server::http) hub: Rc<FollowHub>,
    pub(in crate::server::http) followers: FollowerLimit,
    /// The read concern of a read that names none.
    pub(in crate::server::http) default_concern: WriteConcern,
    /// The node, where it is a secondary.
    pub(in crate::server::http) secondary: Option<SecondaryHandle>,
}

/// A read whose form and level are known.
#[derive(Clone, Copy, Debug)]
struct KnownRead {
    form: ReadForm,
    level: ReadLevel,
    concern: WriteConcern,
    /// The log that it begins with; none where the node has none yet.
    log: Option<LogId>,
    /// Whether it goes on with what comes later.
    follows: bool,
    /// How long it waits for its first message.
    timeout: Option<Duration>,
    /// Whether nobody gets the body, so that it waits for nothing.
    is_head: bool,
}

impl LogView {
    /// Returns the view of a log that the node has alone.
    #[cfg(test)]
    pub(in crate::server::http) fn of_one_node(log: LogReader, room: ListingRoom) -> Self {
        let positions = ReadPositions::of_one_node(log.clone());
        let (hub, followers) = (FollowHub::new(positions.clone()), FollowerLimit::new(2));
        let default_concern = WriteConcern::Nodes(1);
        Self { log, positions, room, hub, followers, default_concern, secondary: None }
    }

    /// Answers a read. With `is_head` it waits for nothing and follows nothing, since nobody gets
    /// the body.
    ///
    /// # Errors
    /// When the request makes no sense on this node. What else is wrong is the answer, whose
    /// headers tell the positions of the log.
    pub(in crate::server::http) async fn messages(
        &self,
        request: ReadRequest,
        is_head: bool,
        headers: &HeaderMap,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let (form, follows) = form_of(&request, headers)?;
        let last_event = last_event(headers)?.or(request.last_event);
        let concern = request.concern.unwrap_or(self.default_concern);
        let level = self.level(concern).await?;
        let (log, timeout) = (self.positions.log(), request.timeout);
        let read = KnownRead { form, level, concern, log, follows, timeout, is_head };
        let answer = self.answer(read, request, last_event).await;
        let mut response =
            answer.unwrap_or_else(|problem| problem.answer_to(RequestKind::Idempotent));
        self.write_positions(level, response.headers_mut());
        Ok(response)
    }

    /// Answers with one message, as an object, under the read concern of reads that name none.
    ///
    /// # Errors
    /// When the node does not show a message of that id, or cannot read it.
    pub(in crate::server::http) async fn message(
        &self,
        id: u64,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let level = self.level(self.default_concern).await?;
        message((&self.log, &self.room), self.positions.end(level), id).await
    }

    async fn answer(
        &self,
        read: KnownRead,
        request: ReadRequest,
        last_event: Option<EventId>,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let (position, since) = match last_event {
            None => self.begin(request.begin, read.level).await?,
            Some(event) => match self.behind(event, read.log) {
                // Browsers show their page no answer but a stream.
                Err(problem @ RequestProblem::OtherLog { .. }) if read.follows && !read.is_head => {
                    let body = ResponseBody::Full(Some(error_stream(read.stream_form(), problem)));
                    return Ok(read.stream(body));
                }
                begin => (begin?, None),
            },
        };
        let log_end = self.positions.log_end();
        if (read.follows || read.timeout.is_some()) && !read.is_head && position > log_end {
            return Err(RequestProblem::BeyondEnd { from: position, end: log_end });
        }
        let (limit, until) = (request.limit, LogEnd::new(request.until));
        let begin = Beginning { position, since, limit, until };
        match read.follows {
            true => self.follow(read, begin),
            false => self.list(read, begin).await,
        }
    }

    /// Answers with a listing, once it has a message or its time is over.
    async fn list(
        &self,
        read: KnownRead,
        mut begin: Beginning,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let waiter = self.hub.waiter(read.level, read.log);
        if let Some(limit) = read.timeout
            && !read.is_head
            && (begin.since.is_some() || self.positions.end(read.level) <= begin.position)
            && begin.end() > begin.position
        {
            let _follower = self.enter()?;
            if let Ok(waited) = timeout(limit, self.first(&waiter, &mut begin)).await {
                waited?;
            }
        }
        let (start, until) = (begin.position, begin.end());
        let end = match begin.since {
            None => self.positions.end(read.level).min(until).max(start),
            Some(_) => start,
        };
        // Behind the end: a message that is shown from here on is of this log.
        waiter.check_log()?;
        let (form, content_type) = match read.form {
            ReadForm::Lines => (ListingForm::LINES, APPLICATION_NDJSON),
            _ => (ListingForm::ARRAY, APPLICATION_JSON),
        };
        let stream = self.stream(IdRange::new(start, end), form);
        let mut response = match read.is_head {
            true => Response::new(ResponseBody::pieces(stream)),
            false => respond(stream, content_type.clone()).await?,
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(VARY, HeaderValue::from_static("accept"));
        // Behind the end there may be messages of before the time that is still to be found.
        if begin.since.is_none() {
            headers.insert(name(names::ACKLOG_NEXT), HeaderValue::from(end.get()));
        }
        Ok(response)
    }

    /// Waits for the first message of a read. When it is cancelled, `begin` is as far as the read
    /// has come.
    async fn first(&self, waiter: &Waiter, begin: &mut Beginning) -> Result<(), RequestProblem> {
        while begin.end() > begin.position {
            poll_fn(|cx| waiter.poll_beyond(begin.position, cx)).await?;
            if begin.since.is_none() {
                break;
            }
            let before = *begin;
            let looked = self.log.aside(move |log| before.again(log)).await;
            *begin = looked.map_err(ReadError::from)??;
        }
        Ok(())
    }

    /// Answers with a stream.
    fn follow(
        &self,
        read: KnownRead,
        begin: Beginning,
    ) -> Result<Response<ResponseBody>, RequestProblem> {
        let position = begin.position;
        if read.is_head {
            let nothing = self.stream(IdRange::empty(position), ListingForm::LINES);
            return Ok(read.stream(ResponseBody::pieces(nothing)));
        }
        let follower = self.enter()?;
        let log = read.log.or_else(|| self.positions.log());
        let open = Open {
            log: log.map(|log| log.to_string()),
            epoch: self.positions.epoch(),
            start: self.positions.log_start().get(),
            end: self.positions.end(read.level).get(),
            next: position.get(),
            read_concern: Some(read.concern),
        };
        let stream = FollowStream::new(
            (self.log.clone(), self.room.clone(), self.positions.clone()),
            (read.stream_form(), begin),
            open,
            (self.hub.waiter(read.level, log), follower),
        );
        let mut response = read.stream(ResponseBody::pieces(stream));
        if let Some(end) = begin.known_end() {
            response.headers_mut().insert(name(names::ACKLOG_NEXT), HeaderValue::from(end.get()));
        }
        Ok(response)
    }

    fn stream(&self, range: IdRange, form: ListingForm) -> MessageStream {
        MessageStream::new(self.log.clone(), self.room.clone(), range, form)
    }

    /// Counts a reader that waits or follows.
    fn enter(&self) -> Result<Follower, RequestProblem> {
        let max = self.followers.max();
        self.followers.enter().ok_or(RequestProblem::TooManyFollowers { max })
    }

    /// Returns the level of a read concern.
    async fn level(&self, concern: WriteConcern) -> Result<ReadLevel, RequestProblem> {
        let size = self.positions.cluster_size();
        let nodes = match (concern, size) {
            (WriteConcern::Majority, _) => return Ok(ReadLevel::Majority),
            (WriteConcern::All, _) => return Ok(ReadLevel::All),
            (WriteConcern::Nodes(0 | 1), _) => return Ok(ReadLevel::Own),
            (WriteConcern::Nodes(nodes), Some(size)) if nodes > u64::from(size) => {
                return Err(RequestProblem::ReadConcern { nodes, size });
            }
            (WriteConcern::Nodes(nodes), _) => nodes,
        };
        let Some(node) = &self.secondary else { return Ok(ReadLevel::Nodes(nodes as u16)) };
        match size {
            None => {
                let master = KnownMaster::of(node).await;
                Err(RequestProblem::ClusterSizeUnknown { nodes, master })
            }
            Some(size) if WriteConcern::word_for(nodes, size).is_none() => {
                let master = KnownMaster::of(node).await;
                Err(RequestProblem::NotMastersRead { nodes, size, master })
            }
            Some(_) => Ok(ReadLevel::Nodes(nodes as u16)),
        }
    }

    /// Returns where a read begins, and the time that may be found there or later.
    async fn begin(
        &self,
        begin: ReadBegin,
        level: ReadLevel,
    ) -> Result<(LogEnd, Option<SoughtTime>), RequestProblem> {
        match begin {
            ReadBegin::From(id) => Ok((LogEnd::new(id), None)),
            ReadBegin::Last(count) => {
                let first = self.positions.end(level).get().saturating_sub(count);
                Ok((LogEnd::new(first).max(self.positions.log_start()), None))
            }
            ReadBegin::Since(ms) => {
                let log_end = self.positions.log_end();
                let found = self.log.aside(move |log| Beginning::seek(log, ms, log_end)).await;
                Ok(found.map_err(ReadError::from)??)
            }
        }
    }

    /// Returns where a read begins that continues behind an event.
    fn behind(&self, given: EventId, log: Option<LogId>) -> Result<LogEnd, RequestProblem> {
        match log {
            Some(log) if EventId::log_part(log) != given.log => {
                Err(RequestProblem::OtherLog { given, log })
            }
            Some(_) if given.epoch <= self.positions.epoch() => {
                Ok(LogEnd::new(given.id.saturating_add(1)))
            }
            _ => Err(RequestProblem::UnknownEpoch { given }),
        }
    }

    /// Writes the headers that tell the positions of the log.
    fn write_positions(&self, level: ReadLevel, headers: &mut HeaderMap) {
        let positions = &self.positions;
        if let Some(log) = positions.log()
            && let Ok(log) = HeaderValue::try_from(log.to_string())
        {
            headers.insert(name(names::ACKLOG_LOG), log);
        }
        let numbers = [
            (names::ACKLOG_EPOCH, positions.epoch()),
            (names::ACKLOG_START, positions.log_start().get()),
            (names::ACKLOG_END, positions.end(level).get()),
        ];
        for (header, number) in numbers {
            headers.insert(name(header), HeaderValue::from(number));
        }
    }
}

impl KnownRead {
    fn stream_form(self) -> FollowForm {
        match self.form {
            ReadForm::Events => FollowForm::Events,
            _ => FollowForm::Lines,
        }
    }

    /// Returns the answer with a stream.
    fn stream(self, body: ResponseBody) -> Response<ResponseBody> {
        let content_type = match self.stream_form() {
            FollowForm::Events => TEXT_EVENT_STREAM,
            FollowForm::Lines => APPLICATION_NDJSON,
        };
        let mut response = streamed(content_type, body);
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        response
    }
}

/// Returns the form of a read, and whether it follows.
fn form_of(request: &ReadRequest, headers: &HeaderMap) -> Result<(ReadForm, bool), RequestProblem> {
    let accepted = Accepted::by(headers.get_all(ACCEPT));
    let problem = |text: &str| RequestProblem::Query(text.to_owned());
    let form = match request.follow {
        true => accepted.preferred_stream().ok_or_else(|| {
            problem(
                "an array cannot go on for ever: to follow, accept application/x-ndjson or \
                 text/event-stream",
            )
        })?,
        false => accepted.preferred(),
    };
    let follows = request.follow || form == ReadForm::Events;
    if follows && request.timeout.is_some() {
        return Err(problem(FOLLOW_HAS_NO_TIMEOUT));
    }
    Ok((form, follows))
}

/// Reads the header that names the last event of a reader that connects again.
fn last_event(headers: &HeaderMap) -> Result<Option<EventId>, RequestProblem> {
    let value = headers.get(names::LAST_EVENT_ID);
    value.map(|id| query::last_event_of(&String::from_utf8_lossy(id.as_bytes()))).transpose()
}
