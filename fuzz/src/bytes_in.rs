//! Takes decisions from the bytes of a fuzzer.

/// The bytes that are left. Where there are none, every decision is the first one.
#[derive(Debug)]
pub(crate) struct BytesIn<'a>(&'a [u8]);

impl<'a> BytesIn<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether all bytes were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all bytes that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Takes one byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    /// Takes a choice.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Takes a number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        u64::from(self.byte()) % limit
    }

    /// Takes one of these values.
    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, values: [T; N]) -> T {
        const { assert!(N > 0 && N <= 256) };
        let at = usize::from(self.byte()) % N;
        *values.get(at).expect("below the number of values")
    }

    /// Takes a number of any size.
    pub(crate) fn number(&mut self) -> u64 {
        let bytes = std::array::from_fn(|_| self.byte());
        u64::from_le_bytes(bytes)
    }

    /// Takes a position: near one of those that matter, the last one that there is, or any.
    pub(crate) fn position(&mut self, near: &[u64]) -> u64 {
        let (choice, offset) = (self.byte(), u64::from(self.byte() % 8));
        match usize::from(choice % 32) {
            31 => self.number(),
            30 => u64::MAX - offset,
            at if !near.is_empty() => {
                let base = near.get(at % near.len()).copied().unwrap_or_default();
                (base + offset).saturating_sub(2)
            }
            _ => offset,
        }
    }
}
