//! Pages at the end of the log, rendered once and shared by the followers of a thread.

use std::cell::RefCell;
use std::collections::VecDeque;

use acklog_log::{LogReader, PageRead};
use acklog_types::{LogEnd, MessageId};
use bytes::Bytes;

use super::form::FollowForm;
use crate::contract::json;
use crate::server::http::listing::{FormWriter, ListingForm, PAGE_BYTES_MAX};

/// Pages that are kept on each thread, the last ones that were taken. Fewer: followers that are a
/// little behind others render again. More: more memory, 4 MiB with these.
const PAGES_MAX: usize = 64;

/// Ids at whose multiples pages end, unless the log or a page's bytes end before. So followers that
/// are behind by different numbers of messages come to take the same pages. Smaller: shorter pages.
/// Larger: the next place at which they meet is further away.
const MEETING_IDS: u64 = 1024;

/// Longest page that is shared, in bytes of JSON. What escapes make longer is read by each follower
/// for itself, and counted in the memory of listings.
const SHARED_BYTES_MAX: usize = 2 * PAGE_BYTES_MAX;

/// Messages that were rendered in a form.
#[derive(Clone, Debug)]
pub(super) struct Page {
    form: FollowForm,
    start: LogEnd,
    /// The end of its messages.
    pub(super) end: LogEnd,
    /// The first message of the batch that goes on behind it.
    pub(super) open_batch: Option<MessageId>,
    /// The text.
    pub(super) bytes: Bytes,
}

/// The pages that followers of a thread took last, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct SharedPages(RefCell<VecDeque<Page>>);

/// The place of a follower, and what it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) position: LogEnd,
    /// The first message of the batch in the middle of which the position lies.
    pub(super) batch: Option<MessageId>,
    /// The end of what the follower may be sent.
    pub(super) until: LogEnd,
    pub(super) form: FollowForm,
    pub(super) listing: &'a ListingForm,
}

impl SharedPages {
    /// Returns the page that begins at a place: one that is kept, else one that is made and kept.
    /// None where the follower is to read for itself, since what it needs is not in memory, or too
    /// long.
    pub(super) fn page(&self, log: &LogReader, place: Place<'_>) -> Option<Page> {
        let mut pages = self.0.borrow_mut();
        let start = place.position.get();
        let meeting = LogEnd::new((start / MEETING_IDS + 1) * MEETING_IDS);
        let place = Place { until: place.until.min(meeting), ..place };
        // The log grows while followers take their turns: half of what there is now is enough.
        let enough = LogEnd::new(start + (place.until.get() - start).div_ceil(2));
        let fits = |page: &Page| {
            page.start == place.position
                && page.form == place.form
                && page.end <= place.until
                && (page.end >= enough || page.bytes.len() >= PAGE_BYTES_MAX)
        };
        let kept = pages.iter().rposition(fits).and_then(|at| pages.remove(at));
        let page = kept.or_else(|| render(log, place))?;
        if pages.len() == PAGES_MAX {
            pages.pop_front();
        }
        pages.push_back(page.clone());
        Some(page)
    }
}

fn render(log: &LogReader, place: Place<'_>) -> Option<Page> {
    let read = log.page_in_memory(place.position, place.until, PAGE_BYTES_MAX)?;
    let PageRead::Records(records) = read else { return None };
    if records.bytes() > PAGE_BYTES_MAX || records.range().is_empty() {
        return None;
    }
    let mut writer = FormWriter::new(place.listing.clone(), place.batch);
    let growth = records.range().len() as usize * place.listing.growth_bytes();
    let mut out = Vec::with_capacity(records.bytes() + growth);
    let mut end = place.position;
    for (id, in_batch, text) in records.texts() {
        if out.len() >= PAGE_BYTES_MAX {
            break;
        }
        writer.begin_message(&mut out, id, in_batch);
        json::write_escaped(&mut out, text);
        writer.end_message(&mut out);
        end = id.end();
    }
    (out.len() <= SHARED_BYTES_MAX).then(|| Page {
        form: place.form,
        start: place.position,
        end,
        open_batch: writer.open_batch(),
        bytes: out.into(),
    })
}
