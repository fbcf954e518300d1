//! Several frames as one write.

use std::collections::VecDeque;
use std::io::IoSlice;

use acklog_protocol::frame::EncodedFrame;
use bytes::{Buf, Bytes};

/// Several pieces of memory that are written with one system call.
pub(super) struct WriteBatch {
    parts: VecDeque<Bytes>,
}

impl WriteBatch {
    /// Joins frames, in their order.
    pub(super) fn new(frames: impl ExactSizeIterator<Item = EncodedFrame>) -> Self {
        let mut parts = VecDeque::with_capacity(2 * frames.len());
        for frame in frames {
            parts.push_back(frame.head);
            parts.push_back(frame.records);
        }
        Self { parts }
    }
}

impl Buf for WriteBatch {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.iter().find(|part| !part.is_empty()).map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                return part.advance(count);
            }
            count -= part.len();
            self.parts.pop_front();
        }
        assert_eq!(count, 0, "advanced beyond the end");
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().filter(|part| !part.is_empty());
        slices.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }
}
