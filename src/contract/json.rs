//! Writes JSON strings and numbers straight into an answer's buffer.

/// Bytes that are checked together at first, and copied at once where none needs an escape. Longer:
/// more text is checked again where one does. Shorter: more steps for text without escapes.
const BLOCK: usize = 1024;

/// Bytes of a block with an escape that are checked together. Long enough that the check becomes
/// vector code, short enough that one character in need of an escape does not send much text down
/// the slow path.
const STRIDE: usize = 32;

/// Digits of the escapes of control characters.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The separators of lines beyond ASCII: next line, line separator, paragraph separator. JSON needs
/// no escape for them, but many readers of lines split there.
const SEPARATORS: [(&[u8], &[u8]); 3] = [
    ("\u{85}".as_bytes(), b"\\u0085"),
    ("\u{2028}".as_bytes(), b"\\u2028"),
    ("\u{2029}".as_bytes(), b"\\u2029"),
];

/// Returns whether a byte needs an escape, or may begin a character that does.
const fn needs_look(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0xc2 || byte == 0xe2
}

/// Appends `text` as the inside of a JSON string, without the quotes, on one line for whoever reads
/// it: the separators of lines beyond ASCII are escaped, too.
///
/// Takes bytes, so that a text may be written in pieces; they must be cut at
/// [boundaries of characters](char_boundary).
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let mut block = rest.len().min(BLOCK);
        if let Some((plain, behind)) = plain_front(rest, block) {
            out.extend_from_slice(plain);
            rest = behind;
            continue;
        }
        while block > 0 {
            let stride = block.min(STRIDE);
            let before = rest.len();
            if let Some((plain, behind)) = plain_front(rest, stride) {
                out.extend_from_slice(plain);
                rest = behind;
            } else {
                // The last character of the stride may end behind it.
                while before - rest.len() < stride {
                    rest = write_front(out, rest);
                }
            }
            block = block.saturating_sub(before - rest.len());
        }
    }
}

/// Returns the first `length` bytes of a text and the rest, where none of them needs a look.
fn plain_front(text: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (front, behind) = text.split_at_checked(length)?;
    // No short cut inside the fold: it would keep the compiler from using vectors.
    let found = front.iter().fold(false, |found, &byte| found | needs_look(byte));
    (!found).then_some((front, behind))
}

/// Returns the largest boundary of a character in `text` that is at most `max`, or the first one
/// where that would be the beginning.
pub(crate) fn char_boundary(text: &[u8], max: usize) -> usize {
    let is_boundary = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let max = max.min(text.len());
    let before = (1..=max).rev().find(is_boundary);
    before.or_else(|| (max + 1..=text.len()).find(is_boundary)).unwrap_or(text.len())
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text.as_bytes());
    out.push(b'"');
}

/// Appends JSON with its separators of lines beyond ASCII escaped. They stand in its strings only.
pub(crate) fn write_on_one_line(out: &mut Vec<u8>, json: &[u8]) {
    let mut rest = json;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match needs_look(byte) && !byte.is_ascii() {
            true => write_front(out, rest),
            false => {
                out.push(byte);
                behind
            }
        };
    }
}

/// Writes the byte or the separator at the front of a text that is not empty. Returns the rest.
fn write_front<'a>(out: &mut Vec<u8>, text: &'a [u8]) -> &'a [u8] {
    let separator = |(bytes, escape): (&[u8], _)| Some((text.strip_prefix(bytes)?, escape));
    if let Some((behind, escape)) = SEPARATORS.into_iter().find_map(separator) {
        out.extend_from_slice(escape);
        return behind;
    }
    let (&byte, behind) = text.split_first().expect("a text that is not empty");
    write_byte(out, byte);
    behind
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0x00..0x20 => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte)]);
            return;
        }
        plain => {
            out.push(plain);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a number as 8 hexadecimal digits.
pub(crate) fn write_hex(out: &mut Vec<u8>, number: u32) {
    for shift in (0..8).rev() {
        out.push(hex_digit((number >> (4 * shift)) as u8));
    }
}

/// Returns the digit of the lower half of a byte.
fn hex_digit(byte: u8) -> u8 {
    HEX.get(usize::from(byte & 0xf)).copied().unwrap_or(b'0')
}

/// Appends a number.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    /// Returns the text as serde_json writes it, with the separators of lines escaped.
    fn expected(text: &str) -> String {
        let written = serde_json::to_string(text).unwrap();
        let written = written.replace('\u{85}', "\\u0085");
        written.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    }

    #[test]
    fn every_character_is_written_as_serde_json_writes_it_but_separators_of_lines_are_escaped() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let texts = [
            "",
            "Msg1",
            "\"quoted\" and \\ and /",
            "\u{2028}\u{2029}\u{7f}\u{85}",
            "\u{84}\u{85}\u{86} «»°§ „quoted“ … \u{2027}\u{2028}\u{202a}",
            "Повідомлення 🦀 \u{10ffff}",
            "a line\r\nINFO a forged one\t\u{8}\u{c}\0",
            &all,
        ];
        for text in texts {
            assert_eq!(written(text), expected(text));
            // Wherever the escape falls in a stride, and in a block.
            for shift in (0..STRIDE).chain(BLOCK - STRIDE..=BLOCK) {
                let shifted = format!("{}{text}", "x".repeat(shift));
                assert_eq!(written(&shifted), expected(&shifted));
            }
        }
    }

    #[test]
    fn a_text_may_be_cut_at_any_boundary_of_a_character() {
        let text = "Повідомлення\n🦀\"\u{1}\u{2028}\u{85}";
        for max in 0..=text.len() + 1 {
            let cut = char_boundary(text.as_bytes(), max);
            assert!(text.is_char_boundary(cut) && cut > 0, "at {max}");
            assert!(cut <= max.max(2), "at {max}: {cut}");
            let (head, tail) = text.as_bytes().split_at(cut);
            let mut out = vec![b'"'];
            write_escaped(&mut out, head);
            write_escaped(&mut out, tail);
            out.push(b'"');
            assert_eq!(out, expected(text).as_bytes(), "cut at {cut}");
        }
        assert_eq!(char_boundary("".as_bytes(), 5), 0);
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        for number in [0, 0x0123_abcd, u32::MAX] {
            let mut out = Vec::new();
            write_hex(&mut out, number);
            assert_eq!(out, format!("{number:08x}").as_bytes());
        }
    }
}
