//! The texts of a run: each is derived from its number, so that a number stands for a text.
//!
//! Most are short. Some have characters that parsers of JSON, lines and records get wrong, and a
//! few are longer than a page of the log, or as long as a message may be by default.

use acklog_judge::{MadeTexts, TextOrigin};

/// Length of the longest text, in bytes: the nodes' default limit. A node with a lower one refuses
/// it.
const LONGEST_BYTES: usize = 1 << 20;

/// Length of the long texts, in bytes: above the 256 KiB of a page and of an append batch.
const LONG_BYTES: usize = 300 * 1024;

/// Number of the longest text: early enough that short runs have it.
const LONGEST: u64 = 200;

/// Distance between the numbers of long texts. Shorter: the load measures bytes, not messages.
/// Longer: short runs have none.
const LONG_EVERY: u64 = 1000;

/// Number from which no text is long: the check must not fill the memory of nodes that keep their
/// log there.
const LONG_END: u64 = 20_000;

/// Characters above ASCII, in all lengths of UTF-8, and some that parsers take for line ends.
const FOREIGN: &str =
    " žluťoučký kůň, שלום, 日本語, 😀👩‍👧, e\u{301} \u{85}\u{2028}\u{2029}\u{feff}\u{10ffff}";

/// Characters that are escaped in JSON, or that cut texts short.
const CONTROLS: &str = " \"\\/\u{0}\u{1}\u{8}\t\n\u{c}\r\u{1b}\u{1f}\u{7f}<&>";

/// A text that looks like the end of a list and the beginning of another.
const JSON: &str = " \"}],[{\"id\":0,\"message\":\"\\u0041";

/// The texts of one run.
#[derive(Debug)]
pub(super) struct NumberedTexts {
    /// Prefix of each text.
    prefix: String,
    /// Whether all texts are short and plain ASCII.
    is_plain: bool,
}

impl NumberedTexts {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, is_plain: false }
    }

    /// Makes all texts short and plain ASCII.
    pub(super) fn plain(self) -> Self {
        Self { is_plain: true, ..self }
    }
}

impl MadeTexts for NumberedTexts {
    fn text(&self, number: u64) -> String {
        let mut text = format!("{}{number}", self.prefix);
        if self.is_plain {
            return text;
        }
        match number % 16 {
            7 => text.push_str(FOREIGN),
            9 => text.push_str(CONTROLS),
            11 => text.push_str(JSON),
            _ => {}
        }
        let length = match number {
            LONGEST => LONGEST_BYTES,
            _ if number % LONG_EVERY == LONG_EVERY / 2 && number < LONG_END => LONG_BYTES,
            _ => 0,
        };
        if text.len() < length {
            // Unlike a repeated character, this shows where a text was cut or shifted.
            text.push(' ');
            text.push_str(&"0123456789".repeat(length / 10));
            text.truncate(length);
        }
        text
    }

    fn origin(&self, text: &str) -> TextOrigin {
        let Some(rest) = text.strip_prefix(&self.prefix) else { return TextOrigin::Foreign };
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        match rest.get(..digits).and_then(|digits| digits.parse().ok()) {
            Some(number) if text == self.text(number) => TextOrigin::Ours(number),
            Some(number) => TextOrigin::Changed(number),
            None => TextOrigin::Foreign,
        }
    }
}

/// The escaping of a text in a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// Only the characters are escaped that must be.
    Needed,
    /// Each character is written as `\uXXXX`, and those above the basic plane as two.
    All,
}

/// Appends a text as a JSON string.
pub(super) fn write_json(out: &mut String, text: &str, escaping: Escaping) {
    use std::fmt::Write;

    if escaping == Escaping::Needed {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    for unit in text.encode_utf16() {
        let _ = write!(out, "\\u{unit:04x}");
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_follows_from_its_number_and_tells_it() {
        let texts = NumberedTexts::new("check x ".to_owned());
        assert_eq!(texts.text(0), "check x 0");
        for number in [0, 1, 7, 9, 11, LONGEST, 500, 1500, LONG_END + 500, u64::MAX] {
            let text = texts.text(number);
            assert_eq!(texts.origin(&text), TextOrigin::Ours(number), "{number}");
            let mut cut = text.clone();
            cut.push('!');
            assert_eq!(texts.origin(&cut), TextOrigin::Changed(number), "{number}");
        }
        assert_eq!(texts.text(LONGEST).len(), LONGEST_BYTES);
        assert_eq!(texts.text(500).len(), LONG_BYTES);
        assert!(texts.text(LONG_END + 500).len() < 100);
        assert!(texts.text(7).contains('日') && texts.text(9).contains('\0'));
        for other in ["before", "check x", "check x a", "check y 1", "check x 99999999999999999999"]
        {
            assert_eq!(texts.origin(other), TextOrigin::Foreign, "{other}");
        }
        assert_eq!(texts.origin("check x 007"), TextOrigin::Changed(7));
    }

    #[test]
    fn other_people_s_programs_get_plain_texts() {
        let texts = NumberedTexts::new("check x ".to_owned()).plain();
        for number in [7, 9, 11, LONGEST, 500] {
            assert_eq!(texts.text(number), format!("check x {number}"));
        }
    }

    #[test]
    fn json_says_the_same_however_it_is_written() {
        let texts = NumberedTexts::new("check x ".to_owned());
        for number in [0, 7, 9, 11] {
            for escaping in [Escaping::Needed, Escaping::All] {
                let mut json = String::new();
                write_json(&mut json, &texts.text(number), escaping);
                assert_eq!(json.is_ascii(), escaping == Escaping::All || number != 7, "{json}");
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), texts.text(number));
            }
        }
    }
}
