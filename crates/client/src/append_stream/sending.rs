//! The task of a stream of appends: connects, sends, and sends again what was not answered.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use acklog_api::{Appended, Outcome, Problem, ProblemCode};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};

use super::AppendStreamOptions;
use super::connection::{AnswerPart, LinesConnection};
use super::entry::StreamedAppend;
use super::in_flight::InFlight;
use super::waiting::Waiting;
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

/// Time that an answer may take on its way. Shorter: a slow line costs answers, and the connection
/// of all others. Longer: a node that hangs is noticed late.
const NETWORK_MARGIN: Duration = Duration::from_secs(5);

/// The state of a stream of appends.
#[derive(Debug)]
pub(super) struct Sending<D> {
    targets: Vec<D>,
    options: AppendStreamOptions,
    waiting: Waiting,
    /// Whether a node took the stream before.
    was_taken: bool,
    /// The time from which on the stream is without a node, as far as that counts.
    since: Option<Instant>,
    /// Pauses between rounds of all nodes.
    pauses: RetryPauses,
}

/// The time for which a node has a stream.
#[derive(Debug, Default)]
struct Hold {
    /// When the node took the stream.
    taken: Option<Instant>,
    has_answered: bool,
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
        Self::lost(cause)
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
            waiting: Waiting::new(queue),
            was_taken: false,
            since: None,
            pauses: RetryPauses::new(),
        }
    }

    /// Sends until everything is answered and nothing more comes.
    pub(super) async fn run(mut self) {
        while self.waiting.has_work().await {
            self.since.get_or_insert_with(Instant::now);
            let mut failures = Vec::new();
            for target in self.targets.clone() {
                match self.send_over(&target).await {
                    ConnectionEnd::Done => return,
                    ConnectionEnd::Failed(failure) => failures.push(failure),
                }
            }
            self.waiting.end_overdue(Duration::ZERO);
            // A node that refuses may not be the master, which perhaps starts again.
            let is_final = !self.was_taken && failures.iter().all(|failure| !failure.retry);
            if is_final || self.is_late() {
                let causes = failures.into_iter().map(|failure| failure.cause).collect();
                self.waiting.fail_all(Cause::of_all(causes));
            }
            if self.waiting.is_empty() {
                self.since = None;
            } else {
                sleep(self.pauses.pause()).await;
            }
        }
    }

    /// Returns whether there is no node for too long.
    fn is_late(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= self.options.patience)
    }

    /// Sends over one connection until it ends. What was not answered is sent again.
    async fn send_over(&mut self, target: &D) -> ConnectionEnd {
        let connection = match LinesConnection::open(target).await {
            Ok(connection) => connection,
            Err(error) => {
                let cause = NodesError::from(CallError::from(error)).into();
                return ConnectionEnd::Failed(Failure::of_cause(cause, true));
            }
        };
        let (mut flight, mut hold) = (InFlight::default(), Hold::default());
        let end = self.exchange(target, connection, &mut flight, &mut hold).await;
        self.held(&hold);
        match end {
            ConnectionEnd::Done => ConnectionEnd::Done,
            ConnectionEnd::Failed(failure) => {
                ConnectionEnd::Failed(self.sent_again(flight, failure))
            }
        }
    }

    /// Notes for how long a node had the stream: only the time without one counts. A node that
    /// always takes it and breaks it off is as good as none.
    fn held(&mut self, hold: &Hold) {
        let Some(taken) = hold.taken else { return };
        self.was_taken = true;
        let now = Instant::now();
        if hold.has_answered {
            self.pauses = RetryPauses::new();
        }
        self.since = match self.since {
            Some(since) if !hold.has_answered && now - taken < self.options.patience => {
                Some(since + (now - taken))
            }
            _ => Some(now),
        };
    }

    /// Has what was not answered on a connection be sent again. Returns why the connection ended.
    fn sent_again(&mut self, flight: InFlight, failure: Failure) -> Failure {
        if flight.is_empty() {
            return failure;
        }
        let cause = Arc::new(failure.cause);
        let again = |outcome: &Outcome| Failure {
            cause: Cause::Stream(Arc::clone(&cause)),
            retry: failure.retry,
            outcome: outcome.clone(),
        };
        let unanswered = flight.into_waiting().map(|mut append| {
            append.noted(again(&failure.outcome));
            append
        });
        self.waiting.send_first(unanswered.collect());
        again(&failure.outcome)
    }

    /// Writes lines and reads answers until the connection ends.
    async fn exchange(
        &mut self,
        target: &D,
        mut connection: LinesConnection,
        flight: &mut InFlight,
        hold: &mut Hold,
    ) -> ConnectionEnd {
        let mut lines = Lines::default();
        let mut looks = interval(DEADLINES_INTERVAL);
        loop {
            if self.waiting.is_over() {
                if flight.is_empty() {
                    connection.end().await;
                    return ConnectionEnd::Done;
                }
                // A proxy may hold back the last answers until the answer ends.
                if !self.options.retries {
                    connection.lines = None;
                }
            }
            tokio::select! {
                part = connection.answers.recv() => match part {
                    Some(Ok(AnswerPart::Taken)) => hold.taken = Some(Instant::now()),
                    Some(Ok(AnswerPart::Piece(piece))) => {
                        if let Err(error) = self.answered(&piece, &mut lines, flight) {
                            return ConnectionEnd::Failed(error.into());
                        }
                        hold.has_answered = true;
                    }
                    Some(Err(failure)) => return ConnectionEnd::Failed(failure),
                    None => return ConnectionEnd::Failed(ended(target)),
                },
                room = room(connection.lines.as_ref()), if self.waiting.has_unsent() => {
                    room.send(self.next_piece(flight).into());
                }
                () = self.waiting.grow() => {}
                now = looks.tick(), if self.options.timeout.is_some() => {
                    self.waiting.end_overdue(self.margin());
                    for append in flight.take_overdue(now, self.margin()) {
                        append.fail_late(silent(target));
                    }
                    if flight.is_node_silent(now, NETWORK_MARGIN) {
                        return ConnectionEnd::Failed(silent(target));
                    }
                }
            }
        }
    }

    /// Returns the next lines, which are in flight from here on.
    fn next_piece(&mut self, flight: &mut InFlight) -> Vec<u8> {
        let (now, mut piece) = (Instant::now(), Vec::new());
        while piece.len() < PIECE_BYTES {
            let Some(append) = self.waiting.next() else { break };
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
                self.waiting.stored();
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
    fn refused(&mut self, append: StreamedAppend, problem: Problem) {
        // A node that stops is left like one that was killed.
        let is_tried_again = self.options.retries || problem.code == ProblemCode::Stopping;
        let failure = Failure::of_problem(problem);
        let is_late = append.is_overdue(Instant::now(), Duration::ZERO);
        if !failure.retry || !is_tried_again || is_late {
            append.refuse(failure);
        } else {
            self.waiting.refused(append, failure);
        }
    }

    /// Returns the time for which an answer may be late.
    const fn margin(&self) -> Duration {
        if self.options.retries { Duration::ZERO } else { NETWORK_MARGIN }
    }
}

/// Waits for room for the next lines: for ever where the request has ended, or the connection
/// breaks. Then the answers tell. Cancel safe.
async fn room(lines: Option<&mpsc::Sender<Bytes>>) -> mpsc::Permit<'_, Bytes> {
    if let Some(lines) = lines
        && let Ok(room) = lines.reserve().await
    {
        return room;
    }
    pending().await
}

/// Returns the failure of a node that lets the time for its answers pass.
fn silent<D: Dial>(target: &D) -> Failure {
    Failure::lost(NodesError::from(CallError::Silent(target.endpoint().clone())).into())
}

/// Returns the failure of a node that ends its answer while the request goes on: it stops.
fn ended<D: Dial>(target: &D) -> Failure {
    Failure::lost(Cause::StreamEnded(target.endpoint().to_string()))
}
