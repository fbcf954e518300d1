//! Texts from outside, made harmless and cut to columns of a terminal.

use acklog_types::escaped;
use unicode_width::UnicodeWidthChar;

/// Stands at the end of a text that was cut.
const CUT: char = '…';

/// Most marks on one letter. Smaller: letters of some scripts lose marks. Larger: a letter with
/// hundreds of them covers the lines around it.
const MARKS_MAX: usize = 2;

/// Returns the number of columns of a text that [`fitted`] returned.
pub(super) fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// Returns a text as one line of at most `width` columns, cut with `…` where it is longer. Its
/// control characters are escaped; characters that join, hide or turn others are left out, so that
/// each one that stays has the width that the terminal gives it alone.
pub(super) fn fitted(text: &str, width: usize) -> String {
    let mut line = String::new();
    let (mut used, mut marks) = (0, 0);
    // The length of what leaves a column free for `…`.
    let mut room_for_cut = 0;
    for c in escaped(text).chars().filter(|c| !is_invisible(*c)) {
        let columns = c.width().unwrap_or_default();
        if columns == 0 {
            marks += 1;
            if line.is_empty() || marks > MARKS_MAX {
                continue;
            }
        } else {
            marks = 0;
        }
        if used + columns > width {
            line.truncate(room_for_cut);
            if width > 0 {
                line.push(CUT);
            }
            return line;
        }
        used += columns;
        line.push(c);
        if used < width {
            room_for_cut = line.len();
        }
    }
    line
}

/// Returns whether a character is none by itself: it joins two others, chooses how another one
/// looks, or sets the direction.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_columns_and_not_to_characters() {
        assert_eq!(fitted("short", 5), "short");
        assert_eq!(fitted("longer", 5), "long…");
        assert_eq!(fitted("日本語です", 10), "日本語です");
        // Half of a wide character is none.
        assert_eq!(fitted("日本語です", 9), "日本語で…");
        assert_eq!(fitted("日本語です", 8), "日本語…");
        assert_eq!((fitted("日", 1), fitted("a", 0)), ("…".to_owned(), String::new()));
        for text in ["日本語です", "plain text", "a\u{301}b", "👨‍👩‍👧 family", "\u{1b}[31mred"]
        {
            for width in 0..12 {
                assert!(columns(&fitted(text, width)) <= width, "{text} {width}");
            }
        }
    }

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_is_shown_or_left_out() {
        assert_eq!(fitted("a\u{1b}[2Jb\r\n\u{9b}1m", 40), "a\\u{1b}[2Jb\\r\\n\\u{9b}1m");
        assert_eq!(fitted("\u{202e}evil\u{200f}\u{200b}", 40), "\\u{202e}evil");
        assert_eq!(fitted("👨\u{200d}👩\u{fe0f}", 40), "👨👩");
        let hung = format!("e{}x", "\u{301}".repeat(500));
        assert_eq!(fitted(&hung, 40), "e\u{301}\u{301}x");
        assert_eq!(fitted("\u{301}x", 40), "x");
    }
}
