//! The whole screen: what stands where, from top to bottom.

use super::parts;
use super::picture::{BOLD, DIM, Picture};
use super::view::View;

/// Fewest columns and rows with which the screen is drawn. Fewer: no list has room for a message.
const SIZE_MIN: (usize, usize) = (30, 12);

/// The rows that every screen has: two at the top, three of the nodes' heads, the titles of
/// senders and events, and one at the bottom.
const FIXED_ROWS: usize = 8;

/// Most rows for senders that wait. Fewer: less is seen of them. More: less of lists and events.
const SENDER_ROWS_MAX: usize = 6;

/// The rows of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Rows of the lists, without their heads.
    pub(super) list_rows: usize,
    /// Rows of senders, without their title.
    pub(super) sender_rows: usize,
    /// Rows of events, without their title.
    pub(super) event_rows: usize,
}

impl Layout {
    /// Divides a screen; the same height is always divided in the same way, so that nothing moves.
    pub(super) fn of(height: usize) -> Self {
        let rest = height.saturating_sub(FIXED_ROWS);
        let sender_rows = (rest / 7).clamp(1, SENDER_ROWS_MAX);
        let rest = rest.saturating_sub(sender_rows);
        Self { list_rows: rest - rest / 2, sender_rows, event_rows: rest / 2 }
    }
}

/// Draws the screen.
pub(super) fn draw(view: &View<'_>, width: usize, height: usize) -> Picture {
    let mut picture = Picture::new(width, height);
    if width < SIZE_MIN.0 || height < SIZE_MIN.1 {
        let (columns, rows) = SIZE_MIN;
        picture.put(0, 0, width, "too small", BOLD);
        picture.put(1, 0, width, &format!("needs {columns} x {rows}"), DIM);
        return picture;
    }
    let layout = Layout::of(height);
    parts::draw_top(&mut picture, view);
    let lists = 2;
    parts::draw_lists(&mut picture, view, lists, layout.list_rows);
    let senders = lists + 3 + layout.list_rows;
    parts::draw_senders(&mut picture, view, senders, layout.sender_rows);
    let events = senders + 1 + layout.sender_rows;
    parts::draw_events(&mut picture, view, events, layout.event_rows);
    let keys = "q leave · f freeze · ↑ ↓ PgUp PgDn events · ← → nodes";
    picture.put(height - 1, 0, width, keys, DIM);
    picture
}

#[cfg(test)]
mod tests;
