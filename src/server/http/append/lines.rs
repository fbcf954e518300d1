//! Splits the body of an append stream into lines, however its bytes are cut.

/// A line of an append stream, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamLine<'a> {
    /// The body of an append.
    Body(&'a [u8]),
    /// A line of white space: skipped and counted.
    Blank,
    /// A line that is longer than a body may be. It is reported as soon as that is known, and the
    /// rest of it is passed over.
    TooLong,
}

/// Splits bytes that come in pieces into lines. It keeps a line that is not complete, up to a
/// limit.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    /// Longest line, in bytes.
    line_bytes_max: usize,
    /// The beginning of the line that is not complete.
    partial: Vec<u8>,
    /// Whether `partial` was returned as a whole line.
    is_returned: bool,
    /// Whether the rest of the line is passed over.
    skips: bool,
}

impl LineSplitter {
    /// Creates a splitter for lines of at most so many bytes, without their ends.
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, partial: Vec::new(), is_returned: false, skips: false }
    }

    /// Returns the number of bytes that are kept of the line that is not complete.
    pub(crate) fn partial_bytes(&self) -> usize {
        if self.is_returned { 0 } else { self.partial.len() }
    }

    /// Drops what is kept of the line that is not complete, and passes over the rest of it.
    pub(crate) fn skip_line(&mut self) {
        self.partial = Vec::new();
        self.skips = true;
    }

    /// Takes the next line out of a piece. None once all of it is taken.
    pub(crate) fn next<'a, 'b: 'a>(&'a mut self, piece: &mut &'b [u8]) -> Option<StreamLine<'a>> {
        self.drop_returned();
        if self.skips {
            let end = memchr::memchr(b'\n', piece);
            self.skips = end.is_none();
            *piece = end.and_then(|end| piece.get(end + 1..)).unwrap_or_default();
        }
        let Some(end) = memchr::memchr(b'\n', piece) else {
            let rest = std::mem::take(piece);
            // The line's end may have two bytes, of which the first one is here.
            if self.partial.len() + rest.len() > self.line_bytes_max + 1 {
                self.skip_line();
                return Some(StreamLine::TooLong);
            }
            self.partial.extend_from_slice(rest);
            return None;
        };
        let (line, rest) = piece.split_at(end);
        *piece = rest.get(1..).unwrap_or_default();
        if self.partial.is_empty() {
            return Some(self.line(line));
        }
        if self.partial.len() + line.len() > self.line_bytes_max + 1 {
            self.partial = Vec::new();
            return Some(StreamLine::TooLong);
        }
        self.partial.extend_from_slice(line);
        self.is_returned = true;
        Some(self.line(&self.partial))
    }

    /// Returns the last line, if it lacks its end.
    pub(crate) fn last(&mut self) -> Option<StreamLine<'_>> {
        self.drop_returned();
        self.is_returned = true;
        (!self.partial.is_empty()).then(|| self.line(&self.partial))
    }

    fn drop_returned(&mut self) {
        if std::mem::take(&mut self.is_returned) {
            // Mostly short. A long one's memory is given back, since the next one may be short.
            if self.partial.capacity() > PARTIAL_KEPT {
                self.partial = Vec::new();
            }
            self.partial.clear();
        }
    }

    fn line<'a>(&self, line: &'a [u8]) -> StreamLine<'a> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.line_bytes_max {
            StreamLine::TooLong
        } else if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            StreamLine::Blank
        } else {
            StreamLine::Body(line)
        }
    }
}

/// Capacity that is kept for the next line that comes in pieces, in bytes. Less: memory is
/// allocated again for lines of usual length. More: each stream holds it.
const PARTIAL_KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines of a body that comes in pieces of this length.
    fn split(body: &[u8], piece: usize, max: usize) -> Vec<String> {
        let mut splitter = LineSplitter::new(max);
        let mut lines = Vec::new();
        let mut note = |line: StreamLine<'_>| {
            lines.push(match line {
                StreamLine::Body(line) => String::from_utf8(line.to_vec()).unwrap(),
                StreamLine::Blank => "(blank)".to_owned(),
                StreamLine::TooLong => "(too long)".to_owned(),
            });
        };
        for mut rest in body.chunks(piece) {
            while let Some(line) = splitter.next(&mut rest) {
                note(line);
            }
            assert!(splitter.partial_bytes() <= max + 1);
        }
        splitter.last().into_iter().for_each(&mut note);
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let body = b"one\ntwo\r\n\n \t\r\n1234567890\n1234567890\r\n12345678901\n12345678901\r\n\
                     far too long, and so is passed over\nlast";
        let lines = [
            "one",
            "two",
            "(blank)",
            "(blank)",
            "1234567890",
            "1234567890",
            "(too long)",
            "(too long)",
            "(too long)",
            "last",
        ];
        for piece in 1..=body.len() {
            assert_eq!(split(body, piece, 10), lines, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        for piece in 1..=4 {
            assert_eq!(split(b"a\nb\n", piece, 10), ["a", "b"]);
            assert_eq!(split(b"a\nb\r", piece, 10), ["a", "b"]);
            assert_eq!(split(b"", piece, 10), [""; 0]);
            assert_eq!(split(b"\n\n", piece, 10), ["(blank)", "(blank)"]);
        }
    }

    #[test]
    fn a_line_is_given_up_and_the_next_one_is_read() {
        let mut splitter = LineSplitter::new(100);
        assert_eq!(splitter.next(&mut &b"beginning"[..]), None);
        assert_eq!(splitter.partial_bytes(), 9);
        splitter.skip_line();
        assert_eq!(splitter.next(&mut &b"middle"[..]), None);
        assert_eq!(splitter.partial_bytes(), 0);
        let mut rest = &b"end\nnext\n"[..];
        assert_eq!(splitter.next(&mut rest), Some(StreamLine::Body(b"next")));
        assert_eq!(splitter.next(&mut rest), None);
        assert_eq!(splitter.last(), None);
    }
}
