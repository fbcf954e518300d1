//! The lists of all nodes side by side: a message stands in the same row in each of them.

use super::node_colour;
use super::node_state::{bar, lag_of, state_of};
use crate::cli::table::UNKNOWN;
use crate::cli::watch::model::{Cell, WatchedNode};
use crate::cli::watch::picture::{BOLD, DIM, PLAIN, Picture, Style};
use crate::cli::watch::view::View;

/// Fewest columns of a list. Fewer: a text is cut to nothing. More: fewer nodes fit.
const LIST_WIDTH_MIN: usize = 10;

/// Most cells of a bar: it is full at a lag of 262,144. Fewer: a long lag looks like a longer one.
/// More: less room for words.
const BAR_CELLS_MAX: usize = 10;

/// The columns of the lists.
struct Columns {
    /// Where the ids end.
    ids_end: usize,
    /// Columns of each list.
    width: usize,
    /// The number of lists that fit.
    count: usize,
}

impl Columns {
    fn of(width: usize, nodes: usize, newest: u64) -> Self {
        let ids_end = newest.to_string().len().max(4);
        let room = width.saturating_sub(ids_end);
        // Beside each list stands a line and a blank on either side of it.
        let count = nodes.clamp(1, (room / (LIST_WIDTH_MIN + 3)).max(1));
        Self { ids_end, width: (room / count).saturating_sub(3), count }
    }

    /// Returns the column of a list's line.
    const fn line(&self, place: usize) -> usize {
        self.ids_end + 1 + place * (self.width + 3)
    }
}

/// Draws the heads of the nodes in three rows, and `rows` rows of messages below.
pub(in crate::cli::watch) fn draw_lists(
    picture: &mut Picture,
    view: &View<'_>,
    top: usize,
    rows: usize,
) {
    let nodes = view.model.nodes();
    let newest = view.model.bottom(rows, view.now);
    let columns = Columns::of(picture.width, nodes.len(), newest);
    let hidden = view.choice.nodes_hidden.min(nodes.len().saturating_sub(columns.count));
    picture.put(top + 2, 1, columns.ids_end, "lag", DIM);
    if nodes.len() > columns.count {
        picture.put(top, 0, columns.ids_end, "← →", DIM);
        let seen = format!("{} of {}", columns.count, nodes.len());
        picture.put(top + 1, 0, columns.ids_end, &seen, DIM);
    }
    let first = newest.saturating_sub(rows as u64);
    for row in 0..rows {
        let id = first + row as u64;
        if id < newest {
            let ids_end = columns.ids_end;
            picture.put_right(top + 3 + row, ids_end, ids_end, &id.to_string(), DIM);
        }
    }
    let shown = nodes.iter().enumerate().skip(hidden).take(columns.count);
    for (place, (number, node)) in shown.enumerate() {
        let line = columns.line(place);
        for row in 0..rows + 3 {
            picture.put(top + row, line, 1, "│", DIM);
        }
        draw_head(picture, view, node, number, (top, line + 2, columns.width));
        for row in 0..rows {
            let id = first + row as u64;
            if let Some((text, style)) = cell(view, node, id).filter(|_| id < newest) {
                picture.put(top + 3 + row, line + 2, columns.width, &text, style);
            }
        }
    }
}

/// Draws name, state and lag of a node.
fn draw_head(
    picture: &mut Picture,
    view: &View<'_>,
    node: &WatchedNode,
    number: usize,
    (top, column, width): (usize, usize, usize),
) {
    let name = Style { colour: node_colour(number), ..BOLD };
    let behind = picture.put(top, column, width, &node.name, name);
    if node.is_master() && node.name != "master" {
        let room = (column + width).saturating_sub(behind + 1);
        picture.put(top, behind + 1, room, "master", DIM);
    }
    let (state, style) = state_of(node, view);
    picture.put(top + 1, column, width, &state, style);
    if node.is_master() {
        picture.put(top + 2, column, width, &format!("log end {}", node.end()), PLAIN);
        return;
    }
    match lag_of(node, view) {
        Some(lag) => {
            let cells = (width / 2).min(BAR_CELLS_MAX);
            let text = match lag {
                0 => format!("{} none", bar(lag, cells)),
                _ => format!("{} {lag}", bar(lag, cells)),
            };
            let style = if lag == 0 { DIM } else { PLAIN };
            picture.put(top + 2, column, width, &text, style);
        }
        None => {
            picture.put(top + 2, column, width, UNKNOWN, DIM);
        }
    }
}

/// Returns what stands in a node's list at the row of an id.
fn cell(view: &View<'_>, node: &WatchedNode, id: u64) -> Option<(String, Style)> {
    match node.list.cell(id) {
        Cell::Shows(text) => Some((text.to_owned(), PLAIN)),
        // The node has it, so it has the text that others show.
        Cell::Unknown => Some((view.model.text_anywhere(id).unwrap_or("…").to_owned(), DIM)),
        // Greyed, and marked for terminals that show no grey.
        Cell::Held => {
            let text = view.model.text_anywhere(id).unwrap_or_default();
            Some((format!("(held) {text}"), DIM))
        }
        Cell::Lacks => None,
    }
}
