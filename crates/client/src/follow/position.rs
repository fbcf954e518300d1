//! The position of a follower. It lives outside of the connections, so that no message is lost or
//! repeated by the change from one to the next.

use acklog_api::query;

use super::FollowFrom;
use super::cursor::Cursor;
use super::events::{FollowGap, FollowOpen, FollowedMessage};
use super::names;
use crate::error::Cause;

/// Where a stream is asked to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resume {
    /// Where the user wants to begin: nothing has come yet.
    Chosen(FollowFrom),
    /// At this id: the stream began there, or behind a gap, and nothing has come since.
    At(u64),
    /// Behind this message or batch, which was handed out.
    Behind(Cursor),
}

/// The position of a follower in its log.
#[derive(Debug)]
pub(super) struct Position {
    resume: Resume,
    /// The identity of the log, as soon as a node told it.
    log: Option<String>,
    /// The id of the message that is handed out next, where that is known. Behind the resume point
    /// while a batch is read.
    next: Option<u64>,
    /// The id of the message that must come next on this connection.
    expected: Option<u64>,
}

impl Position {
    pub(super) const fn new(from: FollowFrom) -> Self {
        Self { resume: Resume::Chosen(from), log: None, next: None, expected: None }
    }

    /// Returns the query parameter and the `Last-Event-ID` that ask for the rest.
    pub(super) fn request(&self) -> (Option<(&'static str, String)>, Option<String>) {
        match &self.resume {
            Resume::Chosen(FollowFrom::Start) => (None, None),
            Resume::Chosen(FollowFrom::Id(id)) | Resume::At(id) => {
                (Some((query::FROM, id.to_string())), None)
            }
            Resume::Chosen(FollowFrom::Last(count)) => {
                (Some((names::LAST, count.to_string())), None)
            }
            Resume::Chosen(FollowFrom::Since(time)) => (Some((names::SINCE, time.clone())), None),
            Resume::Chosen(FollowFrom::Behind(cursor)) | Resume::Behind(cursor) => {
                (None, Some(cursor.to_string()))
            }
        }
    }

    /// Returns whether a stream was opened before.
    pub(super) const fn was_open(&self) -> bool {
        self.log.is_some()
    }

    /// Notes that a stream begins.
    ///
    /// # Errors
    /// When it is of another log.
    pub(super) fn opened(&mut self, open: FollowOpen) -> Result<(), Cause> {
        let is_same = match (&self.log, &self.resume) {
            (Some(log), _) => *log == open.log,
            (None, Resume::Chosen(FollowFrom::Behind(cursor))) => cursor.is_of(&open.log),
            (None, _) => true,
        };
        if !is_same {
            return Err(Cause::OtherLog);
        }
        self.log = Some(open.log);
        let resume = match &self.resume {
            Resume::Behind(cursor) | Resume::Chosen(FollowFrom::Behind(cursor)) => cursor.id() + 1,
            Resume::At(id) => *id,
            // `last` or `since` means another place when it is asked for again.
            Resume::Chosen(_) => {
                self.resume = Resume::At(open.next);
                open.next
            }
        };
        self.expected = Some(resume);
        self.next = self.next.or(Some(resume));
        Ok(())
    }

    /// Notes a message; returns whether it is handed out: the members of a batch that were handed
    /// out before the connection broke come again.
    ///
    /// # Errors
    /// When it is not the message that must come next.
    pub(super) fn message(&mut self, message: &FollowedMessage) -> Result<bool, Cause> {
        let Some(expected) = self.expected else {
            return Err(Cause::NoFollower("a message came before the stream was open".to_owned()));
        };
        if expected != message.id {
            return Err(Cause::OutOfOrder { expected, seen: message.id });
        }
        let end = message.id + 1;
        self.expected = Some(end);
        if let Some(cursor) = &message.cursor {
            self.resume = Resume::Behind(cursor.clone());
        }
        let is_new = self.next.is_none_or(|next| next < end);
        if is_new {
            self.next = Some(end);
        }
        Ok(is_new)
    }

    /// Notes that messages are gone.
    pub(super) fn gap(&mut self, gap: &FollowGap) {
        (self.next, self.expected) = (Some(gap.to), Some(gap.to));
        self.resume = Resume::At(gap.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "1f2e3d4c00000000ffffffff00000000";

    fn open(next: u64) -> FollowOpen {
        FollowOpen { log: LOG.to_owned(), next }
    }

    /// A message; within a batch none but the last has a cursor.
    fn message(id: u64, batch: Option<u64>, is_last: bool) -> FollowedMessage {
        let cursor = is_last.then(|| cursor(id));
        FollowedMessage { id, text: String::new(), batch, cursor }
    }

    fn cursor(id: u64) -> Cursor {
        format!("{}.1.{id}", &LOG[..8]).parse().unwrap()
    }

    fn from(position: &Position) -> Option<String> {
        position.request().0.map(|(name, value)| format!("{name}={value}"))
    }

    #[test]
    fn a_connection_that_is_cut_off_before_the_first_message_keeps_the_position() {
        let mut position = Position::new(FollowFrom::Last(10));
        for _ in 0..2 {
            assert_eq!(from(&position).unwrap(), "last=10");
        }
        position.opened(open(90)).unwrap();
        assert_eq!(from(&position).unwrap(), "from=90");
        position.opened(open(90)).unwrap();
        assert!(position.message(&message(90, None, true)).unwrap());
        for _ in 0..2 {
            assert_eq!(position.request(), (None, Some("1f2e3d4c.1.90".to_owned())));
            position.opened(open(91)).unwrap();
        }
        assert!(position.message(&message(91, None, true)).unwrap());
    }

    #[test]
    fn a_batch_that_was_cut_in_two_is_asked_for_again_and_no_member_is_handed_out_twice() {
        let mut position = Position::new(FollowFrom::Start);
        position.opened(open(0)).unwrap();
        assert!(position.message(&message(0, None, true)).unwrap());
        for id in 1..3 {
            assert!(position.message(&message(id, Some(1), false)).unwrap());
        }
        for _ in 0..2 {
            assert_eq!(position.request().1.unwrap(), cursor(0).to_string());
            position.opened(open(1)).unwrap();
            assert!(!position.message(&message(1, Some(1), false)).unwrap());
        }
        assert!(!position.message(&message(2, Some(1), false)).unwrap());
        assert!(position.message(&message(3, Some(1), true)).unwrap());
        assert_eq!(position.request().1.unwrap(), cursor(3).to_string());
    }

    #[test]
    fn what_is_left_out_or_repeated_is_an_error() {
        for wrong in [4, 6] {
            let mut position = Position::new(FollowFrom::Behind(cursor(3)));
            position.opened(open(4)).unwrap();
            assert!(position.message(&message(4, None, true)).unwrap());
            let error = position.message(&message(wrong, None, true)).unwrap_err();
            assert!(matches!(error, Cause::OutOfOrder { expected: 5, .. }), "{error}");
        }
        let mut position = Position::new(FollowFrom::Start);
        assert!(position.message(&message(0, None, true)).is_err());
    }

    #[test]
    fn a_gap_moves_the_position_and_is_told_once() {
        let mut position = Position::new(FollowFrom::Behind(cursor(3)));
        position.opened(open(4)).unwrap();
        let gap = FollowGap { from: 4, to: 9, why: "trimmed".to_owned() };
        position.gap(&gap);
        assert_eq!(from(&position).unwrap(), "from=9");
        assert!(position.message(&message(9, None, true)).unwrap());
    }

    #[test]
    fn another_log_is_noticed_also_without_a_cursor() {
        let mut position = Position::new(FollowFrom::Id(5));
        position.opened(open(5)).unwrap();
        let other = FollowOpen { log: "2".repeat(32), next: 5 };
        assert!(matches!(position.opened(other.clone()), Err(Cause::OtherLog)));
        let mut position = Position::new(FollowFrom::Behind(cursor(4)));
        assert!(matches!(position.opened(other), Err(Cause::OtherLog)));
    }
}
