//! Keys, as terminals send them.

/// A key that does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Leave,
    Freeze,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
}

const ESCAPE: u8 = 0x1b;
const CONTROL_C: u8 = 3;
const CONTROL_D: u8 = 4;

/// Most bytes of one key. Smaller: keys with modifiers are not understood. Larger: of what is no
/// key more is waited for.
const KEY_BYTES_MAX: usize = 16;

/// Cuts what a terminal sends into keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// A key that has begun.
    begun: Vec<u8>,
}

impl Keys {
    /// Takes the next bytes, and returns the keys that are complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in bytes {
            self.begun.push(byte);
            match self.begun.as_slice() {
                [ESCAPE] | [ESCAPE, b'[' | b'O'] => {}
                [ESCAPE, b'[' | b'O', parameters @ .., last] => match last {
                    0x40..=0x7e => {
                        keys.extend(of_sequence(parameters, *last));
                        self.begun.clear();
                    }
                    _ if self.begun.len() < KEY_BYTES_MAX => {}
                    _ => self.begun.clear(),
                },
                // The key Escape, and another one at once.
                [ESCAPE, ..] => {
                    keys.push(Key::Leave);
                    self.begun.clear();
                }
                _ => {
                    keys.extend(of_byte(byte));
                    self.begun.clear();
                }
            }
        }
        keys
    }

    /// Returns whether a key has begun: the key Escape, or one that begins as it does.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Ends a key of which nothing more came, and returns it.
    pub(super) fn end(&mut self) -> Option<Key> {
        let is_escape = self.begun == [ESCAPE];
        self.begun.clear();
        is_escape.then_some(Key::Leave)
    }
}

const fn of_byte(byte: u8) -> Option<Key> {
    match byte {
        b'q' | b'Q' | CONTROL_C | CONTROL_D => Some(Key::Leave),
        b'f' | b'F' | b' ' => Some(Key::Freeze),
        _ => None,
    }
}

/// Returns the key of a sequence, whichever modifiers it has.
fn of_sequence(parameters: &[u8], last: u8) -> Option<Key> {
    let number = parameters.split(|byte| *byte == b';').next().unwrap_or_default();
    match (last, number) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'C', _) => Some(Key::Right),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::First),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::Last),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_however_they_are_cut() {
        let sent = b"\x1b[A\x1bOB\x1b[5~\x1b[6;5~x\x1b[1;2D\xc3\xa9f \x1b[99;99R\x1b[F";
        let keys = [
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::Left,
            Key::Freeze,
            Key::Freeze,
            Key::Last,
        ];
        for size in 1..sent.len() {
            let mut reader = Keys::default();
            let taken: Vec<Key> = sent.chunks(size).flat_map(|some| reader.take(some)).collect();
            assert_eq!(taken, keys, "{size} bytes each");
            assert!(!reader.has_begun());
        }
    }

    #[test]
    fn escape_is_a_key_where_nothing_follows_it() {
        let mut reader = Keys::default();
        assert!(reader.take(b"\x1b").is_empty() && reader.has_begun());
        assert_eq!(reader.end(), Some(Key::Leave));
        assert_eq!(reader.take(b"\x1bx"), [Key::Leave]);
        assert!(reader.take(b"\x1b[").is_empty());
        assert_eq!((reader.end(), reader.has_begun()), (None, false));
        let endless = [b"\x1b[".to_vec(), vec![b'0'; 100]].concat();
        assert!(reader.take(&endless).is_empty());
        assert_eq!(reader.take(b"\x03"), [Key::Leave]);
    }
}
