//! How many lines of an append stream may wait for their answers.

use acklog_types::{Budget, Share};

/// Most lines of a stream that wait for their answers; then the node reads no further. Smaller: a
/// client far away, or whose write concern takes long, cannot send as fast as its line allows.
/// Larger: each stream may hold more answers, of some hundred bytes each.
const LINES_WAITING_MAX: usize = 16_384;

/// Lines of a stream that may wait whatever other streams do. Fewer: streams whose clients read
/// what they are answered are slowed down by those whose clients do not. More: each stream may hold
/// more memory that nothing else bounds.
const LINES_WAITING_FREE: usize = 256;

/// Lines that a stream is charged for at once. Fewer: a budget that all threads share is changed
/// more often. More: streams are charged for lines that they do not have.
const LINES_CHARGED: usize = 1024;

/// Bytes that a line is charged for while it waits: those of the answer to a bad line, about.
const ANSWER_BYTES: usize = 512;

/// The room for the answers of one stream, out of a budget of all streams.
#[derive(Debug)]
pub(super) struct AnswerRoom {
    budget: Budget,
    share: Option<Share>,
    /// Lines that may wait with that share.
    lines: usize,
}

impl AnswerRoom {
    /// Creates the room of a stream in which nothing waits.
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, share: None, lines: LINES_WAITING_FREE }
    }

    /// Returns whether one more line may wait, where so many do. Takes memory for it, or gives
    /// memory back.
    pub(super) fn has_room(&mut self, waiting: usize) -> bool {
        if waiting < LINES_WAITING_FREE {
            (self.share, self.lines) = (None, LINES_WAITING_FREE);
        } else if waiting >= self.lines && waiting < LINES_WAITING_MAX {
            let lines = (waiting + LINES_CHARGED).min(LINES_WAITING_MAX);
            if self.budget.hold(&mut self.share, lines * ANSWER_BYTES) {
                self.lines = lines;
            }
        }
        waiting < self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets lines wait one after the other. Returns how many may.
    fn fill(room: &mut AnswerRoom) -> usize {
        (0..).take_while(|waiting| room.has_room(*waiting)).count()
    }

    #[test]
    fn a_stream_has_room_for_16384_lines_and_gives_it_back() {
        let budget = Budget::new(LINES_WAITING_MAX * ANSWER_BYTES);
        let mut room = AnswerRoom::new(budget.clone());
        assert_eq!(fill(&mut room), 16_384);
        assert_eq!(budget.used(), LINES_WAITING_MAX * ANSWER_BYTES);
        assert!(room.has_room(16_383) && !room.has_room(16_384));
        assert!(room.has_room(0));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn where_streams_hold_all_there_is_each_has_room_for_a_few_lines() {
        let budget = Budget::new(20_000 * ANSWER_BYTES);
        let mut rooms = [(); 3].map(|()| AnswerRoom::new(budget.clone()));
        let lines = rooms.each_mut().map(fill);
        assert_eq!((lines[0], lines[2]), (16_384, LINES_WAITING_FREE));
        assert!((LINES_CHARGED..4000).contains(&lines[1]), "{lines:?}");
        // The answers of the first one are taken.
        assert!(rooms[0].has_room(10));
        assert_eq!(fill(&mut rooms[2]), 16_384);
    }
}
