//! The task of a stream of appends: connects, sends, and sends again what was not answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use acklog_api::{Appended, Problem, ProblemCode};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::AppendStreamOptions;
use super::connection::{AnswerPart, LinesConnection};
use super::entry::StreamedAppend;
use super::in_flight::InFlight;
use crate::answer::NotANode;
use crate::endpoint::Dial;
use crate::error::Cause;
use crate::lines::{LineTooLong, Lines};
use crate::node::CallError;
use crate::nodes::NodesError;
use crate::retry::{Failure, RetryPauses};

/// Bytes of lines that are sent at once. Fewer: more system calls. More: the node begins later.
const PIECE_BYTES: usize = 64 * 1024;

/// Time between two looks at the deadlines. Shorter: more looks. Longer: a deadline is told later.
const DEADLINES_INTERVAL: Duration = Duration::from_millis(250);

/// Time that an answer may take on its way, where appends are not sent again and the node has all
/// of their time. Shorter: a slow line costs answers. Longer: a node that hangs is noticed late.
const NETWORK_MARGIN: Duration = Duration::from_secs(5);

/// The state of a stream of appends.
#[derive(Debug)]
pub(super) struct Sending<D> {
    targets: Vec<D>,
    options: AppendStreamOptions,
    queue: mpsc::UnboundedReceiver<StreamedAppend>,
    /// Whether no more appends come.
    is_closed: bool,
    /// What is sent next, in this order.
    unsent: VecDeque<StreamedAppend>,
    /// What was refused for now, and when it is sent again.
    refused: Vec<StreamedAppend>,
    retry_at: Instant,
    pauses: RetryPauses,
}

/// The end of a connection.
enum ConnectionEnd {
    /// Everything is answered, and nothing more comes.
    Done,
    /// The connection is lost, or the node refuses the stream.
    Failed(Failure),
}

/// The beginning of each line of an answer.
#[derive(Deserialize)]
struct AnsweredLine {
    line: u64,
    /// Of problems only.
    #[serde(default)]
    status: Option<u16>,
}

/// The fault of an answer that no node sends.
#[derive(Debug)]
enum BadAnswer {
    Json(NotANode),
    Long,
}

impl From<serde_json::Error> for BadAnswer {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.into())
    }
}

impl From<LineTooLong> for BadAnswer {
    fn from(_: LineTooLong) -> Self {
        Self::Long
    }
}

impl From<BadAnswer> for Failure {
    fn from(error: BadAnswer) -> Self {
        let cause = match error {
            BadAnswer::Json(error) => Cause::NotANode(error),
            BadAnswer::Long => Cause::CutOff,
        };
        Self::of_cause(cause, true)
    }
}

impl<D: Dial> Sending<D> {
    pub(super) fn new(
        targets: Vec<D>,
        options: AppendStreamOptions,
        queue: mpsc::UnboundedReceiver<StreamedAppend>,
    ) -> Self {
        Self {
            targets,
            options,
            queue,
            is_closed: false,
            unsent: VecDeque::new(),
            refused: Vec::new(),
            retry_at: Instant::now(),
            pauses: RetryPauses::new(),
        }
    }

    /// Sends until everything is answered and nothing more comes.
    pub(super) async fn run(mut self) {
        let mut pauses = RetryPauses::new();
        // When a node answered last, or was needed first.
        let mut since = None;
        while self.waits_for_work().await {
            let begin = *since.get_or_insert_with(Instant::now);
            let mut failures = Vec::new();
            for target in self.targets.clone() {
                let mut has_answered = false;
                match self.send_over(&target, &mut has_answered).await {
                    ConnectionEnd::Done => return,
                    ConnectionEnd::Failed(failure) => failures.push(failure),
                }
                if has_answered {
                    (since, pauses) = (None, RetryPauses::new());
                    failures.clear();
                }
            }
            self.end_overdue(Duration::ZERO);
            let is_final = failures.iter().any(|failure| !failure.retry)
                && failures.iter().all(|failure| !failure.retry || is_unreachable(failure));
            let is_late = since.is_some() && begin.elapsed() >= self.options.patience;
            if is_final || is_late || self.targets.is_empty() {
                let causes = failures.into_iter().map(|failure| failure.cause).collect();
                self.fail_all(Cause::of_all(causes));
                since = None;
            } else {
                sleep(pauses.pause()).await;
            }
        }
    }

    /// Waits until there is something to send; returns whether there is.
    async fn waits_for_work(&mut self) -> bool {
        if self.unsent.is_empty() && !self.refused.is_empty() {
            sleep_until(self.retry_at).await;
            self.send_refused_again();
        }
        if self.unsent.is_empty() && !self.is_closed {
            match self.queue.recv().await {
                Some(append) => self.unsent.push_back(append),
                None => self.is_closed = true,
            }
        }
        !self.unsent.is_empty()
    }

    /// Sends over one connection until it ends. What was not answered is sent again.
    async fn send_over(&mut self, target: &D, has_answered: &mut bool) -> ConnectionEnd {
        let connection = match LinesConnection::open(target).await {
            Ok(connection) => connection,
            Err(error) => {
                let cause = NodesError::from(CallError::from(error)).into();
                return ConnectionEnd::Failed(Failure::of_cause(cause, true));
            }
        };
        let mut flight = InFlight::default();
        let end = self.exchange(target, connection, &mut flight, has_answered).await;
        let lost = flight.into_unanswered().map(|mut append| {
            append.lost();
            append
        });
        let lost: Vec<_> = lost.collect();
        self.send_first(lost);
        end
    }

    /// Writes lines and reads answers until the connection ends.
    async fn exchange(
        &mut self,
        target: &D,
        mut connection: LinesConnection,
        flight: &mut InFlight,
        has_answered: &mut bool,
    ) -> ConnectionEnd {
        let (mut lines, mut is_writable) = (Lines::default(), true);
        let mut looks = interval(DEADLINES_INTERVAL);
        loop {
            let is_idle = self.unsent.is_empty() && self.refused.is_empty();
            if is_idle && self.is_closed && flight.is_empty() {
                connection.end().await;
                return ConnectionEnd::Done;
            }
            tokio::select! {
                part = connection.answers.recv() => match part {
                    Some(Ok(AnswerPart::Taken)) => {}
                    Some(Ok(AnswerPart::Piece(piece))) => {
                        if let Err(error) = self.answered(&piece, &mut lines, flight) {
                            return ConnectionEnd::Failed(error.into());
                        }
                        *has_answered = true;
                    }
                    Some(Err(failure)) => return ConnectionEnd::Failed(failure),
                    None => return ConnectionEnd::Failed(ended(target)),
                },
                room = connection.lines.reserve(), if is_writable && !self.unsent.is_empty() => {
                    match room {
                        Ok(room) => room.send(self.next_piece(flight).into()),
                        // The connection breaks: why, comes as its answer.
                        Err(_) => is_writable = false,
                    }
                }
                append = self.queue.recv(), if self.unsent.is_empty() && !self.is_closed => {
                    match append {
                        Some(append) => self.unsent.push_back(append),
                        None => self.is_closed = true,
                    }
                }
                () = sleep_until(self.retry_at), if !self.refused.is_empty() => {
                    self.send_refused_again();
                }
                now = looks.tick(), if self.options.timeout.is_some() => {
                    if flight.is_overdue(now, self.margin()) {
                        let silent = CallError::Silent(target.endpoint().clone());
                        let cause = NodesError::from(silent).into();
                        return ConnectionEnd::Failed(Failure::of_cause(cause, true));
                    }
                    self.end_overdue(self.margin());
                }
            }
        }
    }

    /// Returns the next lines, which are in flight from here on.
    fn next_piece(&mut self, flight: &mut InFlight) -> Vec<u8> {
        let (now, mut piece) = (Instant::now(), Vec::new());
        while piece.len() < PIECE_BYTES {
            let next = self.unsent.pop_front().or_else(|| self.queue.try_recv().ok());
            let Some(append) = next else { break };
            append.write(now, self.options.retries, &mut piece);
            flight.push(append);
        }
        piece
    }

    /// Answers the appends whose answers are complete with this piece.
    fn answered(
        &mut self,
        piece: &[u8],
        lines: &mut Lines,
        flight: &mut InFlight,
    ) -> Result<(), BadAnswer> {
        lines.add(piece, |line| {
            let AnsweredLine { line: number, status } = serde_json::from_slice(line)?;
            let append = flight.take(number);
            if status.is_none() {
                let appended: Appended = serde_json::from_slice(line)?;
                self.pauses = RetryPauses::new();
                if let Some(append) = append {
                    append.succeed(appended);
                }
            } else {
                let problem: Problem = serde_json::from_slice(line)?;
                if let Some(append) = append {
                    self.refused(append, Problem { line: None, ..problem });
                }
            }
            Ok(())
        })
    }

    /// Answers an append with the node's problem, or has it sent again.
    fn refused(&mut self, mut append: StreamedAppend, problem: Problem) {
        // A node that stops is left like one that was killed.
        let is_tried_again = self.options.retries || problem.code == ProblemCode::Stopping;
        let failure = Failure::of_problem(problem);
        let is_late = append.is_overdue(Instant::now(), Duration::ZERO);
        if !failure.retry || !is_tried_again || is_late {
            return append.refuse(failure);
        }
        append.noted(failure.outcome);
        if self.refused.is_empty() {
            self.retry_at = Instant::now() + self.pauses.pause();
        }
        self.refused.push(append);
    }

    fn send_refused_again(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        self.send_first(refused);
    }

    /// Sends these before all others, each in its place among those that are sent again.
    fn send_first(&mut self, appends: Vec<StreamedAppend>) {
        if appends.is_empty() {
            return;
        }
        self.unsent.extend(appends);
        self.unsent.make_contiguous().sort_by_key(|append| append.number);
    }

    /// Returns the time for which an answer may be late.
    const fn margin(&self) -> Duration {
        if self.options.retries { Duration::ZERO } else { NETWORK_MARGIN }
    }

    /// Answers what was not sent in time.
    fn end_overdue(&mut self, more: Duration) {
        let now = Instant::now();
        let is_overdue = |append: &mut StreamedAppend| append.is_overdue(now, more);
        let (mut late, mut kept) = (Vec::new(), VecDeque::new());
        for mut append in self.unsent.drain(..) {
            if is_overdue(&mut append) { late.push(append) } else { kept.push_back(append) }
        }
        self.unsent = kept;
        late.extend(self.refused.extract_if(.., is_overdue));
        late.into_iter().for_each(|append| append.fail(Cause::NoTime));
    }

    /// Answers everything that waits.
    fn fail_all(&mut self, cause: Cause) {
        let cause = Arc::new(cause);
        let all = self.unsent.drain(..).chain(self.refused.drain(..));
        all.for_each(|append| append.fail(Cause::Stream(Arc::clone(&cause))));
    }
}

fn is_unreachable(failure: &Failure) -> bool {
    matches!(failure.cause, Cause::Nodes(NodesError::Call(CallError::Unreachable(_))))
}

/// Returns the failure of a node that ends its answer while the request goes on: it stops.
fn ended<D: Dial>(target: &D) -> Failure {
    Failure::of_cause(Cause::StreamEnded(target.endpoint().to_string()), true)
}
