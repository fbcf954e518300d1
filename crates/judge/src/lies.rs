//! Lies that a cluster can tell, for the tests of all who use the judge: each way of judging is
//! told every lie that it can be told, and names the violation that it finds.
//!
//! The truth is always the same: [`TRUTH`] was sent in this order, the messages of [`BATCH`] as one
//! batch, and the log has just that.

use std::ops::Range;

use acklog_types::Batch;

/// The texts of the log, by their ids.
pub const TRUTH: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The ids of the messages that were sent as one batch. All others were sent alone.
pub const BATCH: Range<usize> = 2..5;

/// Returns the truth as it was sent: each batch with the id of its first message.
pub fn truth() -> impl Iterator<Item = (u64, Batch)> {
    let begins = (0..TRUTH.len()).filter(|at| !BATCH.contains(at) || *at == BATCH.start);
    begins.filter_map(|at| {
        let count = if at == BATCH.start { BATCH.len() } else { 1 };
        let (first, rest) = TRUTH.get(at..at + count)?.split_first()?;
        let mut batch = Batch::from(*first);
        rest.iter().for_each(|text| batch.push(text));
        Some((at as u64, batch))
    })
}

/// A lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The master's log lacks the last message, which was acked.
    LostMessage,
    /// A message stands in the log once more, at its end.
    DoubledMessage,
    /// A node shows two messages in the other order.
    ReorderedMessages,
    /// A node leaves a message out, and shows those behind it.
    Gap,
    /// A node is named as having a message that it does not have.
    FalseAck,
    /// A node shows another text under an id.
    ChangedText,
    /// A node shows a part of a batch.
    TornBatch,
    /// Two messages are answered the same id.
    IdGivenTwice,
    /// A message is stored twice under one key, or its key is taken for another message's.
    KeyStoredTwice,
    /// A node shows less than it did before.
    ShrunkLog,
    /// A node shows a message that nobody sent.
    InventedMessage,
    /// A secondary shows more than its master ever had.
    AheadOfMaster,
    /// A node never comes to have all messages.
    LeftBehind,
    /// A message that was refused is in the log.
    RefusedButThere,
    /// A message that may not be stored was acked.
    UnknownButAcked,
    /// Fewer nodes are named than were asked for.
    TooFewNamed,
    /// A time limit is said to have passed before it has.
    EarlyTimeout,
    /// A sender waits although enough nodes have its message.
    KeptWaiting,
    /// A sender is answered twice.
    AnsweredTwice,
    /// An answer lacks what it must have.
    HalfAnswer,
    /// A message that is asked for by its id is not the one in the list.
    OtherByItself,
    /// A node leaves a message out of a follower's stream.
    HiddenFromFollower,
    /// A node sends a follower a message again that it has.
    ToldFollowerTwice,
    /// A node lets a follower resume within a batch.
    TornResume,
    /// A node tells a follower that messages are gone, which are there.
    FalseGap,
    /// A follower never comes to the end.
    FollowerLeftBehind,
    /// A node shows under a read concern what too few nodes hold.
    ReadTooEarly,
    /// The master hides under a read concern what enough nodes hold.
    ReadTooLate,
    /// A secondary shows less under a read concern than it did before.
    ShrunkRead,
    /// A program that names no nodes answers before enough of them have the message.
    FalseClaim,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::LostMessage,
        Self::DoubledMessage,
        Self::ReorderedMessages,
        Self::Gap,
        Self::FalseAck,
        Self::ChangedText,
        Self::TornBatch,
        Self::IdGivenTwice,
        Self::KeyStoredTwice,
        Self::ShrunkLog,
        Self::InventedMessage,
        Self::AheadOfMaster,
        Self::LeftBehind,
        Self::RefusedButThere,
        Self::UnknownButAcked,
        Self::TooFewNamed,
        Self::EarlyTimeout,
        Self::KeptWaiting,
        Self::AnsweredTwice,
        Self::HalfAnswer,
        Self::OtherByItself,
        Self::HiddenFromFollower,
        Self::ToldFollowerTwice,
        Self::TornResume,
        Self::FalseGap,
        Self::FollowerLeftBehind,
        Self::ReadTooEarly,
        Self::ReadTooLate,
        Self::ShrunkRead,
        Self::FalseClaim,
    ];

    /// Returns the list that tells this lie in place of [`TRUTH`]; none where it is not told by a
    /// list.
    pub fn list(self) -> Option<Vec<&'static str>> {
        let mut list = TRUTH.to_vec();
        match self {
            Self::LostMessage => {
                list.pop();
            }
            Self::DoubledMessage => list.push("b"),
            Self::ReorderedMessages => list.swap(0, 1),
            Self::Gap => {
                list.remove(1);
            }
            Self::ChangedText => list = list.into_iter().map(changed).collect(),
            Self::TornBatch => list.truncate(BATCH.end - 1),
            Self::ShrunkLog => list.truncate(1),
            Self::InventedMessage => list.push("nobody sent this"),
            _ => return None,
        }
        Some(list)
    }
}

fn changed(text: &'static str) -> &'static str {
    if text == "b" { "changed" } else { text }
}
