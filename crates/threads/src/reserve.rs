//! Checks that the system has threads to spare, before something needs them.

use std::io;
use std::sync::RwLock;
use std::thread;

/// Asks the system for `count` threads at once, and lets them end. For code that creates threads
/// later and panics without them, such as a multi-threaded runtime or the log writer: asking before
/// turns that panic into one clear error.
///
/// # Errors
/// The system's, if it does not have that many threads.
pub fn ask_for(count: usize) -> io::Result<()> {
    ask_for_like(count, thread::Builder::new)
}

fn ask_for_like(count: usize, thread: impl Fn() -> thread::Builder) -> io::Result<()> {
    let gate = RwLock::new(());
    thread::scope(|scope| {
        // The threads wait for each other until this guard is dropped, with or without all of them.
        let _closed = gate.write();
        for _ in 0..count {
            thread().spawn_scoped(scope, || drop(gate.read()))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_asked_for_end_whether_there_are_enough_or_not() {
        ask_for(0).unwrap();
        ask_for(3).unwrap();
        // A stack size that no system has.
        let asked = std::cell::Cell::new(0);
        let third_too_large = || {
            asked.set(asked.get() + 1);
            let bytes = if asked.get() == 3 { usize::MAX / 2 } else { 64 * 1024 };
            thread::Builder::new().stack_size(bytes)
        };
        ask_for_like(5, third_too_large).unwrap_err();
        assert_eq!(asked.get(), 3);
    }
}
