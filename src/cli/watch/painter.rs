//! Pictures as what a terminal understands: the rows that changed, and nothing else.

use super::picture::{PLAIN, Picture, Style};

/// Switches to the screen for programs, hides the cursor, and keeps a text that is too wide from
/// going on in the next row.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";

/// Undoes [`ENTER`].
pub(super) const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Begins and ends a change that terminals show at once, if they know how.
const BEGIN_CHANGE: &str = "\x1b[?2026h";
const END_CHANGE: &str = "\x1b[?2026l";

/// Knows what the terminal shows.
#[derive(Debug)]
pub(super) struct Painter {
    is_coloured: bool,
    /// None where that is not known.
    shown: Option<Picture>,
}

impl Painter {
    /// Returns a painter for a terminal whose screen is empty or unknown.
    pub(super) const fn new(is_coloured: bool) -> Self {
        Self { is_coloured, shown: None }
    }

    /// Forgets what the terminal shows: its size changed.
    pub(super) fn forget(&mut self) {
        self.shown = None;
    }

    /// Returns what makes the terminal show a picture; nothing where it does already.
    pub(super) fn paint(&mut self, picture: Picture) -> String {
        let mut out = String::new();
        if self.shown.is_none() {
            out.push_str("\x1b[2J");
        }
        for (number, row) in picture.rows.iter().enumerate() {
            let shown = self.shown.as_ref().and_then(|shown| shown.rows.get(number));
            if shown.map_or(row.is_empty(), |shown| shown == row) {
                continue;
            }
            // Cleared first: a terminal may have drawn a character wider than it is counted.
            out.push_str(&format!("\x1b[{};1H\x1b[2K", number + 1));
            for piece in row {
                out.push_str(&format!("\x1b[{}G", piece.column + 1));
                let look = self.look(piece.style);
                out.push_str(&look);
                out.push_str(&piece.text);
                if !look.is_empty() {
                    out.push_str("\x1b[0m");
                }
            }
        }
        self.shown = Some(picture);
        match out.is_empty() {
            true => out,
            false => format!("{BEGIN_CHANGE}{out}{END_CHANGE}"),
        }
    }

    fn look(&self, style: Style) -> String {
        if style == PLAIN {
            return String::new();
        }
        let colour = style.colour.filter(|_| self.is_coloured).map(|number| number.to_string());
        let on = |is_on: bool, number: &str| is_on.then(|| number.to_owned());
        let all =
            [on(style.is_bold, "1"), on(style.is_dim, "2"), on(style.is_reversed, "7"), colour];
        let numbers: Vec<String> = all.into_iter().flatten().collect();
        match numbers.is_empty() {
            true => String::new(),
            false => format!("\x1b[{}m", numbers.join(";")),
        }
    }
}

#[cfg(test)]
mod tests;
