//! All that a screen is drawn from.

use std::time::Instant;

use super::model::Model;

/// The state of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// None was there yet; with the reason why the last attempt failed.
    Connecting(Option<String>),
    /// Items come from this URL.
    Live(String),
    /// It broke off, for this reason; another attempt is made.
    Lost(String),
}

/// What the user chose to see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    /// The number of events, of those that ever came, that end with the last one shown; none: the
    /// newest are shown as they come.
    pub(super) events_end: Option<u64>,
    /// The number of nodes that are scrolled out to the left.
    pub(super) nodes_hidden: usize,
    /// The number of events that had come when the screen was frozen; none: it is not.
    pub(super) frozen_at: Option<u64>,
}

/// All that a picture is drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    pub(super) link: &'a Link,
    pub(super) choice: Choice,
    /// The number of events that ever came, also while the screen is frozen.
    pub(super) events_total: u64,
    /// The moment for which it is drawn.
    pub(super) now: Instant,
}
