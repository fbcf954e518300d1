//! Threads that may wait: for a disk, or for a name server.
//!
//! Use a [`ThreadPool`] wherever an async task needs blocking work done, and never the runtime's own `spawn_blocking`
//! (nor what is built on it: `tokio::fs`, a connect to a host *name*). That one panics, and so ends the process, where
//! the system has no thread to give: at a limit of processes, as is usual in containers and on shared machines. Here
//! the work fails with [`NoThread`] instead, and a thread that was made once is kept, so that only a node that never
//! had one can come to that.
//!
//! What reads the log runs on the log's own threads: see `acklog_log::LogReader::aside`.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::task::{Context, Poll};
use std::thread;

use thiserror::Error;
use tokio::sync::oneshot;
use tracing::warn;

/// Asks the system for `count` threads at once, and lets them end. For what makes threads later and panics where there
/// are none, as a runtime of several threads does, and the log lines' own thread: asked before, that is one clear line.
///
/// # Errors
/// The system's, where it does not give that many.
pub fn ask_for(count: usize) -> io::Result<()> {
    ask_for_like(count, thread::Builder::new)
}

fn ask_for_like(count: usize, thread: impl Fn() -> thread::Builder) -> io::Result<()> {
    let gate = RwLock::new(());
    thread::scope(|scope| {
        // They wait for each other until this is dropped, with or without all of them.
        let _closed = gate.write();
        for _ in 0..count {
            thread().spawn_scoped(scope, || drop(gate.read()))?;
        }
        Ok(())
    })
}

/// The system has no thread for the work, or the pool is gone. The work was not done; it may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system has no thread for it at the moment")]
pub struct NoThread;

/// Threads for work that may wait, made as they are needed and kept. A clone is the same pool; the threads end when the
/// last one is dropped.
#[derive(Clone, Debug)]
pub struct ThreadPool(Arc<Owner>);

/// The result of work on another thread. Dropped before the work began, the work is not done at all. Cancel safe.
#[derive(Debug)]
pub struct Answer<T>(oneshot::Receiver<T>);

/// Ends the threads when the last handle is dropped.
#[derive(Debug)]
struct Owner(Arc<Pool>);

struct Pool {
    name: &'static str,
    threads_max: usize,
    state: Mutex<State>,
    /// Told when there is a job, and when the pool is closed.
    came: Condvar,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl ThreadPool {
    /// Returns a pool of at most `threads_max` threads of this name. It makes none before there is work.
    pub fn new(name: &'static str, threads_max: usize) -> Self {
        let (state, came) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Owner(Arc::new(Pool { name, threads_max, state, came }))))
    }

    /// Makes the first thread now, so that the pool is never without one. Where the system has none, that is logged,
    /// and each piece of work tries again.
    pub fn make_first(&self) {
        let pool = &self.0.0;
        let mut state = pool.state();
        if state.threads == 0 && !pool.make_thread(&mut state) {
            let name = pool.name;
            warn!(name, "the system has no thread to spare; raise its limit of processes");
        }
    }

    /// Does the work on one of the threads; where all are busy, when one is free. The work is dropped, and the answer
    /// is [`NoThread`], where there is no thread and none can be made.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let (done, answer) = oneshot::channel();
        self.0.0.push(Box::new(move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        }));
        Answer(answer)
    }
}

impl<T> Answer<T> {
    /// Returns an answer that is there already.
    pub fn ready(value: T) -> Self {
        let (done, answer) = oneshot::channel();
        let _ = done.send(value);
        Self(answer)
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, NoThread>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| NoThread)
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        if state.idle <= state.jobs.len() && state.threads < self.threads_max {
            self.make_thread(&mut state);
        }
        // Without a thread the job is dropped, and with it what it would have answered.
        if state.threads > 0 {
            state.jobs.push_back(job);
            drop(state);
            self.came.notify_one();
        }
    }

    /// Returns whether the system gave a thread.
    fn make_thread(self: &Arc<Self>, state: &mut State) -> bool {
        let pool = Arc::clone(self);
        let made = thread::Builder::new().name(self.name.to_owned()).spawn(move || pool.work());
        state.threads += usize::from(made.is_ok());
        made.is_ok()
    }

    /// Does one job after the other until the pool is closed.
    fn work(&self) {
        let mut state = self.state();
        loop {
            if state.closed {
                return;
            }
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.state();
            } else {
                state.idle += 1;
                state = self.came.wait(state).expect("no holder of this lock panics");
                state.idle -= 1;
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        // Not under the lock: what they hold may want it.
        drop(jobs);
        self.0.came.notify_all();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn work_is_done_side_by_side_and_in_turn_beyond_that() {
        let pool = ThreadPool::new("test", 2);
        let (first, second) = (channel::<u8>(), channel::<u8>());
        let (to_first, to_second) = (first.0, second.0);
        let both = [first.1, second.1].map(|gets| pool.run(move || gets.recv().unwrap()));
        let third = pool.run(|| 3);
        assert_eq!(pool.0.0.state().threads, 2);
        // The second one first: none waits for the other.
        let [first, second] = both;
        to_second.send(2).unwrap();
        assert_eq!(second.await, Ok(2));
        assert_eq!(third.await, Ok(3));
        to_first.send(1).unwrap();
        assert_eq!(first.await, Ok(1));
    }

    #[test]
    fn threads_that_are_asked_for_end_whether_there_are_enough_or_not() {
        ask_for(0).unwrap();
        ask_for(3).unwrap();
        // A stack that no system has.
        let asked = std::cell::Cell::new(0);
        let third_too_large = || {
            asked.set(asked.get() + 1);
            let bytes = if asked.get() == 3 { usize::MAX / 2 } else { 64 * 1024 };
            thread::Builder::new().stack_size(bytes)
        };
        ask_for_like(5, third_too_large).unwrap_err();
        assert_eq!(asked.get(), 3);
    }

    #[tokio::test]
    async fn without_a_thread_work_fails_and_is_not_done() {
        let pool = ThreadPool::new("test", 0);
        let (done, was_done) = channel();
        assert_eq!(pool.run(move || done.send(())).await.unwrap_err(), NoThread);
        assert!(was_done.recv().is_err(), "the work is dropped");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_is_not_begun() {
        let pool = ThreadPool::new("test", 1);
        let (go_on, waits) = channel::<()>();
        let first = pool.run(move || waits.recv());
        let (done, was_done) = channel();
        drop(pool.run(move || done.send(())));
        go_on.send(()).unwrap();
        assert_eq!(first.await, Ok(Ok(())));
        assert!(was_done.recv().is_err(), "the work is dropped");
    }

    #[test]
    fn the_threads_end_with_the_last_handle() {
        let pool = ThreadPool::new("test", 1);
        pool.make_first();
        let inner = Arc::clone(&pool.0.0);
        drop(pool.clone());
        assert!(!inner.state().closed);
        drop(pool);
        while Arc::strong_count(&inner) > 1 {
            thread::yield_now();
        }
    }
}
