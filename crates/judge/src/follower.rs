//! A follower: it has one place in the log, over all its connections, to one node or to several.

/// A follower.
#[derive(Debug)]
pub struct Follower {
    /// The node that it follows now.
    pub(crate) node: usize,
    /// The id that must come next on this connection.
    pub(crate) next: u64,
    /// The id with which the next connection goes on.
    pub(crate) resume: u64,
    /// The end of what it received.
    pub(crate) end: u64,
    /// Something is wrong with its stream; the rest of it tells nothing.
    pub(crate) is_broken: bool,
}

/// A message as a follower receives it.
#[derive(Clone, Copy, Debug)]
pub struct FollowedRow<'a> {
    /// The id.
    pub id: u64,
    /// The text.
    pub text: &'a str,
    /// The first message of its batch, as it is told.
    pub batch: Option<u64>,
    /// Whether another connection can go on behind it.
    pub is_resume_point: bool,
}

impl Follower {
    /// Returns the end of what it received.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether something is wrong with its stream, so that it is judged no further.
    pub const fn is_broken(&self) -> bool {
        self.is_broken
    }
}
