//! Escapes text from outside, so that it fits into one line.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns whether a character could break a line, move the cursor or change the reading direction,
/// and so disguise a text as another one.
fn deceives(c: char) -> bool {
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Replaces every control character by `\n`, `\t`, `\u{1b}`, …, so that the result is a single
/// line. Everything else, backslashes included, stays as it is.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(deceives) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push(&mut line, c);
    }
    Cow::Owned(line)
}

fn push(line: &mut String, c: char) {
    if deceives(c) {
        // Not `char::escape_debug`, which also changes quotes and combining characters.
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
            }
        }
    } else {
        line.push(c);
    }
}

/// Returns a text as the value of a log field: unchanged if it is one plain word, otherwise in
/// quotes, so that it cannot pass for another field.
pub fn field_value(text: &str) -> Cow<'_, str> {
    let special = |c: char| c.is_whitespace() || deceives(c) || matches!(c, '"' | '\\');
    if !text.is_empty() && !text.contains(special) || is_quoted(text) {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        push(&mut quoted, c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Returns whether the text is already one quoted string, as `Debug` writes it.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut after_backslash = false;
    for c in inside.chars() {
        if deceives(c) || (c == '"' && !after_backslash) {
            return false;
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    !after_backslash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_several_lines_becomes_one() {
        assert_eq!(escaped("a\nb\r\tc\u{1b}[31m\0"), "a\\nb\\r\\tc\\u{1b}[31m\\u{0}");
        assert_eq!(escaped("left\u{202e}right\u{2028}"), "left\\u{202e}right\\u{2028}");
        assert_eq!(escaped("Привіт, C:\\dir 👨‍👩‍👧"), "Привіт, C:\\dir 👨‍👩‍👧");
    }

    #[test]
    fn a_value_is_one_word_or_stands_in_quotes() {
        assert_eq!(field_value("127.0.0.1:6000"), "127.0.0.1:6000");
        assert_eq!(field_value("3..=5"), "3..=5");
        assert_eq!(field_value(""), "\"\"");
        assert_eq!(field_value("a b=c"), "\"a b=c\"");
        assert_eq!(field_value("x\u{a0}y"), "\"x\u{a0}y\"");
        assert_eq!(field_value("a \"b\" \\n"), "\"a \\\"b\\\" \\\\n\"");
        assert_eq!(field_value("a\nb"), "\"a\\nb\"");
    }

    #[test]
    fn what_debug_has_quoted_is_not_quoted_again() {
        assert_eq!(field_value(&format!("{:?}", "a\n\"b\"")), "\"a\\n\\\"b\\\"\"");
        assert_eq!(field_value("\"a\" id=3 \"b\""), "\"\\\"a\\\" id=3 \\\"b\\\"\"");
        assert_eq!(field_value("\""), "\"\\\"\"");
        assert_eq!(field_value("\"a\\\""), "\"\\\"a\\\\\\\"\"");
    }
}
