//! A listing in lines (NDJSON), taken apart while it arrives.

use acklog_types::MESSAGE_BYTES_LIMIT;
use thiserror::Error;

/// Longest line of one message, in bytes: each byte of a text can be written as six (`\u0000`).
pub const LINE_BYTES_MAX: usize = MESSAGE_BYTES_LIMIT * 6 + 4096;

/// A line that is longer than any of its stream can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node sends a line of more than {max} bytes")]
pub struct LineTooLong {
    /// Most bytes of a line.
    pub max: usize,
}

/// Cuts a listing into its lines; at no time is more than one line held.
#[derive(Debug)]
pub struct Lines {
    /// The line that has begun.
    line: Vec<u8>,
    max: usize,
}

/// Lines of messages.
impl Default for Lines {
    fn default() -> Self {
        Self::of(LINE_BYTES_MAX)
    }
}

impl Lines {
    /// Returns lines of at most `max` bytes, with the line feed of each.
    pub const fn of(max: usize) -> Self {
        Self { line: Vec::new(), max }
    }

    /// Takes the next piece and hands out each line that is complete with it, without its line
    /// feed.
    ///
    /// # Errors
    /// When a line is too long, or `take` fails.
    pub fn add<E: From<LineTooLong>>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() > self.max {
                return Err(LineTooLong { max: self.max }.into());
            }
            if let Some(line) = self.line.strip_suffix(b"\n") {
                take(line)?;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// Returns whether no line has begun that has not ended.
    pub fn is_complete(&self) -> bool {
        self.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_the_listing_is_cut_up() {
        let listing = b"{\"a\":1}\n\n{\"b\":\"\\n\"}\n{";
        for size in 1..listing.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in listing.chunks(size) {
                let take = |line: &[u8]| {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                    Ok::<_, LineTooLong>(())
                };
                lines.add(piece, take).unwrap();
            }
            assert_eq!(found, [r#"{"a":1}"#, "", r#"{"b":"\n"}"#], "{size}");
            assert!(!lines.is_complete());
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(lines.add(&piece, |_| Ok::<_, LineTooLong>(())), Ok(()));
        assert_eq!(
            lines.add(b"x", |_| Ok::<_, LineTooLong>(())),
            Err(LineTooLong { max: LINE_BYTES_MAX })
        );
    }
}
