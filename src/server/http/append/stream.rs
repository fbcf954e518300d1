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

use acklog_api::MessageCopy;
use acklog_types::Share;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::answer_room::AnswerRoom;
use super::line_answers::{
    LineKind, LineKinds, ReceiptAnswer, write_accepted, write_answers, write_problem,
};
use super::lines::{LineSplitter, StreamLine};
use super::request::{ParsedAppend, parse_line};
use crate::server::http::body::BodyLimits;
use crate::server::http::problem::RequestProblem;
use crate::server::http::receipt::copies_of;
use crate::server::http::response::{Attendance, BodyError, BodyPieces, Presence};
use crate::server::node::{ClientAppend, LineAppender, LineOutcome, LineOutcomes, MasterHandle};

/// Bytes of answers that are written at once, about. Smaller: more system calls. Larger: each
/// stream holds more memory.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is sent to a client that ended its half, to find out whether it is there: white space
/// between two values.
const PROBE: &[u8] = b" ";

/// The state between both halves of a stream.
#[derive(Default)]
struct StreamState {
    /// Answers to lines that are not appended.
    refused: RefCell<Vec<u8>>,
    /// Lines in `refused`.
    refused_lines: Cell<usize>,
    kinds: RefCell<LineKinds>,
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
    /// All of its lines were read, or as many as the node still reads.
    Ended,
    /// It broke off: the client is gone.
    Broken,
}

impl StreamState {
    fn wake_writer(&self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn end(&self, reading: Reading) {
        self.reading.set(reading);
        self.wake_writer();
    }

    fn refuse(&self, line: u64, problem: &RequestProblem) {
        write_problem(&mut self.refused.borrow_mut(), line, problem, false);
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
        let ParsedAppend { batch, count, wait, expected_end, key, receipt } = parsed;
        let kind = LineKind { is_keyed: key.is_some(), count, receipt };
        let key = key.map(|key| Box::new(key.into()));
        let append = ClientAppend { batch, key, expected_end, wait, share: None };
        if !self.appender.push(append, |share, bytes| self.limits.hold(share, bytes)) {
            return Err(RequestProblem::TooManyBodies);
        }
        self.state.kinds.borrow_mut().note(self.line, kind);
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
    partial: Option<Share>,
}

impl LineReader {
    /// Reads the request to its end, or until the node stops.
    async fn run(mut self, first: Option<Bytes>, mut body: Incoming, closing: CancellationToken) {
        let state = self.sink.state.clone();
        let (mut piece, mut is_over, mut is_cut) = (first.unwrap_or_default(), false, false);
        loop {
            self.take_lines(&mut piece);
            if is_over && piece.is_empty() {
                if !std::mem::replace(&mut is_cut, true) {
                    self.splitter.last().into_iter().for_each(|line| self.sink.take(line));
                }
                if self.sink.appender.is_empty() {
                    return state.end(Reading::Ended);
                }
            }
            let has_room = self.sink.has_room();
            let reads = !is_over && piece.is_empty() && has_room;
            tokio::select! {
                biased;
                frame = body.frame(), if reads => match frame {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => piece = data,
                        // Trailers end the body; their content is ignored.
                        Err(_) => is_over = true,
                    },
                    None => is_over = true,
                    Some(Err(_)) => return state.end(Reading::Broken),
                },
                handed = self.sink.appender.hand_over(), if !self.sink.appender.is_empty() => {
                    if handed.is_err() {
                        return state.end(Reading::Broken);
                    }
                }
                () = state.answered.notified(), if !has_room => {}
                // The lines that came are answered. One that is not complete is none.
                () = closing.cancelled(), if !is_over => (is_over, is_cut) = (true, true),
            }
        }
    }

    /// Takes the lines of a piece, as far as there is room for them.
    fn take_lines(&mut self, piece: &mut Bytes) {
        let mut rest = &piece[..];
        while self.sink.has_room()
            && let Some(line) = self.splitter.next(&mut rest)
        {
            self.sink.take(line);
        }
        let taken = piece.len() - rest.len();
        piece.advance(taken);
        match self.splitter.partial_bytes() {
            0 => self.partial = None,
            bytes => {
                if !self.sink.limits.hold(&mut self.partial, bytes) {
                    self.splitter.skip_line();
                    self.partial = None;
                    self.sink.refuse(&RequestProblem::TooManyBodies);
                }
            }
        }
    }
}

/// The writing half: the answer's body.
pub(super) struct AnswerStream {
    state: Rc<StreamState>,
    outcomes: LineOutcomes,
    /// The rest of an outcome that was written in part.
    rest: Option<LineOutcome>,
    master: MasterHandle,
    /// Answers for which the copies are being fetched.
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
        master: MasterHandle,
        limits: BodyLimits,
        first: Option<Bytes>,
        body: Incoming,
    ) -> Self {
        let (state, splitter) = (Rc::default(), LineSplitter::new(limits.body_bytes()));
        let answers = AnswerRoom::new(limits.stream_answers.clone());
        let sink = LineSink { state: Rc::clone(&state), appender, limits, line: 0, answers };
        let reader = Some((LineReader { sink, splitter, partial: None }, first, body));
        let receipts = JoinSet::new();
        Self { state, outcomes, rest: None, master, receipts, reader, task: None, presence: None }
    }

    /// Writes the answers that are there, about a chunk of them. Returns how many lines that are.
    fn write(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> usize {
        out.append(&mut self.state.refused.borrow_mut());
        let mut lines = self.state.refused_lines.take();
        while out.len() < CHUNK_BYTES {
            let next = match self.rest.take() {
                Some(rest) => rest,
                None => match self.outcomes.poll_next(cx) {
                    Poll::Ready(next) => next,
                    Poll::Pending => break,
                },
            };
            let (count, mut receipts) = (next.count, Vec::new());
            let kinds = &mut self.state.kinds.borrow_mut();
            self.rest = write_answers(out, &mut receipts, next, kinds, CHUNK_BYTES);
            lines += (count - self.rest.as_ref().map_or(0, |rest| rest.count)) as usize;
            lines -= receipts.len();
            for answer in receipts {
                let master = self.master.clone();
                self.receipts.spawn_local(async move {
                    let copies = copies_of(&master, &answer.accepted).await;
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
            Reading::Ended => {
                // Before that the reading half notices.
                if let Some(presence) = &mut self.presence
                    && let Poll::Ready(probe) = presence.poll_probe(cx)
                {
                    return Poll::Ready(Some(match probe {
                        Ok(()) => Ok(Bytes::from_static(PROBE)),
                        Err(gone) => Err(gone.into()),
                    }));
                }
            }
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
