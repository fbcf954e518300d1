//! The promises of a cluster, one file each. Each function looks at the facts and adds what
//! contradicts them.
//!
//! | promise | file |
//! |---|---|
//! | total order | [`total_order`], [`lookups`] |
//! | exactly once | [`exactly_once`], [`keys`] |
//! | acks are true | [`true_acks`], [`claimed_acks`], [`write_concern`] |
//! | retry until delivered, and rejoin | [`delivery`] |
//! | waiting blocks only the waiter, and ends in time | [`waiting`] |
//! | nothing fails silently: whole answers, true outcomes | [`whole_answers`], [`outcomes`] |
//! | never ahead | [`never_ahead`] |
//! | ids are stable | [`stable_ids`] |
//! | batches are whole | [`whole_batches`] |
//! | a read concern shows only what so many nodes hold | [`read_concern`] |
//! | followers receive each message once | [`following`] |
//! | nothing is there that nobody sent | [`nothing_invented`] |
//!
//! That late answers count cannot be seen in a history: the simulator compares the master's
//! health with the frames that it received.

pub(crate) mod claimed_acks;
pub(crate) mod delivery;
pub(crate) mod exactly_once;
pub(crate) mod following;
pub(crate) mod keys;
pub(crate) mod lookups;
pub(crate) mod never_ahead;
pub(crate) mod nothing_invented;
pub(crate) mod outcomes;
pub(crate) mod read_concern;
pub(crate) mod stable_ids;
pub(crate) mod total_order;
pub(crate) mod true_acks;
pub(crate) mod waiting;
pub(crate) mod whole_answers;
pub(crate) mod whole_batches;
pub(crate) mod write_concern;
