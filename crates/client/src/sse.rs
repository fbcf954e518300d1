//! Server-sent events, taken apart while they arrive.
//!
//! Lines are split at LF only, and decoded after that: no other character of Unicode ends a line,
//! and a character that is cut between two pieces is whole when its line is.

use std::str::Utf8Error;

use thiserror::Error;

use crate::lines::{LineTooLong, Lines};

/// One event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SseEvent<'a> {
    /// Its name; empty where it has none.
    pub(crate) name: &'a str,
    /// The id that it sets, if it sets one.
    pub(crate) id: Option<&'a str>,
    /// Its data: the lines, joined by line feeds.
    pub(crate) data: &'a str,
}

/// The fault of a stream that is none of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadEventStream {
    /// A line, or the data of an event, is longer than any message can be.
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
    /// A line is no text.
    #[error("a line of the stream is no UTF-8")]
    NoText(#[from] Utf8Error),
}

/// Cuts a stream into its events; at no time is more than one event held.
#[derive(Debug)]
pub(crate) struct SseParser {
    lines: Lines,
    event: PartialEvent,
    /// Most bytes of a line, and of the data of an event.
    max: usize,
}

/// The event that has begun.
#[derive(Debug, Default)]
struct PartialEvent {
    name: String,
    id: Option<String>,
    data: String,
    has_data: bool,
}

impl SseParser {
    /// Returns a parser of a stream whose events have at most `max` bytes.
    pub(crate) fn of(max: usize) -> Self {
        Self { lines: Lines::of(max), event: PartialEvent::default(), max }
    }

    /// Takes the next piece and hands out each event that is complete with it.
    ///
    /// # Errors
    /// When the stream is none of events, or `take` fails.
    pub(crate) fn add<E: From<BadEventStream>>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(SseEvent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (event, max) = (&mut self.event, self.max);
        let added = self.lines.add(piece, |line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = str::from_utf8(line).map_err(|error| Fault::Stream(error.into()))?;
            if !line.is_empty() {
                return event.add(line, max).map_err(|error| Fault::Stream(error.into()));
            }
            let taken = match event.has_data {
                true => take(event.whole()).map_err(Fault::Taker),
                // Nothing but an id or a name is no event.
                false => Ok(()),
            };
            event.clear();
            taken
        });
        added.map_err(|fault| match fault {
            Fault::Stream(error) => error.into(),
            Fault::Taker(error) => error,
        })
    }
}

/// The fault of the stream, or of what takes its events.
enum Fault<E> {
    Stream(BadEventStream),
    Taker(E),
}

impl<E> From<LineTooLong> for Fault<E> {
    fn from(error: LineTooLong) -> Self {
        Self::Stream(error.into())
    }
}

impl PartialEvent {
    /// Adds a line that is not empty.
    fn add(&mut self, line: &str, max: usize) -> Result<(), LineTooLong> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.data.len() + value.len() > max {
                    return Err(LineTooLong { max });
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments have an empty name; `retry` is about pauses, and this client draws its own.
            _ => {}
        }
        Ok(())
    }

    fn whole(&self) -> SseEvent<'_> {
        SseEvent { name: &self.name, id: self.id.as_deref(), data: &self.data }
    }

    fn clear(&mut self) {
        self.name.clear();
        self.data.clear();
        (self.id, self.has_data) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::LINE_BYTES_MAX;

    type Owned = (String, Option<String>, String);

    fn parsed(pieces: &[&[u8]]) -> Result<Vec<Owned>, BadEventStream> {
        let (mut parser, mut found) = (SseParser::of(LINE_BYTES_MAX), Vec::new());
        for piece in pieces {
            parser.add(piece, |event| {
                let SseEvent { name, id, data } = event;
                found.push((name.to_owned(), id.map(str::to_owned), data.to_owned()));
                Ok::<_, BadEventStream>(())
            })?;
        }
        Ok(found)
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> Owned {
        (name.to_owned(), id.map(str::to_owned), data.to_owned())
    }

    #[test]
    fn events_are_found_wherever_the_stream_is_cut_in_two() {
        let stream = ": hello\nretry: 1000\n\nevent: open\r\ndata: {}\r\n\r\nid: a.1.0\n\
                      data: \u{e4}\u{1f41f}\u{85}\u{2028}\u{2029}\u{b}\u{c}\n\ndata:1\ndata: 2\n\n\
                      event: tail\n\nid: lonely\n\ndata\n\ndata: begun\n";
        let expected = [
            event("open", None, "{}"),
            event("", Some("a.1.0"), "\u{e4}\u{1f41f}\u{85}\u{2028}\u{2029}\u{b}\u{c}"),
            event("", None, "1\n2"),
            event("", None, ""),
        ];
        let stream = stream.as_bytes();
        for at in 0..stream.len() {
            let (first, second) = stream.split_at(at);
            assert_eq!(parsed(&[first, second]).unwrap(), expected, "{at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(parsed(&bytes).unwrap(), expected);
    }

    #[test]
    fn what_is_no_stream_of_events_is_refused() {
        assert!(matches!(parsed(&[b"data: \xff\n\n"]), Err(BadEventStream::NoText(_))));
        let line = format!("data: {}\n", "x".repeat(LINE_BYTES_MAX / 2));
        let line = line.as_bytes();
        assert_eq!(parsed(&[line, line]).unwrap(), []);
        assert!(matches!(parsed(&[line, line, line]), Err(BadEventStream::TooLong(_))));
    }

    #[test]
    fn the_taker_can_stop() {
        #[derive(Debug, PartialEq)]
        struct Stop;
        impl From<BadEventStream> for Stop {
            fn from(_: BadEventStream) -> Self {
                panic!("the stream is good")
            }
        }
        let mut parser = SseParser::of(LINE_BYTES_MAX);
        assert_eq!(parser.add(b"data: 1\n\ndata: 2\n\n", |_| Err(Stop)), Err(Stop));
    }
}
