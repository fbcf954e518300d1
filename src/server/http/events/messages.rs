//! The messages of the node, told as they come.

use std::time::Duration;

use acklog_api::{NodeMessages, view};
use acklog_log::{LogReader, PageCursor, PageRead, ReadError};
use acklog_types::{LogEnd, LogId};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::NodeView;
use crate::contract::sse;
use crate::contract::{FIRST_MESSAGES_MAX, shown_text};
use crate::server::node::ReadLevel;

/// Time between two looks at the end of the log. Shorter: more work at full load. Longer: messages
/// are seen later.
const LOOK: Duration = Duration::from_millis(100);

/// Most messages of one look. Fewer: more are left out. More: more bytes than anybody can follow.
const LOOK_MAX: u64 = 100;

/// While messages are left out, the list is told only once in so many looks. Fewer: a list that
/// nobody can read, since most of its messages are new each time, takes processor time from the
/// node's senders. More: the list stands still in between.
const RUSH_LOOKS: u32 = 10;

/// Most bytes of the messages of one look, about; one message may be longer. Fewer: a list of long
/// messages begins with few of them. More: each reader makes the node read that much, also from its
/// disk, although of each text only the front is told.
const LOOK_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Most bytes of a page of records that is read from a file. Smaller: more reads. Larger: more
/// memory for each.
const PAGE_BYTES: usize = 64 * 1024;

/// Tells the last messages that the node shows, and then new ones, until nobody takes them any
/// more. May be dropped at any await.
pub(super) async fn tell(told: NodeView, sender: mpsc::Sender<Bytes>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut place = ListPlace::default();
    loop {
        looks.tick().await;
        // First: what a slow reader gets is the end of the log when there is room for it.
        let Ok(room) = sender.reserve().await else { return };
        let end = told.positions.end(ReadLevel::Own);
        // Behind the end: a message that is shown is of this log.
        let (log, start) = (told.positions.log(), told.positions.log_start());
        let Some((from, end)) = place.next(log, start, end) else { continue };
        if place.is_rush {
            looks.reset_after(LOOK * RUSH_LOOKS);
        }
        let Ok(read) = told.log.aside(move |log| read_texts(log, from, end)).await else {
            // There is no thread at the moment: these messages come with the next look.
            continue;
        };
        place.take(log, read.end);
        let (node, mut out) = (told.name(), Vec::new());
        for (from, messages) in read.runs {
            let data = NodeMessages { node: node.clone(), from: from.get(), messages };
            sse::write_event(&mut out, (Some(view::MESSAGES_EVENT), None), &data);
        }
        if !out.is_empty() {
            room.send(out.into());
        }
    }
}

/// The place of a reader in the node's list.
#[derive(Debug, Default)]
struct ListPlace {
    /// The log, and the end of what was read; none at the begin.
    at: Option<(Option<LogId>, LogEnd)>,
    /// Whether messages come faster than they are told.
    is_rush: bool,
}

impl ListPlace {
    /// Returns what is to be read; none where nothing is new.
    fn next(&mut self, log: Option<LogId>, start: LogEnd, end: LogEnd) -> Option<(LogEnd, LogEnd)> {
        let last = |count: u64| LogEnd::new(end.get().saturating_sub(count)).max(start);
        let looks = if std::mem::take(&mut self.is_rush) { u64::from(RUSH_LOOKS) } else { 1 };
        match self.at {
            Some((known, at)) if known == log && at == end => None,
            Some((known, at)) if known == log && at < end => {
                self.is_rush = at < last(LOOK_MAX * looks);
                let from = if self.is_rush { last(LOOK_MAX) } else { at };
                Some((from, end))
            }
            // Its begin, another log, or one that was cut.
            _ => Some((last(FIRST_MESSAGES_MAX as u64).min(end), end)),
        }
    }

    fn take(&mut self, log: Option<LogId>, end: LogEnd) {
        self.at = Some((log, end));
    }
}

/// Texts that were read.
#[derive(Debug, PartialEq, Eq)]
struct ReadTexts {
    /// Texts without a gap, each with the position of its first one. One that is empty says where
    /// the list ends.
    runs: Vec<(LogEnd, Vec<String>)>,
    /// Where the next look goes on.
    end: LogEnd,
}

/// Returns where the last messages of a range begin that have [`LOOK_BYTES_MAX`] bytes at most.
fn begin_of_last(log: &LogReader, mut from: LogEnd, until: LogEnd) -> LogEnd {
    while let count @ 2.. = until.get().saturating_sub(from.get())
        && log.bytes_between(from, until) > LOOK_BYTES_MAX
    {
        from = from.plus(count / 2);
    }
    from
}

/// Reads the texts of a range, a page at a time; of long ones only the last. What is damaged is
/// left out.
fn read_texts(log: &LogReader, from: LogEnd, until: LogEnd) -> ReadTexts {
    let from = begin_of_last(log, from, until);
    let (mut runs, mut run) = (Vec::new(), (from, Vec::new()));
    let (mut at, mut bytes, mut cursor) = (from, PAGE_BYTES, PageCursor::default());
    // Whether the next read is of one record.
    let mut is_alone = false;
    while at < until {
        match log.read_page(at, until, bytes, &mut cursor) {
            Ok(PageRead::Records(records)) if records.range().is_empty() => break,
            Ok(PageRead::Records(records)) => {
                run.1.extend(records.texts().map(|(_, _, text)| shown_text(text)));
                (at, bytes, is_alone) = (records.range().end(), PAGE_BYTES, false);
            }
            Ok(PageRead::Longer(longer)) => bytes = longer,
            // What stands before the damage is read by itself.
            Err(ReadError::Damaged { .. }) if !is_alone => (bytes, is_alone) = (1, true),
            Err(ReadError::Damaged { .. }) => {
                (at, bytes, is_alone) = (at.plus(1), PAGE_BYTES, false);
                let whole = std::mem::replace(&mut run, (at, Vec::new()));
                runs.extend(Some(whole).filter(|(_, texts)| !texts.is_empty()));
            }
            // It passes: the next look goes on here.
            Err(ReadError::Passing { .. }) => break,
        }
    }
    if !run.1.is_empty() || from == until {
        runs.push(run);
    }
    ReadTexts { runs, end: at }
}

#[cfg(test)]
mod tests;
