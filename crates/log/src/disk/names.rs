//! The names of a log's files.

use acklog_types::LogEnd;

/// Returns the name of the segment file that begins with a message.
pub(super) fn segment_name(first: LogEnd) -> String {
    format!("{:020}.log", first.get())
}

/// Returns the temporary name of a segment file that is rewritten, until it replaces the damaged
/// one.
pub(super) fn repaired_name(first: LogEnd) -> String {
    format!("{}.repaired", segment_name(first))
}

/// Returns the name of that segment's index.
pub(super) fn index_name(first: LogEnd) -> String {
    format!("{:020}.index", first.get())
}

/// Returns the first id of a segment file with this name; none for other files.
pub(super) fn first_of(name: &str) -> Option<LogEnd> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(LogEnd::new)
}

/// Returns whether a file with this name is a part of a log: all but the lock and foreign files.
pub(crate) fn is_of_log(name: &str) -> bool {
    let (front, rest) = name.split_once('.').unwrap_or((name, ""));
    let is_segments = front.len() == 20 && front.bytes().all(|byte| byte.is_ascii_digit());
    matches!(front, "manifest" | "damaged") || (is_segments && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segment_files_have_a_first_id() {
        assert_eq!(first_of(&segment_name(LogEnd::new(17))), Some(LogEnd::new(17)));
        for name in ["1.log", "manifest", "+0000000000000000017.log", "00000000000000000017.index"]
        {
            assert_eq!(first_of(name), None, "{name}");
        }
    }
}
