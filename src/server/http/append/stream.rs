//! An append stream: lines come in, and their answers go out, over one request.
//!
//! Two halves with a small state between them. A task reads lines and hands them to the core task;
//! the answer's body takes outcomes and renders them. So reading never waits for writing: a client
//! that sends a while before it reads is served. It does wait once [too many](AnswerRoom) lines
//! have no answer, or have one that the client has not taken; a client that takes none for a minute
//! is closed. So both directions hold bounded memory, and nobody waits for ever.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use acklog_api::MessageCopy;
use acklog_log::LogReader;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::answer_room::AnswerRoom;
use super::line_answers::{
    LineKind, LineKinds, ReceiptAnswer, write_accepted, write_answers, write_problem,
};
use super::line_counts::LineCounts;
use super::lines::{LineSplitter, StreamLine};
use super::request::{ParsedAppend, parse_line};
use crate::server::http::body::{BodyLimits, PartialLine};
use crate::server::http::problem::RequestProblem;
use crate::server::http::receipt::copies_of;
use crate::server::http::response::{Attendance, BodyError, BodyPieces, Presence};
use crate::server::http::tally::Tally;
use crate::server::node::{ClientAppend, LineAppender, LineOutcome, LineOutcomes};

/// Bytes of answers that are written at once, about. Smaller: more system calls. Larger: each
/// stream holds more memory.
const CHUNK_BYTES: usize = 64 * 1024;

/// The bytes that are sent to a client that sends nothing more, or whose bytes are not read, to
/// find out whether it is there: white space between two values.
const PROBE: &[u8] = b" ";

/// The state between both halves of a stream.
struct StreamState {
    /// Answers to lines that are not appended.
    refused: RefCell<Vec<u8>>,
    /// Lines in `refused`.
    refused_lines: Cell<usize>,
    kinds: RefCell<LineKinds>,
    counts: LineCounts,
    /// Lines that were read and whose answer is not written.
    waiting: Cell<usize>,
    /// Notified when fewer of them wait.
    answered: Notify,
    reading: Cell<Reading>,
    /// The writing half, while it waits.
    writer: Cell<Option<Waker>>,
}

/// How far the request is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    /// More may come.
    #[default]
    Open,
    /// More may come, for which there is no room. So nobody reads the end of the connection.
    Paused,
    /// All of its lines were read, or as many as the node still reads.
    Ended,
    /// It broke off: the client is gone.
    Broken,
}

impl StreamState {
    /// Creates the state of a stream whose lines count for the thread.
    fn new(tally: Rc<Tally>) -> Self {
        Self {
            refused: RefCell::default(),
            refused_lines: Cell::default(),
            kinds: RefCell::default(),
            counts: LineCounts::new(tally),
            waiting: Cell::default(),
            answered: Notify::default(),
            reading: Cell::default(),
            writer: Cell::default(),
        }
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Notes how far the request is read. The writing half looks after a client that is not read.
    fn set_reading(&self, reading: Reading) {
        if self.reading.replace(reading) != reading && reading != Reading::Open {
            self.wake_writer();
        }
    }

    fn refuse(&self, line: u64, problem: &RequestProblem) {
        write_problem(&mut self.refused.borrow_mut(), line, problem, false);
        self.counts.count_refused(problem);
        self.refused_lines.update(|lines| lines + 1);
        self.wake_writer();
    }
}

/// Takes the lines of a stream one after the other.
struct LineSink {
    state: Rc<StreamState>,
    appender: LineAppender,
    limits: BodyLimits,
    /// The number of the next line.
    line: u64,
    /// The time at which the lines were read that are being taken.
    read_at: Instant,
    answers: AnswerRoom,
}

impl LineSink {
    /// Returns whether there is room for one more line.
    fn has_room(&mut self) -> bool {
        !self.appender.is_full() && self.answers.has_room(self.state.waiting.get())
    }

    fn take(&mut self, line: StreamLine<'_>) {
        let parsed = match line {
            StreamLine::Blank => {
                self.line += 1;
                return self.appender.skip();
            }
            StreamLine::TooLong => Err(self.limits.body_too_long()),
            StreamLine::Body(body) => parse_line(body, self.limits.message_bytes),
        };
        match parsed.and_then(|parsed| self.push(parsed)) {
            Ok(()) => self.next_line(),
            Err(problem) => self.refuse(&problem),
        }
    }

    fn push(&mut self, parsed: ParsedAppend) -> Result<(), RequestProblem> {
        let ParsedAppend { batch, count, wait, expected_end, key } = parsed;
        let kind = LineKind { is_keyed: key.is_some(), count };
        let key = key.map(|key| Box::new(key.into()));
        let append = ClientAppend { batch, key, expected_end, wait, share: None };
        if !self.appender.push(append, |share, bytes| self.limits.hold(share, bytes)) {
            return Err(RequestProblem::TooManyBodies);
        }
        self.state.kinds.borrow_mut().note(self.line, kind);
        self.state.counts.note_read(self.line, self.read_at);
        Ok(())
    }

    /// Answers the next line with a problem. It is not appended.
    fn refuse(&mut self, problem: &RequestProblem) {
        self.appender.skip();
        self.state.refuse(self.line, problem);
        self.next_line();
    }

    fn next_line(&mut self) {
        self.line += 1;
        self.state.waiting.update(|waiting| waiting + 1);
    }
}

/// The reading half.
struct LineReader {
    sink: LineSink,
    splitter: LineSplitter,
    /// The memory of the line that is not complete.
    partial: PartialLine,
}

impl LineReader {
    /// Creates the reading half of a stream, of which nothing is read yet.
    fn new(state: Rc<StreamState>, appender: LineAppender, limits: BodyLimits) -> Self {
        let splitter = LineSplitter::new(limits.body_bytes());
        let answers = AnswerRoom::new(limits.stream_answers.clone());
        let partial = PartialLine::new(limits.clone());
        let read_at = Instant::now();
        let sink = LineSink { state, appender, limits, line: 0, read_at, answers };
        Self { sink, splitter, partial }
    }

    /// Reads the request to its end, or until the node stops.
    async fn run<B>(mut self, first: Option<Bytes>, mut body: B, closing: CancellationToken)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let state = self.sink.state.clone();
        let (mut piece, mut is_over, mut is_cut) = (first.unwrap_or_default(), false, false);
        loop {
            self.take_lines(&mut piece);
            if !is_over && self.sink.appender.is_used_up() {
                // As at a stop.
                (is_over, is_cut) = (true, true);
            }
            if is_over && piece.is_empty() {
                if !std::mem::replace(&mut is_cut, true) {
                    self.splitter.last().into_iter().for_each(|line| self.sink.take(line));
                }
                self.partial.release();
                if self.sink.appender.is_empty() {
                    return state.set_reading(Reading::Ended);
                }
            }
            let has_room = self.sink.has_room();
            if has_room && !piece.is_empty() {
                // Another stream of the node gave its room back since the lines were taken.
                continue;
            }
            let reads = !is_over && piece.is_empty() && has_room;
            state.set_reading(if reads { Reading::Open } else { Reading::Paused });
            tokio::select! {
                biased;
                frame = body.frame(), if reads => match frame {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => piece = data,
                        // Trailers end the body; their content is ignored.
                        Err(_) => is_over = true,
                    },
                    None => is_over = true,
                    Some(Err(_)) => return state.set_reading(Reading::Broken),
                },
                handed = self.sink.appender.hand_over(), if !self.sink.appender.is_empty() => {
                    if handed.is_err() {
                        return state.set_reading(Reading::Broken);
                    }
                }
                () = state.answered.notified(), if !has_room => {}
                () = self.partial.taken() => self.give_up_line(),
                // The lines that came are answered. One that is not complete is none.
                () = closing.cancelled(), if !is_over => (is_over, is_cut) = (true, true),
            }
        }
    }

    /// Takes the lines of a piece, as far as there is room for them.
    fn take_lines(&mut self, piece: &mut Bytes) {
        let mut rest = &piece[..];
        if !rest.is_empty() {
            self.sink.read_at = Instant::now();
        }
        while self.sink.has_room()
            && let Some(line) = self.splitter.next(&mut rest)
        {
            // It is the appender's from here on; another line may begin behind it.
            self.partial.release();
            self.sink.take(line);
        }
        let taken = piece.len() - rest.len();
        piece.advance(taken);
        match self.splitter.partial_bytes() {
            0 => self.partial.release(),
            bytes if self.partial.hold(bytes) => {}
            _ => self.give_up_line(),
        }
    }

    /// Answers the line that is not complete, for which there is no memory.
    fn give_up_line(&mut self) {
        self.splitter.skip_line();
        self.sink.refuse(&RequestProblem::TooManyBodies);
    }
}

/// The writing half: the answer's body.
pub(super) struct AnswerStream {
    state: Rc<StreamState>,
    outcomes: LineOutcomes,
    /// The rest of an outcome that was written in part.
    rest: Option<LineOutcome>,
    log: LogReader,
    /// Answers whose copies are being rendered.
    receipts: JoinSet<(ReceiptAnswer, Option<Vec<MessageCopy>>)>,
    /// The reading half, until it begins.
    reader: Option<(LineReader, Option<Bytes>, Incoming)>,
    /// The task that reads.
    task: Option<AbortHandle>,
    presence: Option<Box<dyn Presence>>,
}

impl AnswerStream {
    /// Creates a stream of these lines, of which the first piece may have been read.
    pub(super) fn new(
        (appender, outcomes): (LineAppender, LineOutcomes),
        (log, tally): (LogReader, Rc<Tally>),
        limits: BodyLimits,
        first: Option<Bytes>,
        body: Incoming,
    ) -> Self {
        let state = Rc::new(StreamState::new(tally));
        let reader = Some((LineReader::new(state.clone(), appender, limits), first, body));
        let receipts = JoinSet::new();
        Self { state, outcomes, rest: None, log, receipts, reader, task: None, presence: None }
    }

    /// Writes the answers that are there, about a chunk of them. Returns how many lines that are.
    fn write(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> usize {
        out.append(&mut self.state.refused.borrow_mut());
        let (mut lines, now) = (self.state.refused_lines.take(), Instant::now());
        while out.len() < CHUNK_BYTES {
            let next = match self.rest.take() {
                Some(rest) => rest,
                None => match self.outcomes.poll_next(cx) {
                    Poll::Ready(next) => {
                        self.state.counts.count_answered(now, &next);
                        next
                    }
                    Poll::Pending => break,
                },
            };
            let (count, mut receipts) = (next.count, Vec::new());
            let kinds = &mut self.state.kinds.borrow_mut();
            self.rest = write_answers(out, &mut receipts, next, kinds, CHUNK_BYTES);
            lines += (count - self.rest.as_ref().map_or(0, |rest| rest.count)) as usize;
            lines -= receipts.len();
            for answer in receipts {
                let log = self.log.clone();
                self.receipts.spawn_local(async move {
                    let copies = copies_of(&log, &answer.accepted).await;
                    (answer, copies)
                });
            }
        }
        while out.len() < CHUNK_BYTES
            && let Poll::Ready(Some(Ok((answer, copies)))) = self.receipts.poll_join_next(cx)
        {
            write_accepted(out, answer.line, &answer.accepted, copies.as_deref());
            lines += 1;
        }
        lines
    }
}

impl BodyPieces for AnswerStream {
    fn reads_request(&self) -> bool {
        true
    }

    fn begin(&mut self, Attendance { presence, closing }: Attendance) {
        if let Some((reader, first, body)) = self.reader.take() {
            let task = tokio::task::spawn_local(reader.run(first, body, closing));
            self.task = Some(task.abort_handle());
        }
        self.presence = Some(presence);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut out = Vec::new();
        let lines = self.write(cx, &mut out);
        if !out.is_empty() {
            self.state.waiting.update(|waiting| waiting - lines);
            self.state.answered.notify_one();
            return Poll::Ready(Some(Ok(out.into())));
        }
        match self.state.reading.get() {
            Reading::Broken => {
                let gone = io::Error::new(io::ErrorKind::UnexpectedEof, "the client hung up");
                return Poll::Ready(Some(Err(gone.into())));
            }
            Reading::Ended if self.state.waiting.get() == 0 => return Poll::Ready(None),
            Reading::Paused | Reading::Ended => {
                if let Poll::Ready(probe) = self.presence.poll_probe(cx) {
                    return Poll::Ready(Some(match probe {
                        Ok(()) => Ok(Bytes::from_static(PROBE)),
                        Err(gone) => Err(gone.into()),
                    }));
                }
            }
            // The reading half notices.
            Reading::Open => {}
        }
        self.state.writer.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for AnswerStream {
    /// Ends the reading half with the answer: the client is gone, or all is answered.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
