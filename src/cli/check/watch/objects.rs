//! Splits a JSON list into its objects while it arrives, and holds one object at a time.

use acklog_client::{LINE_BYTES_MAX, LineTooLong};

/// Splits a JSON list into its objects while it arrives.
#[derive(Default)]
pub(super) struct Objects {
    /// Bytes of the object that has begun.
    object: Vec<u8>,
    depth: u32,
    in_string: bool,
    after_backslash: bool,
    /// Whether the list's last bracket has arrived, and nothing after it.
    is_closed: bool,
}

impl Objects {
    /// Takes the next piece of the list and passes each object to `whole` that is complete with it.
    ///
    /// # Errors
    /// When an object is longer than any message can be, or `whole` fails.
    pub(super) fn add(
        &mut self,
        piece: &[u8],
        mut whole: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for &byte in piece {
            let inside = self.depth > 0 || byte == b'{';
            if !inside {
                self.is_closed = byte == b']' || self.is_closed && byte.is_ascii_whitespace();
                continue;
            }
            self.is_closed = false;
            self.object.push(byte);
            if self.object.len() > LINE_BYTES_MAX {
                return Err(LineTooLong { max: LINE_BYTES_MAX }.into());
            }
            if self.in_string {
                self.in_string = byte != b'"' || self.after_backslash;
                self.after_backslash = byte == b'\\' && !self.after_backslash;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' => self.depth += 1,
                b'}' => self.depth -= 1,
                _ => {}
            }
            if self.depth == 0 {
                whole(&self.object)?;
                self.object.clear();
            }
        }
        Ok(())
    }

    /// Returns whether the list is complete.
    pub(super) fn is_whole(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_however_the_list_is_cut_up() {
        let list = br#"[{"a": "}\"{", "b": {"c": 1}}, {"d": "\\"}]"#;
        for size in 1..list.len() {
            let mut found = Vec::new();
            let mut objects = Objects::default();
            for piece in list.chunks(size) {
                let keep = |object: &[u8]| {
                    found.push(String::from_utf8(object.to_vec())?);
                    Ok(())
                };
                objects.add(piece, keep).unwrap();
            }
            assert!(objects.is_whole());
            assert_eq!(found, [r#"{"a": "}\"{", "b": {"c": 1}}"#, r#"{"d": "\\"}"#], "{size}");
        }
    }

    #[test]
    fn a_list_that_is_cut_off_is_not_whole() {
        for (list, is_whole) in
            [("[]", true), ("[{}]\n", true), ("", false), ("[{}", false), ("[{}, {", false)]
        {
            let mut objects = Objects::default();
            objects.add(list.as_bytes(), |_| Ok(())).unwrap();
            assert_eq!(objects.is_whole(), is_whole, "{list:?}");
        }
    }
}
