//! Where a read begins.
//!
//! A secondary that lags does not know that at once. It may not have the message from which on a
//! read by time shows the log, nor the batch in the middle of which a position lies. So it looks
//! again when messages come.

use acklog_log::{LogReader, ReadError};
use acklog_types::{LogEnd, MessageId};

/// Where a read begins and ends, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::http) struct Beginning {
    /// The first position.
    pub(in crate::server::http) position: LogEnd,
    /// The time that still is to be found, at that position or behind it.
    pub(in crate::server::http) since: Option<SoughtTime>,
    /// Most messages.
    pub(in crate::server::http) limit: u64,
    /// The end of what is asked for.
    pub(in crate::server::http) until: LogEnd,
}

/// A time at or after which no message of this node is accepted, but perhaps one that it lacks.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::http) struct SoughtTime {
    /// In milliseconds since 1970.
    ms: u64,
    /// The end of the log when it was asked for: from there on everything is shown.
    log_end: LogEnd,
}

impl Beginning {
    /// Finds the first message accepted at or after a time in milliseconds since 1970. `log_end` is
    /// the end of the log, wherever it is held. May read files, so call it aside.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(in crate::server::http) fn seek(
        log: &LogReader,
        ms: u64,
        log_end: LogEnd,
    ) -> Result<(LogEnd, Option<SoughtTime>), ReadError> {
        let looked_at = log.durable_end();
        let found = log.position_at(ms)?;
        let is_found = found < looked_at || found >= log_end;
        Ok((found.min(log_end), (!is_found).then_some(SoughtTime { ms, log_end })))
    }

    /// Looks for the time again, if it is still sought. May read files, so call it aside.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(in crate::server::http) fn again(self, log: &LogReader) -> Result<Self, ReadError> {
        let Some(SoughtTime { ms, log_end }) = self.since else { return Ok(self) };
        let (position, since) = Self::seek(log, ms, log_end)?;
        Ok(Self { position, since, ..self })
    }

    /// Returns the end of what is asked for, under the limit.
    pub(in crate::server::http) fn end(&self) -> LogEnd {
        let limited = self.position.get().saturating_add(self.limit);
        LogEnd::new(limited).min(self.until).max(self.position)
    }

    /// Returns the end at which a stream ends by itself; none where it does not, or where that is
    /// not known yet.
    pub(in crate::server::http) fn known_end(&self) -> Option<LogEnd> {
        Some(self.end()).filter(|end| self.since.is_none() && end.get() < u64::MAX)
    }

    /// Returns the first message of the batch in the middle of which the position lies; none where
    /// it lies between batches. May read files, so call it aside.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn open_batch(&self, log: &LogReader) -> Result<Option<MessageId>, ReadError> {
        let begin = log.batch_begin(self.position)?;
        Ok((begin < self.position).then(|| begin.next_id()))
    }
}
