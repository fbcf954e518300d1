//! Drives a load over connections of any kind and measures it.
//!
//! What is sent and over what is a [`Target`]'s matter, so that systems of all sorts can be compared with one engine.
//! Each thread has a runtime, clients and counts of its own; nothing is shared while they send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use super::load::Load;
pub use super::pace::Pace;
use super::pace::{Schedule, Turn, Turns};
use super::patience::Patience;
use super::report::Report;
use super::tally::Tally;
pub use super::target::{Failure, Sender, Target};

/// Pause before a client connects again: what broke is mostly not mended at once.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// What requests under way may still take when somebody ends the run early.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// A run seen from outside while it lasts.
#[derive(Debug, Default)]
pub struct Progress {
    begin: OnceLock<Instant>,
    answered: AtomicU64,
    failed: AtomicU64,
    stop: CancellationToken,
}

impl Progress {
    /// How long requests have been sent; `None` before the first.
    pub fn elapsed(&self) -> Option<Duration> {
        self.begin.get().map(Instant::elapsed)
    }

    /// Requests answered so far, those of the warm-up too.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Failures so far, those of the warm-up too.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether somebody ended the run early.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends the run early; what was measured by then is reported.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// What the clients of one thread share.
struct Shared<T> {
    target: Arc<T>,
    timeout: Duration,
    turns: Turns,
    tally: Mutex<Tally>,
    progress: Arc<Progress>,
}

/// Sends a load and reports what came of it. Blocks until it is over.
///
/// # Errors
/// When not a single client can connect at first, or the system lacks what a thread needs.
pub fn run<T: Target>(target: T, load: &Load, progress: &Arc<Progress>) -> Result<Report, Failure> {
    let threads = load.threads.clamp(1, load.clients.max(1));
    let (target, begin) = (Arc::new(target), Begin::new(threads));
    let shares: Vec<_> = std::thread::scope(|scope| {
        let begun = |thread| {
            let (target, begin, progress) = (Arc::clone(&target), &begin, Arc::clone(progress));
            scope.spawn(move || run_thread(target, load, (thread, threads), begin, progress))
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
    Ok(Report::new(load, threads, measured, total))
}

/// Where threads wait for each other, so that all begin at once.
struct Begin {
    connected: AtomicU64,
    failure: Mutex<Option<Failure>>,
    barrier: Barrier,
}

impl Begin {
    fn new(threads: usize) -> Self {
        let (connected, failure) = (AtomicU64::new(0), Mutex::new(None));
        Self { connected, failure, barrier: Barrier::new(threads) }
    }

    /// Waits until all threads have tried to connect; returns when sending begins.
    ///
    /// # Errors
    /// When no client of any thread has a connection.
    fn wait(
        &self,
        connected: usize,
        failure: Option<Failure>,
        progress: &Progress,
    ) -> Result<Instant, Failure> {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The share of one thread, `number` of `threads`; returns what it counted and how long it measured.
fn run_thread<T: Target>(
    target: Arc<T>,
    load: &Load,
    (number, threads): (usize, usize),
    begin: &Begin,
    progress: Arc<Progress>,
) -> Result<(Tally, Duration), Failure> {
    let clients = (load.clients + threads - 1 - number) / threads;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connecting = async {
        tokio::select! {
            connected = connect(&target, clients) => connected,
            () = progress.stop.cancelled() => {
                (Vec::new(), Some(Failure::Connect("stopped before there was a connection".to_owned())))
            }
        }
    };
    let connected = runtime.as_ref().map(|runtime| runtime.block_on(connecting));
    let (senders, failure) = match connected {
        Ok(connected) => connected,
        Err(error) => (Vec::new(), Some(Failure::Other(error.to_string()))),
    };
    let connected = senders.iter().flatten().count();
    let begin = begin.wait(connected, failure, &progress)?;
    let (from, until) = (begin + load.warm_up, begin + load.warm_up + load.duration);
    let schedule = match load.pace {
        Pace::Closed => None,
        Pace::Open { per_second } => Some(Schedule::share(per_second, number, threads)),
    };
    let shared = Arc::new(Shared {
        target,
        timeout: load.timeout,
        tally: Mutex::new(Tally::new(from, until, schedule.is_some())),
        turns: Turns::new(schedule, begin, until),
        progress,
    });
    let ended = runtime?.block_on(drive(&shared, senders))?;
    Ok((shared.counted(from, until), ended.saturating_duration_since(from).min(load.duration)))
}

/// Connects all clients once; one without a connection tries again when the load has begun.
async fn connect<T: Target>(
    target: &Arc<T>,
    clients: usize,
) -> (Vec<Option<T::Sender>>, Option<Failure>) {
    let mut connecting = JoinSet::new();
    for _ in 0..clients {
        let target = Arc::clone(target);
        connecting.spawn(async move { connection(&*target).await });
    }
    let (mut senders, mut failure) = (Vec::with_capacity(clients), None);
    for connected in connecting.join_all().await {
        match connected {
            Ok(sender) => senders.push(Some(sender)),
            Err(why) => {
                senders.push(None);
                failure = Some(why);
            }
        }
    }
    (senders, failure)
}

pub(super) async fn connection<T: Target>(target: &T) -> Result<T::Sender, Failure> {
    match timeout(T::CONNECT_TIMEOUT, target.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(Failure::Connect(format!("no answer in {:?}", T::CONNECT_TIMEOUT))),
    }
}

/// Lets the clients send until the time is up, and waits for what is under way then. Returns when sending ended.
async fn drive<T: Target>(
    shared: &Arc<Shared<T>>,
    senders: Vec<Option<T::Sender>>,
) -> std::io::Result<Instant> {
    let mut clients = JoinSet::new();
    for sender in senders {
        clients.spawn(client(Arc::clone(shared), sender));
    }
    let stop = &shared.progress.stop;
    tokio::select! {
        ended = shared.turns.run() => ended?,
        () = stop.cancelled() => {}
    }
    let ended = Instant::now();
    shared.turns.end();
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
async fn client<T: Target>(shared: Arc<Shared<T>>, mut sender: Option<T::Sender>) {
    let mut patience = Patience::new(shared.timeout);
    loop {
        let Some(open) = sender.as_mut().filter(|sender| sender.is_open()) else {
            if shared.turns.is_over() {
                return;
            }
            let connected = tokio::select! {
                connected = connection(&*shared.target) => connected,
                () = shared.is_over() => return,
            };
            sender = match connected {
                Ok(fresh) => Some(fresh),
                Err(failure) => {
                    shared.failed(Instant::now(), &failure);
                    sleep(RECONNECT_PAUSE).await;
                    None
                }
            };
            continue;
        };
        let Some(Turn { due, now }) = shared.turns.next().await else { return };
        lock(&shared.tally).sent(due, now);
        let done = patience.within(now, open.send()).await;
        match done.unwrap_or(Err(Failure::TimedOut)) {
            Ok(()) => shared.answered(due),
            Err(failure) => {
                let is_broken = !matches!(failure, Failure::Refused { .. });
                shared.failed(due, &failure);
                if is_broken {
                    sender = None;
                    sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }
}

impl<T> Shared<T> {
    /// Waits until nothing is sent any more.
    async fn is_over(&self) {
        tokio::select! {
            () = self.turns.is_up() => {}
            () = self.progress.stop.cancelled() => {}
        }
    }

    fn answered(&self, due: Instant) {
        lock(&self.tally).answered(due, Instant::now());
        self.progress.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self, due: Instant, failure: &Failure) {
        lock(&self.tally).failed(due, failure);
        self.progress.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what was counted between these times, now that it is over.
    fn counted(&self, from: Instant, until: Instant) -> Tally {
        let mut tally = std::mem::replace(&mut *lock(&self.tally), Tally::new(from, until, false));
        tally.unsent = self.turns.untaken(from);
        tally
    }
}

#[cfg(test)]
mod tests;
