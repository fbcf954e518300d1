//! Messages in a stream of events.

/// Messages of a node's list with which a reader begins. Fewer: a page shows less of what was
/// there. More: a reader of long messages makes the node read more.
pub const FIRST_MESSAGES_MAX: usize = 200;

/// Most characters of a text. Fewer: texts are told apart less often. More: more bytes for what a
/// list has no room for.
const TEXT_CHARS_MAX: usize = 200;

/// Returns a text of a message with at most 200 characters; a longer one is cut, and the last of
/// them is `…`.
pub fn shown_text(text: &[u8]) -> String {
    // Each character has at most four bytes, so there are more of them where a text is longer than
    // this, and none of those that are shown is cut in two.
    let front = String::from_utf8_lossy(text.get(..4 * TEXT_CHARS_MAX).unwrap_or(text));
    match front.char_indices().nth(TEXT_CHARS_MAX) {
        None if front.len() == text.len() => front.into_owned(),
        _ => front.chars().take(TEXT_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shown_text(b""), "");
        for character in ["a", "\u{e4}", "\u{20ac}", "\u{1f41f}"] {
            let whole = character.repeat(TEXT_CHARS_MAX);
            assert_eq!(shown_text(whole.as_bytes()), whole);
            for more in [1, 5000] {
                let cut = shown_text(character.repeat(TEXT_CHARS_MAX + more).as_bytes());
                assert_eq!(cut, format!("{}…", character.repeat(TEXT_CHARS_MAX - 1)));
            }
        }
    }
}
