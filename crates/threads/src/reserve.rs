//! Asks the system for threads before something needs them.

use std::io;
use std::sync::RwLock;
use std::thread;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
