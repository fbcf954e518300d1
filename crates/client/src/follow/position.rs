//! The position of a follower. It lives outside of the connections, so that no message is lost or
//! repeated by the change from one to the next.

use acklog_api::follow::{EventId, Gap, GapReason, Open};

use super::FollowFrom;
use super::events::StreamedMessage;
use crate::error::Cause;

/// Where a stream is asked to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resume {
    /// Where the user wants to begin: nothing has come yet.
    Chosen(FollowFrom),
    /// At this id: the stream began there, or behind a gap, and nothing has come since.
    At(u64),
    /// Behind this message or batch, which was handed out.
    Behind(EventId),
}

/// The position of a follower in its log.
#[derive(Debug)]
pub(super) struct Position {
    resume: Resume,
    /// Whether a stream was opened before.
    was_open: bool,
    /// The log's part in the ids of its events, as soon as a node told it.
    log: Option<u32>,
    /// The id of the message that is handed out next, where that is known. Behind the resume point
    /// while a batch is read.
    next: Option<u64>,
    /// The id of the message that must come next on this connection.
    expected: Option<u64>,
    /// The cut that was told last, if no message has come since: a node tells it again.
    cut: Option<Gap>,
}

impl Position {
    pub(super) const fn new(from: FollowFrom) -> Self {
        let log = match &from {
            FollowFrom::Behind(cursor) => Some(cursor.log),
            _ => None,
        };
        let resume = Resume::Chosen(from);
        Self { resume, was_open: false, log, next: None, expected: None, cut: None }
    }

    /// Returns the query parameter and the `Last-Event-ID` that ask for the rest.
    pub(super) fn request(&self) -> (Option<(&'static str, String)>, Option<String>) {
        match &self.resume {
            Resume::At(id) => (FollowFrom::Id(*id).parameter(), None),
            Resume::Chosen(FollowFrom::Behind(cursor)) | Resume::Behind(cursor) => {
                (None, Some(cursor.to_string()))
            }
            Resume::Chosen(from) => (from.parameter(), None),
        }
    }

    /// Returns whether a stream was opened before.
    pub(super) const fn was_open(&self) -> bool {
        self.was_open
    }

    /// Returns the id of the message that is handed out next, where that is known.
    pub(super) const fn next(&self) -> Option<u64> {
        self.next
    }

    /// Notes that a stream begins.
    ///
    /// # Errors
    /// When it is of another log.
    pub(super) fn opened(&mut self, open: &Open) -> Result<(), Cause> {
        // A node that never had a message may not know its log yet.
        if let Some(log) = &open.log {
            let part = log.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            let not_hex = || Cause::NoFollower(format!("{log:?} is no log: is this a node?"));
            self.of_log(part.ok_or_else(not_hex)?)?;
        }
        self.was_open = true;
        let resume = match &self.resume {
            Resume::Behind(cursor) | Resume::Chosen(FollowFrom::Behind(cursor)) => cursor.id + 1,
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
    pub(super) fn message(&mut self, message: &StreamedMessage) -> Result<bool, Cause> {
        let Some(expected) = self.expected else {
            return Err(Cause::NoFollower("a message came before the stream was open".to_owned()));
        };
        if expected != message.id {
            return Err(Cause::OutOfOrder { expected, seen: message.id });
        }
        let end = message.id + 1;
        self.expected = Some(end);
        if let Some(cursor) = message.cursor {
            self.of_log(cursor.log)?;
            (self.resume, self.cut) = (Resume::Behind(cursor), None);
        }
        let is_new = self.next.is_none_or(|next| next < end);
        if is_new {
            self.next = Some(end);
        }
        Ok(is_new)
    }

    /// Notes what the log is.
    fn of_log(&mut self, part: u32) -> Result<(), Cause> {
        match self.log.replace(part) {
            Some(before) if before != part => Err(Cause::OtherLog),
            _ => Ok(()),
        }
    }

    /// Notes that messages are gone. Returns the gap to tell, if it was not told before: a cursor
    /// stays, by which a node knows the log and its epoch, so that a node tells the gap again.
    pub(super) fn gap(&mut self, gap: Gap) -> Option<Gap> {
        self.expected = Some(gap.to);
        if let Resume::At(_) = self.resume {
            self.resume = Resume::At(gap.to);
        }
        if gap.why == GapReason::Cut {
            // The ids come again, with other messages.
            let is_new = self.cut.as_ref() != Some(&gap);
            if is_new {
                (self.next, self.cut) = (Some(gap.to), Some(gap.clone()));
            }
            return is_new.then_some(gap);
        }
        let from = self.next.map_or(gap.from, |next| gap.from.max(next));
        if from >= gap.to {
            return None;
        }
        self.next = Some(gap.to);
        Some(Gap { from, ..gap })
    }

    /// Notes that a node's log starts here, behind the id at which the stream was to go on. Returns
    /// the gap; `None` where it is none: the user chose a place that is gone.
    pub(super) fn trimmed(&mut self, start: u64) -> Option<Gap> {
        match self.resume {
            Resume::At(from) if from < start => {
                self.gap(Gap { from, to: start, why: GapReason::Trimmed })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "1f2e3d4c00000000ffffffff00000000";

    fn open(next: u64) -> Open {
        let log = Some(LOG.to_owned());
        Open { log, epoch: 1, start: 0, end: next, next, read_concern: None }
    }

    /// A message; within a batch none but the last has a cursor.
    fn message(id: u64, batch: Option<u64>, is_last: bool) -> StreamedMessage {
        let cursor = is_last.then(|| cursor(id));
        StreamedMessage { id, text: String::new(), batch, cursor }
    }

    fn cursor(id: u64) -> EventId {
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
        position.opened(&open(90)).unwrap();
        assert_eq!(from(&position).unwrap(), "from=90");
        position.opened(&open(90)).unwrap();
        assert!(position.message(&message(90, None, true)).unwrap());
        for _ in 0..2 {
            assert_eq!(position.request(), (None, Some("1f2e3d4c.1.90".to_owned())));
            position.opened(&open(91)).unwrap();
        }
        assert!(position.message(&message(91, None, true)).unwrap());
    }

    #[test]
    fn a_batch_that_was_cut_in_two_is_asked_for_again_and_no_member_is_handed_out_twice() {
        let mut position = Position::new(FollowFrom::Start);
        position.opened(&open(0)).unwrap();
        assert!(position.message(&message(0, None, true)).unwrap());
        for id in 1..3 {
            assert!(position.message(&message(id, Some(1), false)).unwrap());
        }
        for _ in 0..2 {
            assert_eq!(position.request().1.unwrap(), cursor(0).to_string());
            position.opened(&open(1)).unwrap();
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
            position.opened(&open(4)).unwrap();
            assert!(position.message(&message(4, None, true)).unwrap());
            let error = position.message(&message(wrong, None, true)).unwrap_err();
            assert!(matches!(error, Cause::OutOfOrder { expected: 5, .. }), "{error}");
        }
        let mut position = Position::new(FollowFrom::Start);
        assert!(position.message(&message(0, None, true)).is_err());
    }

    fn gap(from: u64, to: u64, why: GapReason) -> Gap {
        Gap { from, to, why }
    }

    #[test]
    fn a_gap_keeps_the_cursor_and_is_told_once() {
        let mut position = Position::new(FollowFrom::Behind(cursor(3)));
        let trimmed = gap(4, 9, GapReason::Trimmed);
        position.opened(&open(4)).unwrap();
        assert_eq!(position.gap(trimmed.clone()), Some(trimmed.clone()));
        for _ in 0..2 {
            assert_eq!(position.request(), (None, Some(cursor(3).to_string())));
            position.opened(&open(4)).unwrap();
            assert_eq!(position.gap(trimmed.clone()), None);
        }
        // More was trimmed since.
        position.opened(&open(4)).unwrap();
        let more = gap(9, 12, GapReason::Trimmed);
        assert_eq!(position.gap(gap(4, 12, GapReason::Trimmed)), Some(more));
        // A node that still has them repeats none.
        position.opened(&open(4)).unwrap();
        for id in 4..12 {
            assert!(!position.message(&message(id, None, false)).unwrap());
        }
        assert!(position.message(&message(12, None, true)).unwrap());
    }

    #[test]
    fn a_cut_is_told_once_and_its_ids_come_again() {
        let mut position = Position::new(FollowFrom::Behind(cursor(9)));
        let cut = gap(5, 5, GapReason::Cut);
        position.opened(&open(10)).unwrap();
        assert_eq!(position.gap(cut.clone()), Some(cut.clone()));
        position.opened(&open(10)).unwrap();
        assert_eq!(position.gap(cut.clone()), None);
        assert!(position.message(&message(5, None, true)).unwrap());
        // Another one at the same place.
        position.opened(&open(6)).unwrap();
        assert_eq!(position.gap(cut.clone()), Some(cut));
    }

    #[test]
    fn a_place_that_was_trimmed_while_nothing_came_is_a_gap() {
        let mut position = Position::new(FollowFrom::Id(5));
        assert_eq!(position.trimmed(9), None);
        position.opened(&open(5)).unwrap();
        assert_eq!(position.trimmed(9), Some(gap(5, 9, GapReason::Trimmed)));
        assert_eq!(from(&position).unwrap(), "from=9");
        assert_eq!(position.trimmed(9), None);
        position.opened(&open(9)).unwrap();
        assert!(position.message(&message(9, None, true)).unwrap());
        assert_eq!(position.trimmed(12), None);
    }

    #[test]
    fn a_node_without_a_log_is_no_other_log_and_its_first_message_tells_the_log() {
        let mut position = Position::new(FollowFrom::Start);
        position.opened(&Open { log: None, ..open(0) }).unwrap();
        assert!(position.message(&message(0, None, true)).unwrap());
        let other =
            StreamedMessage { cursor: "22222222.1.1".parse().ok(), ..message(1, None, true) };
        assert!(matches!(position.message(&other), Err(Cause::OtherLog)));
        let no_log = Open { log: Some("\u{e4}".to_owned()), ..open(1) };
        assert!(matches!(position.opened(&no_log), Err(Cause::NoFollower(_))));
    }

    #[test]
    fn another_log_is_noticed_also_without_a_cursor() {
        let mut position = Position::new(FollowFrom::Id(5));
        position.opened(&open(5)).unwrap();
        let other = Open { log: Some("2".repeat(32)), ..open(5) };
        assert!(matches!(position.opened(&other), Err(Cause::OtherLog)));
        let mut position = Position::new(FollowFrom::Behind(cursor(4)));
        assert!(matches!(position.opened(&other), Err(Cause::OtherLog)));
    }
}
