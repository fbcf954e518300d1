//! Locks that are never poisoned, because no holder of one panics.
//!
//! A panic ends the whole process (`panic = "abort"`), so only a test can meet a poisoned lock.
//! These helpers say that once, for all places that take a lock.

use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Reason why taking a lock cannot fail.
const UNPOISONED: &str = "no holder of this lock panics";

/// Locks a mutex.
///
/// # Panics
/// When a holder of the lock panicked.
#[track_caller]
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect(UNPOISONED)
}

/// Locks a value for reading. Other readers may hold it at the same time.
#[track_caller]
pub fn read_lock<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().expect(UNPOISONED)
}

/// Locks a value for writing. Nobody else holds it at the same time.
#[track_caller]
pub fn write_lock<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().expect(UNPOISONED)
}

/// Waits while `condition` holds. Returns with the lock held.
///
/// # Panics
/// When a holder of the lock panicked.
#[track_caller]
pub fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    condvar.wait_while(guard, condition).expect(UNPOISONED)
}

/// Waits while `condition` holds, for `timeout` at most. Returns with the lock held.
///
/// # Panics
/// When a holder of the lock panicked.
#[track_caller]
pub fn wait_timeout_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    condvar.wait_timeout_while(guard, timeout, condition).expect(UNPOISONED).0
}
