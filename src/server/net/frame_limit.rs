//! The limits on a peer's frames, which the handshake sets: their length and their version.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use acklog_protocol::frame::{
    FRAME_BYTES_MAX, HANDSHAKE_FRAME_BYTES_MAX, HEAD_FRAME_BYTES_MAX, ProtocolVersion,
};

/// The limits on the frames that a peer may send. A change applies from the next frame on.
#[derive(Debug)]
pub struct FrameLimit {
    bytes: AtomicUsize,
    is_admitted: AtomicBool,
    /// The version of the connection, once a handshake has settled it.
    version: OnceLock<ProtocolVersion>,
}

/// The frames that a peer may send after its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmittedFrames {
    /// Frames without messages, which are short.
    WithoutMessages,
    /// All frames, up to the longest.
    WithMessages,
}

impl FrameLimit {
    /// Creates a limit that admits a handshake only.
    pub fn of_handshake() -> Self {
        let bytes = AtomicUsize::new(HANDSHAKE_FRAME_BYTES_MAX);
        Self { bytes, is_admitted: AtomicBool::new(false), version: OnceLock::new() }
    }

    /// Sets the limit once the handshake is done.
    pub fn admit(&self, frames: AdmittedFrames) {
        self.is_admitted.store(true, Ordering::Relaxed);
        let bytes = match frames {
            AdmittedFrames::WithMessages => FRAME_BYTES_MAX,
            AdmittedFrames::WithoutMessages => HEAD_FRAME_BYTES_MAX,
        };
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Settles the version of the connection, unless it is settled already.
    pub(super) fn settle(&self, version: ProtocolVersion) {
        self.version.get_or_init(|| version);
    }

    /// Returns the version of the connection, once a handshake has settled it.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.version.get().copied()
    }

    /// Returns the longest frame that is accepted now, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns whether the handshake is not done yet.
    pub(super) fn is_pending(&self) -> bool {
        !self.is_admitted.load(Ordering::Relaxed)
    }
}
