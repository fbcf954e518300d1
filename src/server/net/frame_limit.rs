//! The limits on a peer's frames, which the handshake sets: their length, version and epoch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use acklog_protocol::frame::{
    ConnectionTerms, FRAME_BYTES_MAX, Frame, HANDSHAKE_FRAME_BYTES_MAX, HEAD_FRAME_BYTES_MAX,
    ProtocolVersion, Response,
};
use acklog_types::Epoch;

/// The limits on the frames that a peer may send. A change applies from the next frame on.
#[derive(Debug)]
pub struct FrameLimit {
    bytes: AtomicUsize,
    is_admitted: AtomicBool,
    /// The version of the connection, once a handshake has settled it.
    version: OnceLock<ProtocolVersion>,
    /// The epoch of the connection, once a `Welcome` has settled it.
    epoch: OnceLock<Epoch>,
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
        let (version, epoch) = (OnceLock::new(), OnceLock::new());
        Self { bytes, is_admitted: AtomicBool::new(false), version, epoch }
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

    /// Settles the epoch of the connection by the answer that admits a secondary, unless it is
    /// settled already.
    pub(super) fn settle_epoch<R>(&self, frame: &Frame<R>) {
        if let Frame::Response(_, Response::Welcome(welcome)) = frame {
            self.epoch.get_or_init(|| welcome.epoch);
        }
    }

    /// Returns the epoch of the connection, once it is settled.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.epoch.get().copied()
    }

    /// Returns the terms for frames to the peer.
    pub(super) fn terms(&self) -> ConnectionTerms {
        let unsettled = ConnectionTerms::default();
        ConnectionTerms {
            version: self.version().unwrap_or(unsettled.version),
            epoch: self.epoch().unwrap_or(unsettled.epoch),
        }
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
