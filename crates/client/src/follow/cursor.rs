//! The cursor of a reader: a message of a certain log, behind which reading goes on.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Digits of the log's identity in a cursor.
const LOG_DIGITS: usize = 8;

/// A message, or the last one of a batch, behind which a reader goes on. A program that keeps the
/// cursor of what it has done goes on behind it after a restart, and is told where the log is
/// another one by then. As text it is the `Last-Event-ID` of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The first digits of the log's identity.
    log: String,
    epoch: u64,
    id: u64,
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a cursor is like 1f2e3d4c.1.18: eight hex digits of the log, the epoch, the id")]
pub struct NoCursor;

impl Cursor {
    /// Returns the id of the message.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Returns the epoch of the message.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns whether this is a message of the log with this identity (32 hex digits).
    pub(crate) fn is_of(&self, log: &str) -> bool {
        log.starts_with(&self.log)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.split('.');
        let (Some(log), Some(epoch), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoCursor);
        };
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if log.len() != LOG_DIGITS || !log.bytes().all(is_digit) {
            return Err(NoCursor);
        }
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| NoCursor),
            false => Err(NoCursor),
        };
        Ok(Self { log: log.to_owned(), epoch: number(epoch)?, id: number(id)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.log, self.epoch, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_id_of_an_event() {
        let cursor: Cursor = "1f2e3d4c.2.18".parse().unwrap();
        assert_eq!((cursor.epoch(), cursor.id()), (2, 18));
        assert_eq!(cursor.to_string(), "1f2e3d4c.2.18");
        assert!(cursor.is_of("1f2e3d4c00000000ffffffff00000000"));
        assert!(!cursor.is_of("1f2e3d4d00000000ffffffff00000000"));
        for wrong in ["", "18", "1f2e3d4c.1", "1f2e3d4.1.2", "1F2e3d4c.1.2", "1f2e3d4c.1.2.3"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NoCursor), "{wrong}");
        }
        for wrong in ["1f2e3d4c.+1.2", "1f2e3d4c..2", "1f2e3d4c.1.99999999999999999999"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(NoCursor), "{wrong}");
        }
    }
}
