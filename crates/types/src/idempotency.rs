//! Idempotency keys: a client's name for one append, so that a retry does not append it again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::KeyHash;

/// Longest key, in bytes. Its length fits into one byte of the record.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// A client's name for one append: 1 to 128 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Box<str>);

/// Reason why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdempotencyKeyError {
    /// The text is empty or too long.
    #[error("it has {length} characters; it must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX}")]
    Length {
        /// The length of the text, in bytes.
        length: usize,
    },
    /// The text has characters other than visible ASCII.
    #[error("only visible ASCII characters are allowed, no spaces")]
    Character,
}

impl IdempotencyKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text)?;
        Ok(Self(text.into()))
    }
}

/// Checks a key that may come from a record.
pub(super) fn check(text: &str) -> Result<(), IdempotencyKeyError> {
    if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()) {
        return Err(IdempotencyKeyError::Length { length: text.len() });
    }
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(IdempotencyKeyError::Character),
    }
}

impl KeyHash {
    /// Hashes a key: the first 16 bytes of its SHA-256, little-endian. The hash is
    /// collision-resistant, so that a client cannot evict other clients' keys from the window.
    pub fn of(key: &str) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let (half, _) = digest.split_first_chunk::<16>().expect("SHA-256 has 32 bytes");
        Self::new(u128::from_le_bytes(*half))
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        for good in ["a", "!~", &"x".repeat(128), "order-17:retry#3"] {
            assert_eq!(good.parse::<IdempotencyKey>().unwrap().as_str(), good);
        }
        for bad in ["", &"x".repeat(129), "a b", "ключ", "a\n", "\u{7f}"] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_hash_of_a_key_is_pinned() {
        let hash = KeyHash::of("abc").to_string();
        // SHA-256 of "abc" begins with ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(hash, "2322ae5dde404141eacf018fbf1678ba");
    }
}
