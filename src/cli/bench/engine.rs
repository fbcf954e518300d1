//! Drives a load over connections of any kind and measures it.
//!
//! A [`LoadTarget`] decides what is sent and over which protocol, so that one engine measures all
//! systems that are compared. Each thread has a runtime, clients and counts of its own; threads
//! share nothing while they send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Duration;

use acklog_threads::lock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use super::load::BenchLoad;
use super::report::BenchReport;
use super::request_timeout::RequestTimeout;
pub use super::schedule::LoadModel;
use super::schedule::{SendSchedule, SendSlot, SendSlots};
use super::tally::Tally;
pub use super::target::{LoadConnection, LoadTarget, RequestFailure};

/// Pause before a client connects again. Shorter: a server that is down is asked more often than it
/// can come back. Longer: a client idles after the server is back.
pub(super) const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Longest wait for requests in flight after the run is stopped early.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// State of a run that other tasks may read, and stop, while it lasts.
#[derive(Debug, Default)]
pub struct BenchProgress {
    begin: OnceLock<Instant>,
    answered: AtomicU64,
    failed: AtomicU64,
    stop: CancellationToken,
}

impl BenchProgress {
    /// Returns the time since the first request; `None` before it.
    pub fn elapsed(&self) -> Option<Duration> {
        self.begin.get().map(Instant::elapsed)
    }

    /// Returns the number of requests answered so far, including the warm-up.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Returns the number of failures so far, including the warm-up.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts requests that were answered.
    pub(super) fn note_answers(&self, count: u64) {
        self.answered.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts failures.
    pub(super) fn note_failures(&self, count: u64) {
        self.failed.fetch_add(count, Ordering::Relaxed);
    }

    /// Waits until the run is stopped early.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Returns whether the run was stopped early.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Stops the run early; what was measured by then is reported.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// State that the clients of one thread share.
struct LoadThread<T> {
    target: Arc<T>,
    timeout: Duration,
    slots: SendSlots,
    tally: Mutex<Tally>,
    progress: Arc<BenchProgress>,
}

/// Sends a load and returns what was measured. Blocks until the run is over.
///
/// # Errors
/// When no client at all can connect at first, or the system has no thread or timer left.
pub fn run<T: LoadTarget>(
    target: T,
    load: &BenchLoad,
    progress: &Arc<BenchProgress>,
) -> Result<BenchReport, RequestFailure> {
    let target = Arc::new(target);
    run_on_threads(load, |share, begin| {
        run_thread(Arc::clone(&target), load, share, begin, Arc::clone(progress))
    })
}

/// The part of a load that one thread sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadShare {
    number: usize,
    threads: usize,
}

impl ThreadShare {
    /// Returns the number of clients of the thread.
    pub(super) fn clients(self, load: &BenchLoad) -> usize {
        (load.clients + self.threads - 1 - self.number) / self.threads
    }
}

/// Runs a load on its threads; returns what they measured together.
pub(super) fn run_on_threads(
    load: &BenchLoad,
    run: impl Fn(ThreadShare, &StartBarrier) -> Result<(Tally, Duration), RequestFailure> + Sync,
) -> Result<BenchReport, RequestFailure> {
    let threads = load.threads.clamp(1, load.clients.max(1));
    let begin = StartBarrier::new(threads);
    let shares: Vec<_> = std::thread::scope(|scope| {
        let begun = |number| {
            let (run, begin) = (&run, &begin);
            scope.spawn(move || run(ThreadShare { number, threads }, begin))
        };
        let running: Vec<_> = (0..threads).map(begun).collect();
        running.into_iter().map(|thread| thread.join().expect("a panic aborts")).collect()
    });
    let mut total: Option<(Tally, Duration)> = None;
    for share in shares {
        let (tally, measured) = share?;
        total = match total {
            Some((mut total, longest)) => {
                total.add(&tally);
                Some((total, longest.max(measured)))
            }
            None => Some((tally, measured)),
        };
    }
    let (total, measured) = total.expect("there is a thread");
    Ok(BenchReport::new(load, threads, measured, total))
}

/// Barrier at which threads meet, so that all begin to send at the same time.
pub(super) struct StartBarrier {
    connected: AtomicU64,
    failure: Mutex<Option<RequestFailure>>,
    barrier: Barrier,
}

impl StartBarrier {
    fn new(threads: usize) -> Self {
        let (connected, failure) = (AtomicU64::new(0), Mutex::new(None));
        Self { connected, failure, barrier: Barrier::new(threads) }
    }

    /// Waits until all threads have tried to connect; returns the time at which sending begins.
    ///
    /// # Errors
    /// When no client of any thread has a connection.
    pub(super) fn wait(
        &self,
        connected: usize,
        failure: Option<RequestFailure>,
        progress: &BenchProgress,
    ) -> Result<Instant, RequestFailure> {
        self.connected.fetch_add(connected as u64, Ordering::Relaxed);
        if let Some(failure) = failure {
            *lock(&self.failure) = Some(failure);
        }
        self.barrier.wait();
        let failure = lock(&self.failure).clone();
        match failure {
            Some(failure) if self.connected.load(Ordering::Relaxed) == 0 => Err(failure),
            _ => Ok(*progress.begin.get_or_init(Instant::now)),
        }
    }
}

/// Runs the share of one thread; returns its counts and the time that it
/// measured.
fn run_thread<T: LoadTarget>(
    target: Arc<T>,
    load: &BenchLoad,
    share: ThreadShare,
    begin: &StartBarrier,
    progress: Arc<BenchProgress>,
) -> Result<(Tally, Duration), RequestFailure> {
    let clients = share.clients(load);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connecting = async {
        tokio::select! {
            connected = connect(&target, clients) => connected,
            () = progress.stop.cancelled() => {
                let why = "stopped before there was a connection".to_owned();
                (Vec::new(), Some(RequestFailure::Connect(why)))
            }
        }
    };
    let connected = runtime.as_ref().map(|runtime| runtime.block_on(connecting));
    let (connections, failure) = match connected {
        Ok(connected) => connected,
        Err(error) => (Vec::new(), Some(RequestFailure::Other(error.to_string()))),
    };
    let connected = connections.iter().flatten().count();
    let begin = begin.wait(connected, failure, &progress)?;
    let (from, until) = (begin + load.warm_up, begin + load.warm_up + load.duration);
    let (schedule, tally) = match load.model {
        LoadModel::Closed => (None, Tally::of_closed_loop(from, until)),
        LoadModel::Open { per_second } => (
            Some(SendSchedule::share(per_second, share.number, share.threads)),
            Tally::of_open_loop(from, until),
        ),
    };
    let thread = Arc::new(LoadThread {
        target,
        timeout: load.timeout,
        tally: Mutex::new(tally),
        slots: SendSlots::new(schedule, begin, until),
        progress,
    });
    let ended = runtime?.block_on(drive(&thread, connections))?;
    Ok((thread.counted(from, until), ended.saturating_duration_since(from).min(load.duration)))
}

/// Connects all clients once. One without a connection tries again after the load has begun.
async fn connect<T: LoadTarget>(
    target: &Arc<T>,
    clients: usize,
) -> (Vec<Option<T::Connection>>, Option<RequestFailure>) {
    let mut connecting = JoinSet::new();
    for _ in 0..clients {
        let target = Arc::clone(target);
        connecting.spawn(async move { open_connection(&*target).await });
    }
    let (mut connections, mut failure) = (Vec::with_capacity(clients), None);
    for connected in connecting.join_all().await {
        match connected {
            Ok(connection) => connections.push(Some(connection)),
            Err(why) => {
                connections.push(None);
                failure = Some(why);
            }
        }
    }
    (connections, failure)
}

pub(super) async fn open_connection<T: LoadTarget>(
    target: &T,
) -> Result<T::Connection, RequestFailure> {
    match timeout(T::CONNECT_TIMEOUT, target.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(RequestFailure::Connect(format!("no answer in {:?}", T::CONNECT_TIMEOUT))),
    }
}

/// Lets the clients send until the time is up, then waits for requests in flight. Returns the time
/// at which sending ended.
async fn drive<T: LoadTarget>(
    thread: &Arc<LoadThread<T>>,
    connections: Vec<Option<T::Connection>>,
) -> std::io::Result<Instant> {
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(client(Arc::clone(thread), connection));
    }
    let stop = &thread.progress.stop;
    tokio::select! {
        ended = thread.slots.run() => ended?,
        () = stop.cancelled() => {}
    }
    let ended = Instant::now();
    thread.slots.end();
    let last = async { while clients.join_next().await.is_some() {} };
    let cut_short = async {
        stop.cancelled().await;
        sleep(STOP_GRACE).await;
    };
    tokio::select! {
        () = last => {}
        () = cut_short => {}
    }
    Ok(ended)
}

/// Sends one request after the other until the time is up.
async fn client<T: LoadTarget>(thread: Arc<LoadThread<T>>, mut connection: Option<T::Connection>) {
    let mut request_timeout = RequestTimeout::new(thread.timeout);
    loop {
        let Some(open) = connection.as_mut().filter(|connection| connection.is_open()) else {
            if thread.slots.is_over() {
                return;
            }
            let connected = tokio::select! {
                connected = open_connection(&*thread.target) => connected,
                () = thread.is_over() => return,
            };
            connection = match connected {
                Ok(fresh) => Some(fresh),
                Err(failure) => {
                    thread.failed(Instant::now(), &failure);
                    sleep(RECONNECT_PAUSE).await;
                    None
                }
            };
            continue;
        };
        let Some(SendSlot { due, now }) = thread.slots.next().await else { return };
        lock(&thread.tally).sent(due, now);
        let done = request_timeout.within(now, open.send()).await;
        match done.unwrap_or(Err(RequestFailure::TimedOut)) {
            Ok(()) => thread.answered(due),
            Err(failure) => {
                let is_broken = !matches!(failure, RequestFailure::Refused { .. });
                thread.failed(due, &failure);
                if is_broken {
                    connection = None;
                    sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }
}

impl<T> LoadThread<T> {
    /// Waits until sending is over.
    async fn is_over(&self) {
        tokio::select! {
            () = self.slots.is_up() => {}
            () = self.progress.stop.cancelled() => {}
        }
    }

    fn answered(&self, due: Instant) {
        lock(&self.tally).answered(due, Instant::now());
        self.progress.note_answers(1);
    }

    fn failed(&self, due: Instant, failure: &RequestFailure) {
        lock(&self.tally).failed(due, failure);
        self.progress.note_failures(1);
    }

    /// Returns the counts between these two times and leaves an empty tally.
    fn counted(&self, from: Instant, until: Instant) -> Tally {
        let mut tally =
            std::mem::replace(&mut *lock(&self.tally), Tally::of_closed_loop(from, until));
        tally.unsent = self.slots.untaken(from);
        tally
    }
}

#[cfg(test)]
mod tests;
