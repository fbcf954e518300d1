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

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends `text` as the inside of a JSON string, without the quotes.
///
/// Takes bytes, so that a text may be written in pieces that are cut anywhere: only ASCII is ever
/// escaped, and the bytes of other characters are copied as they are.
pub(super) fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for block in text.chunks(BLOCK) {
        if is_plain(block) {
            out.extend_from_slice(block);
            continue;
        }
        for stride in block.chunks(STRIDE) {
            if is_plain(stride) {
                out.extend_from_slice(stride);
            } else {
                stride.iter().for_each(|&byte| write_byte(out, byte));
            }
        }
    }
}

/// Returns whether no byte needs an escape.
fn is_plain(text: &[u8]) -> bool {
    // No short cut inside the fold: it would keep the compiler from using vectors.
    !text.iter().fold(false, |found, &byte| found | needs_escape(byte))
}

/// Appends `text` as a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text.as_bytes());
    out.push(b'"');
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
            let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
        plain => {
            out.push(plain);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a number.
pub(super) fn write_number(out: &mut Vec<u8>, number: u64) {
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

    #[test]
    fn every_character_is_written_as_serde_json_writes_it() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let texts = [
            "",
            "Msg1",
            "\"quoted\" and \\ and /",
            "\u{2028}\u{2029}\u{7f}\u{85}",
            "Повідомлення 🦀 \u{10ffff}",
            "a line\r\nINFO a forged one\t\u{8}\u{c}\0",
            &all,
        ];
        for text in texts {
            assert_eq!(written(text), serde_json::to_string(text).unwrap());
            // Wherever the escape falls in a stride.
            for shift in 0..STRIDE {
                let shifted = format!("{}{text}", "x".repeat(shift));
                assert_eq!(written(&shifted), serde_json::to_string(&shifted).unwrap());
            }
        }
    }

    #[test]
    fn a_text_may_be_cut_anywhere() {
        let text = "Повідомлення\n🦀\"\u{1}";
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let mut out = vec![b'"'];
            write_escaped(&mut out, head);
            write_escaped(&mut out, tail);
            out.push(b'"');
            assert_eq!(out, serde_json::to_vec(text).unwrap(), "cut at {cut}");
        }
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
