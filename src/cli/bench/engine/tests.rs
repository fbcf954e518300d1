//! The engine against targets and servers that follow a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::super::HttpTarget;
use super::*;
use crate::cli::NodeUrl;

const LONG: Duration = Duration::from_secs(600);

fn load(clients: usize, threads: usize, model: LoadModel) -> BenchLoad {
    let (warm_up, duration, timeout) = (Duration::ZERO, LONG, LONG);
    BenchLoad { clients, model, warm_up, duration, timeout, threads, batch: 1 }
}

/// A target without a network. The script decides each call; its argument is `true` for connecting.
struct Scripted<F>(Arc<F>);

struct ScriptedConnection<F>(Arc<F>);

trait Script: Fn(bool) -> Result<Duration, RequestFailure> + Send + Sync + 'static {}

impl<F: Fn(bool) -> Result<Duration, RequestFailure> + Send + Sync + 'static> Script for F {}

impl<F: Script> LoadTarget for Scripted<F> {
    type Connection = ScriptedConnection<F>;

    async fn connect(&self) -> Result<Self::Connection, RequestFailure> {
        sleep((self.0)(true)?).await;
        Ok(ScriptedConnection(Arc::clone(&self.0)))
    }
}

impl<F: Script> LoadConnection for ScriptedConnection<F> {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        sleep((self.0)(false)?).await;
        Ok(())
    }
}

/// Returns what one client counts in four seconds of virtual time, in an open loop with `schedule`
/// or in a closed loop.
async fn counted(schedule: Option<SendSchedule>, script: impl Script) -> Tally {
    let begin = Instant::now();
    let until = begin + Duration::from_secs(4);
    let thread = Arc::new(LoadThread {
        target: Arc::new(Scripted(Arc::new(script))),
        timeout: Duration::from_secs(20),
        slots: SendSlots::new(schedule, begin, until),
        tally: Mutex::new(Tally::of_open_loop(begin, until)),
        progress: Arc::default(),
    });
    let client = tokio::spawn(client(Arc::clone(&thread), None));
    for second in 1..=4 {
        sleep(Duration::from_secs(1)).await;
        thread.slots.release(Duration::from_secs(second));
    }
    thread.slots.end();
    client.await.unwrap();
    thread.counted(begin, until)
}

fn seconds(histogram: &hdrhistogram::Histogram<u64>) -> Vec<u64> {
    let rounded = histogram.iter_recorded().flat_map(|step| {
        let seconds = (step.value_iterated_to() as f64 / 1e9).round() as u64;
        std::iter::repeat_n(seconds, step.count_since_last_iteration() as usize)
    });
    rounded.collect()
}

#[tokio::test(start_paused = true)]
async fn a_stall_counts_for_every_request_that_was_due_in_it() {
    let calls = AtomicU64::new(0);
    // The first request takes three seconds, the others no time.
    let stalls = move |connects: bool| {
        let first = !connects && calls.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(Duration::from_millis(if first { 2900 } else { 0 }))
    };
    let tally = counted(Some(SendSchedule::share(1.0, 0, 1)), stalls).await;
    // Due at 0, 1, 2 and 3 s; the first one is sent at 1 s, and the stall lasts until 3.9 s.
    assert_eq!(seconds(&tally.latency), [1, 2, 3, 4]);
    assert_eq!(seconds(tally.lateness.as_ref().unwrap()), [1, 1, 2, 3]);
    assert_eq!((tally.sent, tally.unsent, tally.unanswered()), (4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_that_nobody_was_free_for_are_told_and_no_latency() {
    let slow = |connects: bool| Ok(Duration::from_secs(if connects { 0 } else { 10 }));
    let tally = counted(Some(SendSchedule::share(1.0, 0, 1)), slow).await;
    assert_eq!((tally.sent, tally.unsent), (1, 3));
    assert_eq!((seconds(&tally.latency), tally.answered_in_time), (vec![11], 0));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_has_failed_and_its_connection_goes() {
    let calls = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let counter = Arc::clone(&calls);
    let hangs = move |connects: bool| {
        let count = if connects { &counter.0 } else { &counter.1 };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(if connects { Duration::ZERO } else { LONG })
    };
    let tally = counted(None, hangs).await;
    assert_eq!(tally.failures["no answer in time"].count, 1);
    assert_eq!((calls.0.load(Ordering::Relaxed), calls.1.load(Ordering::Relaxed)), (1, 1));
    assert_eq!((tally.sent, tally.latency.len(), tally.unanswered()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_goes_away_is_tried_again_with_pauses() {
    let calls = AtomicU64::new(0);
    let flickers = move |connects: bool| match (connects, calls.fetch_add(1, Ordering::Relaxed)) {
        (true, 2..4) => Err(RequestFailure::Connect("refused".to_owned())),
        (false, 1) => Err(RequestFailure::HungUp),
        _ => Ok(Duration::from_secs(1)),
    };
    let begin = Instant::now();
    let tally = counted(None, flickers).await;
    let failures: Vec<_> =
        tally.failures.iter().map(|(kind, failed)| (kind.as_str(), failed.count)).collect();
    let expected = [("cannot connect: refused", 2), ("the connection ended before the answer", 1)];
    assert_eq!(failures, expected);
    // A second to connect, three pauses, a second to connect again, and requests of a second each.
    assert_eq!((tally.latency.len(), tally.sent, begin.elapsed().as_secs()), (2, 3, 4));
}

#[test]
fn a_target_that_nobody_reaches_ends_the_run_at_once() {
    let refuses = |_: bool| Err(RequestFailure::Connect("refused".to_owned()));
    let done = run(Scripted(Arc::new(refuses)), &load(8, 3, LoadModel::Closed), &Arc::default());
    assert_eq!(done.unwrap_err(), RequestFailure::Connect("refused".to_owned()));
}

#[test]
fn threads_share_clients_and_all_that_was_counted_comes_together() {
    let progress = Arc::new(BenchProgress::default());
    let (calls, stopper) = (AtomicU64::new(0), Arc::clone(&progress));
    let counts = move |connects: bool| {
        if !connects && calls.fetch_add(1, Ordering::Relaxed) == 200 {
            stopper.stop();
        }
        Ok(Duration::ZERO)
    };
    let model = LoadModel::Open { per_second: 5000.0 };
    let report = run(Scripted(Arc::new(counts)), &load(5, 3, model), &progress).unwrap();
    assert!(report.answered >= 200, "{report:?}");
    assert_eq!((report.answered, report.failed), (progress.answered(), progress.failed()));
    assert_eq!((report.clients, report.threads, report.unanswered), (5, 3, 0));
    assert!(report.seconds > 0.0 && report.seconds < LONG.as_secs_f64(), "{report:?}");
    assert_eq!(report.due_per_second, Some(5000.0));
    assert_eq!(report.latency.len(), report.answered);
}

/// Reads one request, as the load sends it.
fn read_request(stream: &mut TcpStream) -> Option<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
    while !bytes.ends_with(b"{}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    Some(())
}

/// Starts a server that answers each request with the next of these, and all further ones with the
/// last. An empty answer closes the connection. Stops the run after the last answer.
fn server(answers: &'static [&'static str], progress: Arc<BenchProgress>) -> NodeUrl {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut next = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while read_request(&mut stream).is_some() {
                if next + 1 >= answers.len() {
                    progress.stop();
                }
                let answer = answers[next.min(answers.len() - 1)];
                next += 1;
                if answer.is_empty() || stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                if answer.contains("close") {
                    break;
                }
            }
        }
    });
    NodeUrl::local(port)
}

#[test]
fn errors_are_told_by_kind_and_the_load_goes_on() {
    const ANSWERS: [&str; 8] = [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 46\r\n\r\n\
         {\"title\":\"No quorum\",\"detail\":\"one\\nis there\"}",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 36\r\n\r\n\
         {\"title\":\"No quorum\",\"detail\":\"two\"}",
        "",
        "nonsense\r\n",
        "HTTP/1.1 500 Odd\r\nContent-Length: 3\r\n\r\n<p>",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ];
    let progress = Arc::new(BenchProgress::default());
    let url = server(&ANSWERS, Arc::clone(&progress));
    let target = HttpTarget::post(url, "/messages", "{}");
    let report = run(target, &load(1, 1, LoadModel::Closed), &progress).unwrap();
    let lines: Vec<_> = report.errors.iter().map(|e| format!("{} {}", e.count, e.line())).collect();
    assert_eq!(
        lines,
        [
            "2 503 No quorum: one\\nis there",
            "1 500 Internal Server Error",
            "1 an answer is no HTTP/1.1: invalid HTTP version",
            "1 the connection ended before the answer",
        ]
    );
    assert_eq!((report.failed, report.unanswered, report.unsent), (5, 0, 0));
    assert!(report.answered >= 3, "{report:?}");
}
