//! A pool of threads for blocking work.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::thread;

use thiserror::Error;
use tokio::sync::oneshot;
use tracing::warn;

use crate::locks::{lock, wait_while};

/// The system has no thread for the work, or the pool is gone. The work was not done and may be
/// tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system has no thread for it at the moment")]
pub struct NoThread;

/// Threads for blocking work, created on demand and kept. A clone is the same pool. The threads end
/// when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct ThreadPool(Arc<PoolHandle>);

/// The result of work in a pool. If it is dropped before the work began, the work is not done at
/// all. Cancel safe.
#[derive(Debug)]
pub struct WorkHandle<T>(oneshot::Receiver<T>);

/// Ends the threads when the last clone of the pool is dropped.
#[derive(Debug)]
struct PoolHandle(Arc<SharedPool>);

struct SharedPool {
    name: &'static str,
    threads_max: usize,
    state: Mutex<PoolState>,
    /// Notified when there is a job, and when the pool is closed.
    work_came: Condvar,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct PoolState {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl ThreadPool {
    /// Returns a pool of at most `threads_max` threads with this name. No thread is created before
    /// there is work.
    pub fn new(name: &'static str, threads_max: usize) -> Self {
        let (state, work_came) = (Mutex::default(), Condvar::new());
        Self(Arc::new(PoolHandle(Arc::new(SharedPool { name, threads_max, state, work_came }))))
    }

    /// Creates the first thread now, so that the pool is never without one. If the system has none,
    /// that is logged, and each piece of work tries again.
    pub fn make_first(&self) {
        let pool = &self.0.0;
        let mut state = pool.state();
        if state.threads == 0 && !pool.make_thread(&mut state) {
            let name = pool.name;
            warn!(name, "the system has no thread to spare; raise its limit of processes");
        }
    }

    /// Runs the work on a thread of the pool, as soon as one is free. If the pool has no thread and
    /// cannot create one, the work is dropped and the result is [`NoThread`].
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> WorkHandle<T> {
        let (done, answer) = oneshot::channel();
        self.0.0.push(Box::new(move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        }));
        WorkHandle(answer)
    }
}

impl<T> WorkHandle<T> {
    /// Returns a result that is available already.
    pub fn ready(value: T) -> Self {
        let (done, answer) = oneshot::channel();
        let _ = done.send(value);
        Self(answer)
    }
}

impl<T> Future for WorkHandle<T> {
    type Output = Result<T, NoThread>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| NoThread)
    }
}

impl SharedPool {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        lock(&self.state)
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        if state.idle <= state.jobs.len() && state.threads < self.threads_max {
            self.make_thread(&mut state);
        }
        // Without a thread the job is dropped, and with it the sender of its result.
        if state.threads > 0 {
            state.jobs.push_back(job);
            drop(state);
            self.work_came.notify_one();
        }
    }

    /// Creates a thread. Returns whether the system had one.
    fn make_thread(self: &Arc<Self>, state: &mut PoolState) -> bool {
        let pool = Arc::clone(self);
        let made = thread::Builder::new().name(self.name.to_owned()).spawn(move || pool.work());
        state.threads += usize::from(made.is_ok());
        made.is_ok()
    }

    /// Runs jobs until the pool is closed.
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
                state = wait_while(&self.work_came, state, |state| {
                    state.jobs.is_empty() && !state.closed
                });
                state.idle -= 1;
            }
        }
    }
}

impl Drop for PoolHandle {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        // Outside the lock: dropping a job may need it.
        drop(jobs);
        self.0.work_came.notify_all();
    }
}

impl std::fmt::Debug for SharedPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedPool").field("name", &self.name).finish_non_exhaustive()
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
        // The second one first: neither waits for the other.
        let [first, second] = both;
        to_second.send(2).unwrap();
        assert_eq!(second.await, Ok(2));
        assert_eq!(third.await, Ok(3));
        to_first.send(1).unwrap();
        assert_eq!(first.await, Ok(1));
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
