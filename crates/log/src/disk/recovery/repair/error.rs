//! Reasons why a directory was not repaired, in words that say what to do.

use acklog_types::IdRange;
use thiserror::Error;

use super::super::OpenError;
use super::super::inspect::InspectError;

/// Reason why a directory was not repaired. No message was changed.
#[derive(Debug, Error)]
pub enum RepairError {
    /// The directory, or the other one, cannot be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The directory is in use, or cannot be read or written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The manifest is valid, but only a newer release understands it.
    #[error(
        "{path} is whole, and this release does not understand it: {what}; nothing was changed. \
         Use the release that wrote it"
    )]
    NotUnderstood {
        /// The manifest.
        path: String,
        /// The part that is not understood.
        what: String,
    },
    /// No source was named for what is damaged.
    #[error(
        "damaged places: {places}, the first: {first}; name the directory of a node that has those \
         messages, or a backup of it, with --from"
    )]
    NoSource {
        /// Number of damaged places.
        places: usize,
        /// The first of them.
        first: String,
    },
    /// The other directory has another log.
    #[error("{path} has another log; name a directory of the same one")]
    OtherLog {
        /// The other directory.
        path: String,
    },
    /// The other directory lacks a message.
    #[error("{path} has no whole message {ids}; name another directory with --from")]
    Lacking {
        /// The other directory.
        path: String,
        /// The messages.
        ids: IdRange,
    },
    /// A node shows only texts over HTTP, and the rest of the record is lost.
    #[error(
        "of messages {ids} the times and keys are damaged here as well, and over HTTP a node does \
         not tell them; name its data directory with --from, or a backup of it (`acklog log \
         backup`)"
    )]
    HeadLost {
        /// The messages.
        ids: IdRange,
    },
    /// The node does not show a message.
    #[error("{0}")]
    NoAnswer(String),
    /// No checksum proves that the other directory has what was lost.
    #[error(
        "no checksum in this directory proves that the messages of {path} are those that were in \
         {file}; nothing was changed. {hint}"
    )]
    Unproven {
        /// The other directory.
        path: String,
        /// The file.
        file: String,
        /// The advice to the operator.
        hint: &'static str,
    },
}
