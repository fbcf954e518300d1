//! What a cluster promises, one file each. Each function looks at the facts and adds what
//! contradicts them.
//!
//! | promise of the specification, section 2 | file |
//! |---|---|
//! | 1. total order | [`total_order`], [`lookups`] |
//! | 2. exactly once | [`exactly_once`], [`keys`] |
//! | 3. acks are true | [`true_acks`], [`claimed_acks`], [`write_concern`] |
//! | 4. retry until delivered, and 6. rejoin | [`delivery`] |
//! | 5. waiting blocks only the waiter, and ends in time | [`waiting`] |
//! | 7. nothing fails silently: whole answers, true outcomes | [`whole_answers`], [`outcomes`] |
//! | 8. never ahead | [`never_ahead`] |
//! | 10. ids are stable | [`stable_ids`] |
//! | batches are whole (section 4) | [`whole_batches`] |
//! | nothing is there that nobody sent | [`nothing_invented`] |
//!
//! That late answers count (9) cannot be seen in a history: the simulator compares the master's
//! health with the frames that it received.

pub(crate) mod claimed_acks;
pub(crate) mod delivery;
pub(crate) mod exactly_once;
pub(crate) mod keys;
pub(crate) mod lookups;
pub(crate) mod never_ahead;
pub(crate) mod nothing_invented;
pub(crate) mod outcomes;
pub(crate) mod stable_ids;
pub(crate) mod total_order;
pub(crate) mod true_acks;
pub(crate) mod waiting;
pub(crate) mod whole_answers;
pub(crate) mod whole_batches;
pub(crate) mod write_concern;
