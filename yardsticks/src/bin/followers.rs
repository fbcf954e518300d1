//! Readers that follow a log, and senders that make it grow. Checks that each follower gets every
//! message once and in order, and prints how many there were, how fast they came, and how long
//! after the sender's answer.
//!
//! Followers ask by HTTP/1.0: their answer ends with the connection, so no chunks stand between the
//! lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use memchr::memchr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Bytes that a follower reads at once. Fewer: more system calls. More: with a thousand followers,
/// more memory than the processor's caches hold.
const READ_BYTES: usize = 128 * 1024;

/// Connections of the senders: enough that none waits for another at the highest rates.
const SENDERS: u64 = 64;

/// Longest wait for the last messages after the last one was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Follows a log with many readers while it grows, and checks that none misses a message
#[derive(Clone, Parser)]
struct Args {
    /// Address of the node to follow, as host:port
    address: String,
    /// Address of the master, where that is another node
    #[arg(long)]
    master: Option<String>,
    /// Followers
    #[arg(long, default_value_t = 1)]
    followers: u64,
    /// Form of the stream
    #[arg(long, value_enum, default_value_t = Form::Lines)]
    form: Form,
    /// Read concern of the followers
    #[arg(long, default_value = "1")]
    read_concern: String,
    /// Messages a second that are sent; 0 sends none, and the followers read what is there
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Send nothing, and expect nothing for that time: say when the streams are open, and keep them
    #[arg(long)]
    idle: bool,
    /// Time for which messages are sent, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Bytes of each message
    #[arg(long, default_value_t = 20)]
    message_bytes: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// One object a line
    Lines,
    /// Server-sent events
    Events,
}

/// What all followers and senders share.
struct Run {
    args: Args,
    began: Instant,
    /// The first message that is followed.
    first: u64,
    /// The end that followers read up to; the largest number until it is known.
    end: AtomicU64,
    /// The next message to send.
    ticket: AtomicU64,
    /// When the sender of each message was answered, in nanoseconds.
    answered: Vec<AtomicU64>,
    /// When one of the followers got each message. They take turns at the ids.
    received: Vec<AtomicU64>,
}

impl Run {
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn note(&self, times: &[AtomicU64], id: u64) {
        if let Some(time) = times.get((id - self.first) as usize) {
            time.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Opens a stream that begins with the first message.
    async fn open(&self) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.args.address).await.context("cannot connect")?;
        let (first, concern) = (self.first, &self.args.read_concern);
        let accept = match self.args.form {
            Form::Lines => "application/x-ndjson",
            Form::Events => "text/event-stream",
        };
        let request = format!(
            "GET /messages?follow=true&from={first}&readConcern={concern} HTTP/1.0\r\n\
             Accept: {accept}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// Follows the log up to its end. Returns the bytes of the stream.
    async fn follow(&self, number: u64) -> anyhow::Result<u64> {
        let mut stream = self.open().await?;
        let (mut buffer, mut used, mut bytes) = (vec![0; READ_BYTES], 0, 0);
        let mut lines = Lines { next: self.first, in_head: true };
        while lines.next < self.end.load(Ordering::Relaxed) {
            let space = buffer.get_mut(used..).unwrap_or_default();
            ensure!(!space.is_empty(), "a line is longer than {READ_BYTES} bytes");
            let read = stream.read(space).await?;
            ensure!(read > 0, "the stream ended before message {}", lines.next);
            bytes += read as u64;
            used += read;
            let filled = buffer.get(..used).unwrap_or_default();
            let before = lines.next;
            let taken = lines.take(filled)?;
            buffer.copy_within(taken..used, 0);
            used -= taken;
            // The first of its ids among those that came.
            let turn = before
                + (number + self.args.followers - before % self.args.followers)
                    % self.args.followers;
            let turns = (turn..lines.next).step_by(self.args.followers as usize);
            turns.for_each(|id| self.note(&self.received, id));
        }
        Ok(bytes)
    }

    /// Opens the streams one after the other, and keeps them while nothing comes.
    async fn keep_idle(&self) -> anyhow::Result<()> {
        let mut streams = JoinSet::new();
        for _ in 0..self.args.followers {
            let mut lines = BufReader::new(self.open().await?).lines();
            let status = lines.next_line().await?.unwrap_or_default();
            ensure!(status.ends_with(" 200 OK"), "the answer is {status}");
            while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
            streams.spawn(async move {
                while let Some(line) = lines.next_line().await? {
                    ensure!(line == "{}", "an idle follower got {line}");
                }
                bail!("an idle follower's stream ended")
            });
        }
        println!("{} followers are idle", self.args.followers);
        let time = Duration::from_secs(self.args.seconds);
        match tokio::time::timeout(time, streams.join_next()).await {
            Ok(Some(ended)) => ended?,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Sends messages when they are due, until the time is over.
    async fn send(&self) -> anyhow::Result<()> {
        let address = self.args.master.as_ref().unwrap_or(&self.args.address);
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        stream.get_ref().set_nodelay(true)?;
        let text = "x".repeat(self.args.message_bytes);
        let body = format!(r#"{{"message":"{text}","w":1}}"#);
        let length = body.len();
        let request = format!(
            "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let total = self.args.rate * self.args.seconds;
        let mut answer = Vec::new();
        loop {
            let ticket = self.ticket.fetch_add(1, Ordering::Relaxed);
            if ticket >= total {
                return Ok(());
            }
            let due = self.began + Duration::from_nanos(ticket * 1_000_000_000 / self.args.rate);
            tokio::time::sleep_until(due.into()).await;
            stream.write_all(request.as_bytes()).await?;
            self.note(&self.answered, read_answer(&mut stream, &mut answer).await?);
        }
    }

    /// Prints how long after the answers the messages came; a follower may have one before its
    /// sender has the answer.
    fn print_latencies(&self, sent: u64) {
        let times = self.answered.iter().zip(&self.received).take(sent as usize);
        let mut waits: Vec<u64> = times
            .map(|(answered, received)| {
                received.load(Ordering::Relaxed).saturating_sub(answered.load(Ordering::Relaxed))
            })
            .collect();
        waits.sort_unstable();
        let at = |share: f64| {
            let index = (waits.len() as f64 * share) as usize;
            waits.get(index).or(waits.last()).copied().unwrap_or_default() as f64 / 1e6
        };
        let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
        println!(
            "    from the sender's answer to the receipt, 0 where that came first: p50 {p50:.3} ms   p99 {p99:.3} ms   most {most:.3} ms"
        );
    }
}

/// The lines of a stream as they come.
struct Lines {
    /// The message that comes next.
    next: u64,
    /// Whether the head of the answer goes on.
    in_head: bool,
}

impl Lines {
    /// Takes whole lines, and returns their bytes.
    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<usize> {
        let mut rest = bytes;
        while let Some(length) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(length);
            rest = behind.get(1..).unwrap_or_default();
            if self.in_head {
                self.in_head = line != b"\r";
                let is_bad = line.starts_with(b"HTTP/") && !line.ends_with(b" 200 OK\r");
                ensure!(!is_bad, "the answer is {}", String::from_utf8_lossy(line));
                continue;
            }
            let line = line.strip_prefix(b"data: ").unwrap_or(line);
            let Some(id) = id_of(line) else { continue };
            if id != self.next {
                bail!("message {} was to come, and {id} came", self.next);
            }
            self.next += 1;
        }
        Ok(bytes.len() - rest.len())
    }
}

/// Returns the id of a message in JSON; none for anything else.
fn id_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"id\":")?;
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |id, digit| 10 * id + u64::from(digit - b'0')))
}

/// Reads an answer with a length, and returns the id in it.
async fn read_answer(
    stream: &mut BufReader<TcpStream>,
    answer: &mut Vec<u8>,
) -> anyhow::Result<u64> {
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "the connection ended");
        let text = String::from_utf8_lossy(answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("an answer without a length")?.parse()?;
        if body.len() >= length {
            ensure!(head.starts_with("HTTP/1.1 201"), "an append was answered {text}");
            return id_of(body.as_bytes()).context("an answer without an id");
        }
    }
}

/// Returns the end of the log that a node shows.
async fn log_end(address: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await.context("cannot connect")?;
    stream.write_all(b"HEAD /messages HTTP/1.0\r\n\r\n").await?;
    let mut head = String::new();
    stream.read_to_string(&mut head).await?;
    let end = head.lines().find_map(|line| line.strip_prefix("acklog-end: "));
    Ok(end.context("no acklog-end")?.parse()?)
}

/// Runs the senders on a thread of their own, so that followers delay none of them.
fn start_senders(run: Arc<Run>) -> std::thread::JoinHandle<anyhow::Result<()>> {
    std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build()?.block_on(async {
            let mut senders = JoinSet::new();
            for _ in 0..SENDERS.min(run.args.rate) {
                let run = run.clone();
                senders.spawn(async move { run.send().await });
            }
            while let Some(sent) = senders.join_next().await {
                sent??;
            }
            Ok(())
        })
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let end = log_end(&args.address).await?;
    let sends = args.rate > 0 && !args.idle;
    let total = if sends { args.rate * args.seconds } else { 0 };
    let times = || (0..total).map(|_| AtomicU64::new(0)).collect();
    let run = Arc::new(Run {
        began: Instant::now(),
        first: if sends || args.idle { end } else { 0 },
        end: AtomicU64::new(if sends { u64::MAX } else { end }),
        ticket: AtomicU64::new(0),
        answered: times(),
        received: times(),
        args,
    });
    if run.args.idle {
        return run.keep_idle().await;
    }
    if sends {
        // Nothing is sent twice, so the end is known from the beginning.
        run.end.store(run.first + total, Ordering::Relaxed);
    }
    let mut followers = JoinSet::new();
    for number in 0..run.args.followers {
        let run = run.clone();
        followers.spawn(async move { run.follow(number).await });
    }
    let senders = start_senders(run.clone());
    let mut bytes = 0;
    let patience = Duration::from_secs(run.args.seconds) + PATIENCE;
    let all = async {
        while let Some(got) = followers.join_next().await {
            bytes += got??;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(patience, all).await.context("messages are missing")??;
    let took = run.began.elapsed().as_secs_f64();
    if senders.join().is_err() {
        bail!("the senders panicked");
    }
    let messages = run.end.load(Ordering::Relaxed) - run.first;
    let (rate, megabytes) = (messages as f64 / took, bytes as f64 / 1e6);
    println!(
        "{} followers got {messages} messages each, none missing, repeated or out of order: \
         {rate:.0} messages/s each, {:.0} MB/s in all",
        run.args.followers,
        megabytes / took
    );
    if sends {
        run.print_latencies(messages);
    }
    Ok(())
}
