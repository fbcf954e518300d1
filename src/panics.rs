//! What a panic does to a program: it is a bug, and ends the process.

use std::panic::{self, PanicHookInfo};
use std::process;

/// Makes a panic of any thread or task abort the process, once its message and backtrace are
/// written.
///
/// Release builds abort on a panic by themselves. Builds for tests unwind, as test programs do:
/// otherwise each crate would be compiled twice. Without this, a runtime would catch the panic of
/// a task, and a node with a bug would go on.
pub fn abort_on_panic() {
    end_on_panic(|_| process::abort());
}

/// Makes a panic of any thread or task run `end`, once its message and backtrace are written. Takes
/// the place of [`abort_on_panic`] and of an earlier call.
pub(crate) fn end_on_panic(end: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    // Once the hook so far is taken, the standard one is back, which only reports.
    drop(panic::take_hook());
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        end(panic);
    }));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::{env, thread};

    use rustix::process::Signal;

    use super::*;

    /// The variable that makes this test program panic.
    const CHILD: &str = "PANICS";

    #[test]
    fn a_panic_of_a_thread_ends_the_process_after_its_message() {
        if env::var_os(CHILD).is_some() {
            abort_on_panic();
            let _ = thread::spawn(|| panic!("a bug")).join();
            process::exit(0);
        }
        let test = "panics::tests::a_panic_of_a_thread_ends_the_process_after_its_message";
        let mut child = Command::new(env::current_exe().unwrap());
        let ran = child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").output().unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.signal(), Some(Signal::ABORT.as_raw()), "{error}");
        assert!(error.contains("a bug"), "{error}");
    }
}
