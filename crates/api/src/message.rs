//! Messages as they are shown.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A message, alone or as a row of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Its position in the log.
    pub id: u64,
    /// Its text.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
}

/// A message that was waited for, with the nodes that have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AckedMessage<'a> {
    /// Its position in the log.
    pub id: u64,
    /// Its text.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// The write concern that holds, as a number of nodes.
    pub write_concern: u64,
    /// The nodes that had acked when the answer was made, master first.
    pub acked_by: Vec<String>,
}
