//! A picture of the screen: rows of texts, each at its column.
//!
//! Texts are placed by their columns and never follow one another: where a terminal gives a
//! character another width than expected, what stands to the right of it stays where it is.

use super::text::{columns, fitted};

/// The look of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// One of the 16 colours, by the number that chooses it as foreground.
    pub(super) colour: Option<u8>,
    pub(super) is_bold: bool,
    pub(super) is_dim: bool,
    pub(super) is_reversed: bool,
}

/// Plain text.
pub(super) const PLAIN: Style =
    Style { colour: None, is_bold: false, is_dim: false, is_reversed: false };
/// What matters less.
pub(super) const DIM: Style = Style { is_dim: true, ..PLAIN };
/// Headings.
pub(super) const BOLD: Style = Style { is_bold: true, ..PLAIN };
/// The lines at the top and at the bottom.
pub(super) const BAR: Style = Style { is_reversed: true, ..PLAIN };
/// What went well.
pub(super) const GOOD: Style = Style { colour: Some(32), ..PLAIN };
/// What may become trouble.
pub(super) const WARNING: Style = Style { colour: Some(33), ..PLAIN };
/// Trouble.
pub(super) const BAD: Style = Style { colour: Some(31), is_bold: true, ..PLAIN };

/// A text at its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The column of its first character; the first one is 0.
    pub(super) column: usize,
    /// Harmless text that fits.
    pub(super) text: String,
    pub(super) style: Style,
}

/// A picture of the whole screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: usize,
    /// The pieces of each row, from left to right.
    pub(super) rows: Vec<Vec<Piece>>,
}

impl Picture {
    /// Returns an empty picture.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, rows: vec![Vec::new(); height] }
    }

    /// Puts a text at a place, cut to `width` columns and to the picture, and returns the column
    /// behind it. What is outside of the picture is left out.
    pub(super) fn put(
        &mut self,
        row: usize,
        column: usize,
        width: usize,
        text: &str,
        style: Style,
    ) -> usize {
        let text = fitted(text, width.min(self.width.saturating_sub(column)));
        let end = column + columns(&text);
        if let Some(row) = self.rows.get_mut(row)
            && !text.is_empty()
        {
            row.push(Piece { column, text, style });
        }
        end
    }

    /// Puts a text that ends at a column, and is at most `width` columns wide.
    pub(super) fn put_right(
        &mut self,
        row: usize,
        end: usize,
        width: usize,
        text: &str,
        style: Style,
    ) {
        let width = columns(&fitted(text, width));
        self.put(row, end.saturating_sub(width), width, text, style);
    }

    /// Fills a row with one style; what is put there afterwards stands on it.
    pub(super) fn fill(&mut self, row: usize, style: Style) {
        self.put(row, 0, self.width, &" ".repeat(self.width), style);
    }

    /// Draws a line through a row, with a title at its begin.
    pub(super) fn rule(&mut self, row: usize, title: &str, style: Style) {
        let column = self.put(row, 0, self.width, title, style) + usize::from(!title.is_empty());
        self.put(row, column, self.width, &"─".repeat(self.width.saturating_sub(column)), DIM);
    }
}

#[cfg(test)]
impl Picture {
    /// Returns the rows as text, without the blanks at their ends.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            // A cell for each column; a wide character has a second, empty one.
            let mut cells = vec![" ".to_owned(); self.width];
            for piece in row {
                let mut column = piece.column;
                for c in piece.text.chars() {
                    let width = columns(&c.to_string());
                    if width == 0 {
                        cells[column - 1].push(c);
                        continue;
                    }
                    cells[column] = c.to_string();
                    cells[column + 1..column + width].fill(String::new());
                    column += width;
                }
            }
            text.push_str(cells.concat().trim_end());
            text.push('\n');
        }
        text
    }
}
