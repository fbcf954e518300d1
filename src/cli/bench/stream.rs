//! Sends the same line again and again in append streams, with many lines under way in each.
//!
//! A closed loop with a window: a stream sends on as its lines are answered, so that as many as the
//! window says are under way. Each line has a latency of its own.

use std::sync::Arc;
use std::time::Duration;

use acklog_api::{headers, paths};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::engine::{
    BenchLoad, BenchProgress, RECONNECT_PAUSE, RequestFailure, StartBarrier, ThreadShare,
    run_on_threads,
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
) -> Result<(Tally, Duration), RequestFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connecting = async {
        let (mut connections, mut failure) = (Vec::new(), None);
        for _ in 0..share.clients(load) {
            match target.connect().await {
                Ok(connection) => connections.push(Some(connection)),
                Err(why) => {
                    connections.push(None);
                    failure = Some(why);
                }
            }
        }
        (connections, failure)
    };
    let (connections, failure) = match &runtime {
        Ok(runtime) => runtime.block_on(connecting),
        Err(error) => (Vec::new(), Some(RequestFailure::Other(error.to_string()))),
    };
    let connected = connections.iter().flatten().count();
    let begin = begin.wait(connected, failure, progress)?;
    let (from, until) = (begin + load.warm_up, begin + load.warm_up + load.duration);
    let driving = async {
        let mut streams = JoinSet::new();
        for connection in connections {
            let (target, progress) = (Arc::clone(target), Arc::clone(progress));
            let tally = Tally::of_closed_loop(from, until);
            let client = StreamClient { target, progress, until, patience: load.timeout };
            streams.spawn(client.run(connection, tally));
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

/// A client that sends over one stream after the other.
struct StreamClient {
    target: Arc<StreamTarget>,
    progress: Arc<BenchProgress>,
    /// When the last line is sent.
    until: Instant,
    /// Longest wait for the last answers.
    patience: Duration,
}

impl StreamClient {
    /// Sends until the time is up. A stream that breaks is followed by another one.
    async fn run(self, mut connection: Option<TcpStream>, mut tally: Tally) -> Tally {
        let progress = Arc::clone(&self.progress);
        let is_over = async {
            tokio::select! {
                () = sleep_until(self.until) => {}
                () = progress.stopped() => {}
            }
        };
        tokio::pin!(is_over);
        loop {
            let connected = match connection.take() {
                Some(connection) => Ok(connection),
                None => tokio::select! {
                    connected = self.target.connect() => connected,
                    () = &mut is_over => return tally,
                },
            };
            let (ended, under_way) = match connected {
                Ok(connection) => {
                    let mut stream = LineSender::new(&self, connection, &mut tally);
                    let ended = stream.run(self.until, self.patience).await;
                    (ended, stream.under_way())
                }
                Err(failure) => (Err(failure), (0, 0)),
            };
            let Err(failure) = ended else { return tally };
            progress.note_failures(1);
            tally.broken(Instant::now(), &failure, under_way);
            tokio::select! {
                () = sleep(RECONNECT_PAUSE) => {}
                () = &mut is_over => return tally,
            }
        }
    }
}

/// One stream.
struct LineSender<'a> {
    target: &'a StreamTarget,
    from_node: OwnedReadHalf,
    to_node: OwnedWriteHalf,
    answers: AnswerReader,
    tally: &'a mut Tally,
    progress: &'a BenchProgress,
    /// When each line was sent, by its number modulo their count.
    sent_at: Vec<Instant>,
    sent: u64,
    under_way: usize,
    /// Lines under way that were sent before the measured time.
    early: u64,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
}

impl<'a> LineSender<'a> {
    fn new(client: &'a StreamClient, connection: TcpStream, tally: &'a mut Tally) -> Self {
        let (from_node, to_node) = connection.into_split();
        // A line may be answered long after those behind it.
        let sent_at = vec![Instant::now(); 4 * client.target.window];
        Self {
            target: &client.target,
            from_node,
            to_node,
            answers: AnswerReader::new(),
            tally,
            progress: &client.progress,
            sent_at,
            sent: 0,
            under_way: 0,
            early: 0,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Sends until the time is up, then waits for the answers to what is under way.
    ///
    /// # Errors
    /// When the node refuses the stream, the connection breaks, or answers do not come.
    async fn run(&mut self, until: Instant, patience: Duration) -> Result<(), RequestFailure> {
        self.send_until(until).await?;
        timeout(patience, self.finish()).await.unwrap_or(Err(RequestFailure::TimedOut))
    }

    /// Returns the lines under way that were sent before the measured time, and in it.
    const fn under_way(&self) -> (u64, u64) {
        (self.early, (self.under_way as u64).saturating_sub(self.early))
    }

    async fn send_until(&mut self, until: Instant) -> Result<(), RequestFailure> {
        let mut piece = vec![0; PIECE_BYTES];
        let progress = self.progress;
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
        let target = self.target;
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
        if !self.tally.is_measured(now) {
            self.early += count as u64;
        }
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
        let Self { answers, sent_at, under_way, early, tally, progress, .. } = self;
        answers.take(bytes, |answer| {
            *under_way = under_way.saturating_sub(1);
            let place = (answer.line % sent_at.len() as u64) as usize;
            let due = sent_at.get(place).copied().unwrap_or(now);
            if !tally.is_measured(due) {
                *early = early.saturating_sub(1);
            }
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::cli::bench::engine::LoadModel;

    const WINDOW: usize = 20;

    /// Runs one stream against a server that answers each connection in this way, and keeps it
    /// until the client goes away. `stop_after`: the connections after which the run ends; `times`:
    /// the warm-up, and what is measured.
    fn report(answer: &'static str, stop_after: usize, times: [Duration; 2]) -> BenchReport {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = NodeUrl::local(listener.local_addr().unwrap().port());
        let progress = Arc::new(BenchProgress::default());
        let stopped = Arc::clone(&progress);
        std::thread::spawn(move || {
            for (number, connection) in (1..).zip(listener.incoming()) {
                let mut connection = connection.unwrap();
                connection.write_all(answer.as_bytes()).unwrap();
                if number == stop_after {
                    stopped.stop();
                }
                let _ = connection.read_to_end(&mut Vec::new());
            }
        });
        let [warm_up, duration] = times;
        let load = BenchLoad {
            clients: 1,
            model: LoadModel::Closed,
            warm_up,
            duration,
            timeout: Duration::from_millis(50),
            threads: 1,
            batch: 1,
        };
        run(StreamTarget::new(url, "{}", WINDOW), &load, &progress).unwrap()
    }

    #[test]
    fn a_refused_stream_is_begun_again_and_says_why() {
        const REFUSAL: &str = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 44\r\n\r\n\
                               {\"title\":\"Not allowed\",\"detail\":\"secondary\"}";
        let report = report(REFUSAL, 3, [Duration::ZERO, Duration::from_secs(600)]);
        assert_eq!(report.errors.len(), 1, "{report:?}");
        assert_eq!(report.errors[0].line(), "405 Not allowed: secondary");
        assert!((2..=3).contains(&report.failed) && report.answered == 0, "{report:?}");
        assert_eq!(report.unanswered, 0, "{report:?}");
    }

    #[test]
    fn lines_without_an_answer_are_counted_whenever_they_were_sent() {
        const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for warm_up in [Duration::ZERO, Duration::from_millis(100)] {
            let report = report(HEAD, usize::MAX, [warm_up, Duration::from_millis(200)]);
            assert_eq!((report.failed, report.unanswered), (1, WINDOW as u64), "{report:?}");
            assert_eq!(report.errors[0].kind, "no answer in time");
        }
    }
}
