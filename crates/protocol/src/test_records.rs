//! Records for tests.

use acklog_types::{IdRange, InBatch, LogEnd, MessageId, Records, encode_record};

/// Returns the messages `from..until`, all with this text.
pub(crate) fn records(from: u64, until: u64, text: &str) -> Records {
    let mut bytes = Vec::new();
    for id in from..until {
        encode_record(&mut bytes, MessageId::new(id), 0, None, text, InBatch::Last);
    }
    let range = IdRange::new(LogEnd::new(from), LogEnd::new(until));
    Records::check(range, bytes.into()).unwrap()
}
