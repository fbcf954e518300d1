//! The events as they come, newest at the bottom.

use acklog_api::{DiskState, EventAnswer, EventBody, EventKind, MemberStatus, Mode};

use super::node_colour;
use crate::cli::watch::model::{Happened, Model};
use crate::cli::watch::picture::{BAD, BOLD, DIM, GOOD, PLAIN, Picture, Style, WARNING};
use crate::cli::watch::text::{columns, fitted};
use crate::cli::watch::view::View;
use crate::cli::watch::words::{about, time_of_day};

/// Most columns of a node's name. Fewer: long names look alike. More: less room for the rest.
const NAME_WIDTH_MAX: usize = 12;

/// Columns of a kind; the longest is `store-delayed`.
const KIND_WIDTH: usize = 13;

/// Draws a title, and the events that end where the user scrolled to.
pub(in crate::cli::watch) fn draw_events(
    picture: &mut Picture,
    view: &View<'_>,
    top: usize,
    rows: usize,
) {
    let events = view.model.events();
    let total = view.model.events_total();
    let gone = total - events.len() as u64;
    let lowest_end = total.min(gone + rows as u64);
    let end = view.choice.events_end.unwrap_or(total).clamp(lowest_end, total);
    let mut title = "events".to_owned();
    if let Some(every) = view.model.sampled(view.now) {
        title.push_str(&format!(", too many: of {every} messages one is followed"));
    }
    if end < total {
        title.push_str(&format!(", {} newer below", total - end));
    }
    picture.rule(top, &title, BOLD);
    let kept_end = usize::try_from(end - gone).unwrap_or(events.len());
    let shown = events.range(kept_end.saturating_sub(rows)..kept_end);
    let name_width = name_width(view.model);
    for (row, happened) in shown.enumerate() {
        match happened {
            Happened::Event(event) => {
                draw_event(picture, view.model, event, (top + 1 + row, name_width));
            }
            Happened::Note(line) => {
                picture.put(top + 1 + row, 1, picture.width, line, WARNING);
            }
        }
    }
}

fn name_width(model: &Model) -> usize {
    let width = |name: &str| columns(&fitted(name, NAME_WIDTH_MAX));
    model.nodes().iter().map(|node| width(&node.name)).max().unwrap_or_default()
}

fn draw_event(
    picture: &mut Picture,
    model: &Model,
    event: &EventBody,
    (row, name_width): (usize, usize),
) {
    let place = model.nodes().iter().position(|node| node.name == event.node);
    let name = Style { colour: place.and_then(node_colour), ..PLAIN };
    let time = picture.put(row, 1, picture.width, &time_of_day(event.time), DIM);
    picture.put(row, time + 1, name_width, &event.node, name);
    let kind = time + 2 + name_width;
    picture.put(row, kind, KIND_WIDTH, event.kind.as_str(), style_of(event));
    picture.put(row, kind + KIND_WIDTH + 1, picture.width, &about(event), PLAIN);
}

/// Returns the look of an event by how it went.
fn style_of(event: &EventBody) -> Style {
    match event.kind {
        EventKind::Answered if event.answer == Some(EventAnswer::Acked) => GOOD,
        EventKind::Health if event.status == Some(MemberStatus::Healthy) => GOOD,
        EventKind::Mode if event.mode == Some(Mode::ReadWrite) => GOOD,
        EventKind::Disk | EventKind::Repair if event.state == Some(DiskState::Ok) => GOOD,
        EventKind::Acked
        | EventKind::Stored
        | EventKind::GapClosed
        | EventKind::Joined
        | EventKind::Ready => GOOD,
        EventKind::Answered
        | EventKind::Canceled
        | EventKind::Held
        | EventKind::Duplicate
        | EventKind::StoreDelayed
        | EventKind::Resent
        | EventKind::TimedOut
        | EventKind::Late
        | EventKind::Dropped
        | EventKind::Doubled
        | EventKind::Delayed
        | EventKind::Advice
        | EventKind::Faults
        | EventKind::Disconnected
        | EventKind::LeftEarly
        | EventKind::Stopping => WARNING,
        EventKind::Failed
        | EventKind::Refused
        | EventKind::Left
        | EventKind::Lost
        | EventKind::Health
        | EventKind::Mode
        | EventKind::Disk
        | EventKind::Repair
        | EventKind::Behind
        | EventKind::Aborted => BAD,
        _ => PLAIN,
    }
}
