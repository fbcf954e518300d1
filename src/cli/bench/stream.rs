//! Sends the same line again and again in append streams, with many lines under way in each.
//!
//! A closed loop with a window: a stream sends on as its lines are answered, so that as many as the
//! window says are under way. Each line has a latency of its own.

use std::sync::Arc;

use acklog_api::{headers, paths};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::engine::{
    BenchLoad, BenchProgress, RequestFailure, StartBarrier, ThreadShare, run_on_threads,
};
use super::report::BenchReport;
use super::stream_answers::AnswerReader;
use super::tally::Tally;
use crate::cli::NodeUrl;

/// Bytes that are read at once, and of lines that are sent in one chunk, about. Smaller: more
/// system calls. Larger: lines wait for each other.
const PIECE_BYTES: usize = 64 * 1024;

/// The streams of a load: where they go to, and their line.
#[derive(Debug)]
pub(super) struct StreamTarget {
    url: NodeUrl,
    head: String,
    /// The line as often as one chunk has it.
    lines: Arc<[u8]>,
    line_bytes: usize,
    /// Lines under way in each stream.
    window: usize,
}

impl StreamTarget {
    /// Creates a target to which lines with this body are sent, `window` of which may be under way.
    pub(super) fn new(url: NodeUrl, body: &str, window: usize) -> Self {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            paths::MESSAGES,
            url.authority(),
            headers::APPLICATION_NDJSON,
        );
        let line = format!("{body}\n");
        let count = (PIECE_BYTES / line.len()).clamp(1, window);
        let lines = line.repeat(count).into_bytes().into();
        Self { url, head, lines, line_bytes: line.len(), window }
    }

    async fn connect(&self) -> Result<TcpStream, RequestFailure> {
        let no_connection =
            |error: std::io::Error| RequestFailure::Connect(self.url.advised(&error));
        let mut stream = self.url.dial().await.map_err(no_connection)?;
        stream.set_nodelay(true).map_err(no_connection)?;
        stream.write_all(self.head.as_bytes()).await.map_err(no_connection)?;
        Ok(stream)
    }
}

/// Sends a load of streams and returns what was measured. Blocks until the run is over.
///
/// # Errors
/// When no stream at all can connect, or the system has no thread or timer left.
pub(super) fn run(
    target: StreamTarget,
    load: &BenchLoad,
    progress: &Arc<BenchProgress>,
) -> Result<BenchReport, RequestFailure> {
    let target = Arc::new(target);
    run_on_threads(load, |share, begin| run_thread(&target, load, share, begin, progress))
}

/// Runs the streams of one thread.
fn run_thread(
    target: &Arc<StreamTarget>,
    load: &BenchLoad,
    share: ThreadShare,
    begin: &StartBarrier,
    progress: &Arc<BenchProgress>,
) -> Result<(Tally, std::time::Duration), RequestFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connecting = async {
        let (mut connections, mut failure) = (Vec::new(), None);
        for _ in 0..share.clients(load) {
            match target.connect().await {
                Ok(connection) => connections.push(connection),
                Err(why) => failure = Some(why),
            }
        }
        (connections, failure)
    };
    let (connections, failure) = match &runtime {
        Ok(runtime) => runtime.block_on(connecting),
        Err(error) => (Vec::new(), Some(RequestFailure::Other(error.to_string()))),
    };
    let begin = begin.wait(connections.len(), failure, progress)?;
    let (from, until) = (begin + load.warm_up, begin + load.warm_up + load.duration);
    let driving = async {
        let mut streams = JoinSet::new();
        for connection in connections {
            let (target, progress) = (Arc::clone(target), Arc::clone(progress));
            let tally = Tally::of_closed_loop(from, until);
            let stream = StreamClient::new(target, connection, tally, progress);
            streams.spawn(stream.run(until, load.timeout));
        }
        let mut total = Tally::of_closed_loop(from, until);
        while let Some(tally) = streams.join_next().await {
            total.add(&tally.expect("a panic aborts"));
        }
        (total, Instant::now().min(until))
    };
    let runtime = runtime.map_err(|error| RequestFailure::Other(error.to_string()))?;
    let (tally, ended) = runtime.block_on(driving);
    Ok((tally, ended.saturating_duration_since(from).min(load.duration)))
}

/// One stream.
struct StreamClient {
    target: Arc<StreamTarget>,
    from_node: OwnedReadHalf,
    to_node: OwnedWriteHalf,
    answers: AnswerReader,
    tally: Tally,
    progress: Arc<BenchProgress>,
    /// When each line was sent, by its number modulo their count.
    sent_at: Vec<Instant>,
    sent: u64,
    under_way: usize,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
}

impl StreamClient {
    fn new(
        target: Arc<StreamTarget>,
        connection: TcpStream,
        tally: Tally,
        progress: Arc<BenchProgress>,
    ) -> Self {
        let (from_node, to_node) = connection.into_split();
        // A line may be answered long after those behind it.
        let sent_at = vec![Instant::now(); 4 * target.window];
        Self {
            target,
            from_node,
            to_node,
            answers: AnswerReader::new(),
            tally,
            progress,
            sent_at,
            sent: 0,
            under_way: 0,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Sends until the time is up, then waits for the answers to what is under way.
    async fn run(mut self, until: Instant, patience: std::time::Duration) -> Tally {
        let ended = self.send_until(until).await;
        let ended = match ended {
            Ok(()) => match timeout(patience, self.finish()).await {
                Ok(ended) => ended,
                Err(_) => Err(RequestFailure::TimedOut),
            },
            failed => failed,
        };
        if let Err(failure) = ended {
            self.progress.note_failures(1);
            self.tally.failed(Instant::now(), &failure);
        }
        self.tally
    }

    async fn send_until(&mut self, until: Instant) -> Result<(), RequestFailure> {
        let mut piece = vec![0; PIECE_BYTES];
        let progress = Arc::clone(&self.progress);
        loop {
            if self.written == self.out.len() {
                self.fill();
            }
            let rest = self.out.get(self.written..).unwrap_or_default();
            tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(()),
                () = progress.stopped() => return Ok(()),
                read = self.from_node.read(&mut piece) => {
                    let count = read?;
                    self.take(piece.get(..count).unwrap_or_default())?;
                }
                written = self.to_node.write(rest), if !rest.is_empty() => self.written += written?,
            }
        }
    }

    /// Ends the request, and reads the rest of the answer.
    async fn finish(&mut self) -> Result<(), RequestFailure> {
        self.out.drain(..self.written);
        self.out.extend_from_slice(b"0\r\n\r\n");
        let mut piece = vec![0; PIECE_BYTES];
        self.written = 0;
        while !self.answers.is_over() {
            let rest = self.out.get(self.written..).unwrap_or_default();
            tokio::select! {
                read = self.from_node.read(&mut piece) => {
                    let count = read?;
                    self.take(piece.get(..count).unwrap_or_default())?;
                }
                written = self.to_node.write(rest), if !rest.is_empty() => self.written += written?,
            }
        }
        Ok(())
    }

    /// Makes the next chunk, of as many lines as the window has room for.
    fn fill(&mut self) {
        let target = &self.target;
        let most = target.lines.len() / target.line_bytes;
        let count = (target.window - self.under_way).min(most);
        (self.written, self.under_way) = (0, self.under_way + count);
        self.out.clear();
        let bytes = count * target.line_bytes;
        if let Some(lines) = target.lines.get(..bytes).filter(|lines| !lines.is_empty()) {
            self.out.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
            self.out.extend_from_slice(lines);
            self.out.extend_from_slice(b"\r\n");
        }
        let now = Instant::now();
        for _ in 0..count {
            let place = (self.sent % self.sent_at.len() as u64) as usize;
            if let Some(sent_at) = self.sent_at.get_mut(place) {
                *sent_at = now;
            }
            self.tally.sent(now, now);
            self.sent += 1;
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), RequestFailure> {
        if bytes.is_empty() {
            return Err(RequestFailure::HungUp);
        }
        let (now, before) = (Instant::now(), self.under_way);
        let Self { answers, sent_at, under_way, tally, progress, .. } = self;
        answers.take(bytes, |answer| {
            *under_way = under_way.saturating_sub(1);
            let place = (answer.line % sent_at.len() as u64) as usize;
            let due = sent_at.get(place).copied().unwrap_or(now);
            match answer.result {
                Ok(()) => tally.answered(due, now),
                Err(failure) => {
                    progress.note_failures(1);
                    tally.failed(due, &failure);
                }
            }
        })?;
        progress.note_answers((before - *under_way) as u64);
        Ok(())
    }
}
