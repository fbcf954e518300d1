//! Tables for people: aligned columns, and cells for what is not known.

use acklog_types::escaped;

/// Stands for an unknown value in a table.
pub(super) const UNKNOWN: &str = "-";

/// Formats rows as a table: words aligned left, numbers right.
pub(super) fn align_columns<const N: usize>(
    rows: &[[String; N]],
    is_word: impl Fn(usize) -> bool,
    colour: impl Fn(usize, &str) -> Option<u8>,
) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = match is_word(column) {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            };
            match colour(column, cell) {
                Some(number) => line.push_str(&format!("\u{1b}[{number}m{padded}\u{1b}[0m")),
                None => line.push_str(&padded),
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the cell of a text, without control characters.
pub(super) fn word(text: Option<&str>) -> String {
    text.map_or(UNKNOWN.to_owned(), |text| escaped(text).into_owned())
}

/// Returns the cell of a number.
pub(super) fn number(number: Option<u64>) -> String {
    number.map_or(UNKNOWN.to_owned(), |number| number.to_string())
}

/// Formats a time span with a fitting unit: `40 ms`, `2.5 s`, `12 min`, `3 h`.
pub(super) fn time_span(ms: f64) -> String {
    match ms / 1000.0 {
        seconds if seconds < 1.0 => format!("{ms:.0} ms"),
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3600.0),
    }
}
