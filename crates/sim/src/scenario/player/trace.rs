//! Recorded traces of a file.

use crate::scenario::backend::Trouble;

/// Returns a trace, or `ok` for an empty one, so that a file shows that it was recorded.
pub(super) fn or_ok(trace: String) -> String {
    if trace.is_empty() { "ok\n".to_owned() } else { trace }
}

/// Compares the trace of a run with the recorded one.
///
/// # Errors
/// When they differ, with the first line that does.
pub(super) fn compared(recorded: &str, seen: &str) -> Result<(), Trouble> {
    if recorded == seen {
        return Ok(());
    }
    let none = "nothing more";
    let same = recorded.lines().zip(seen.lines()).take_while(|(one, other)| one == other).count();
    let (wanted, seen) =
        (recorded.lines().nth(same).unwrap_or(none), seen.lines().nth(same).unwrap_or(none));
    Err(Trouble::Failed(format!(
        "line {} of this block's trace differs\n    recorded: {wanted}\n    seen:     {seen}",
        same + 1
    )))
}
