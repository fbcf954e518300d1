//! Readers that follow the log, or wait for its next message.
//!
//! A follower is a position. While it has everything that may be shown it waits at its thread's
//! [`FollowHub`], which is woken once for all of them, and wakes them in slices. Pages at the end
//! of the log are rendered once on each thread and shared ([`pages`]); a follower that is further
//! behind reads for itself, as a listing does. Nothing is queued for a follower: one that takes
//! nothing holds its position, and at most one page.

mod begin;
mod form;
mod hub;
mod limit;
mod pages;
mod stream;

#[cfg(test)]
mod tests;

pub(super) use begin::{Beginning, SoughtTime};
pub(super) use form::{FollowForm, error_stream};
pub(super) use hub::{FollowHub, Waiter};
pub(super) use limit::{Follower, FollowerLimit};
pub(super) use stream::FollowStream;
