//! Broken invariants of the simulation: reported like an expectation that does not hold.
//!
//! The simulator asserts the guarantees of the protocol at every moment, and a failed assertion
//! panics. The program aborts on a panic, so the panic hook is the last place that can choose the
//! exit status.

use std::any::Any;
use std::io::Write;
use std::panic::PanicHookInfo;

use super::PROGRAM;
use crate::panics::end_on_panic;

/// Exit status of a scenario in which something does not hold.
const BROKEN: i32 = 1;

/// Makes this program end with status 1, and a line that says what broke, when the simulation of
/// `file` with `seed` panics.
pub(super) fn exit_when_broken(file: &str, seed: u64) {
    let file = file.to_owned();
    end_on_panic(move |panic| {
        let _ = std::io::stderr().write_all(report(&file, seed, panic).as_bytes());
        std::process::exit(BROKEN);
    });
}

fn report(file: &str, seed: u64, panic: &PanicHookInfo<'_>) -> String {
    let (what, place) = (words(panic.payload()), panic.location());
    let place = place.map_or(String::new(), |place| format!("\n  checked at {place}"));
    format!("{PROGRAM}: {file}: the simulation broke (seed {seed}): {what}{place}\n")
}

/// Returns the message of a panic.
fn words(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The variable that makes this test program panic.
    const CHILD: &str = "BREAKS_AN_INVARIANT";

    #[test]
    fn a_broken_invariant_ends_the_program_with_status_1_and_says_what_broke() {
        let name = "a_broken_invariant_ends_the_program_with_status_1_and_says_what_broke";
        if std::env::var_os(CHILD).is_some() {
            crate::abort_on_panic(); // as the program does
            exit_when_broken("demo.scenario", 7);
            panic!("ack: {} does not have message 3", "bonnie");
        }
        let test = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ran = child.args(["--exact", &test]).env(CHILD, "1").output().unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{error}");
        let line = "acklog scenario: demo.scenario: the simulation broke (seed 7): \
                    ack: bonnie does not have message 3\n";
        assert!(error.contains(line), "{error}");
        assert!(error.contains("checked at src/cli/scenario/invariants.rs:"), "{error}");
    }
}
