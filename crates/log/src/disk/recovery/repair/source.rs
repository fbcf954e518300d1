//! The sources from which the messages of damaged places are fetched.

use std::fmt;
use std::path::Path;

use acklog_types::{IdRange, LogEnd, RECORD_HEAD_BYTES_MAX, encode_record, record_head};

use super::super::super::names::segment_name;
use super::super::LogDirectory;
use super::super::findings::DamageFinding;
use super::RepairError;

/// The source of messages that are damaged here.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// Another node's directory of the same log, or a backup of one.
    Directory(&'a Path),
    /// A running node, which shows the texts of its messages and nothing else of them.
    Node {
        /// Its URL.
        url: &'a str,
        /// Fetches the text of a message, or says in words why that failed.
        text_of: &'a dyn Fn(LogEnd) -> Result<String, String>,
    },
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Node { url, .. } => url.fmt(f),
        }
    }
}

impl LogDirectory<'_> {
    /// Returns the record of a message with this text, if its time and key still stand at the
    /// damaged place. This proves nothing.
    pub(super) fn record_with_text(
        &self,
        places: &[&DamageFinding],
        id: LogEnd,
        text: impl FnOnce() -> Result<String, String>,
    ) -> Result<Option<Vec<u8>>, RepairError> {
        let is_alone = |place: &&&DamageFinding| place.ids == IdRange::new(id, id.plus(1));
        let Some(place) = places.iter().find(is_alone) else { return Ok(None) };
        let mut bytes = [0; RECORD_HEAD_BYTES_MAX];
        let name = &segment_name(place.segment);
        let file = self.storage.open(name).map_err(self.failed("open", name))?;
        let got = file.read_at(place.offset, &mut bytes).map_err(self.failed("read", name))?;
        let head = bytes.get(..got).and_then(record_head);
        let Some(head) = head.filter(|head| head.id.before() == id) else { return Ok(None) };
        let text = text().map_err(RepairError::NoAnswer)?;
        let mut record = Vec::new();
        let (accepted, key) = (head.accepted_ms, head.key.as_ref());
        encode_record(&mut record, head.id, accepted, key, &text, head.in_batch);
        Ok(Some(record))
    }
}
