//! The settings of a session that its handshake changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::server::net::frame_limit::{AdmittedFrames, FrameLimit};

/// The settings that the handshake changes for the tasks of a session.
#[derive(Debug)]
pub(super) struct Limits {
    /// The limits on the peer's frames.
    pub(super) frame: Arc<FrameLimit>,
    /// The heartbeat interval in milliseconds; 0 until the handshake is done.
    heartbeat_ms: AtomicU64,
}

impl Limits {
    /// Creates the settings of a session whose handshake is not done.
    pub(super) fn new(frame: Arc<FrameLimit>) -> Self {
        Self { frame, heartbeat_ms: AtomicU64::new(0) }
    }

    /// Takes in that the handshake is done.
    pub(super) fn admit(&self, heartbeat_interval: Duration, frames: AdmittedFrames) {
        self.frame.admit(frames);
        let ms = u64::try_from(heartbeat_interval.as_millis()).unwrap_or(u64::MAX).max(1);
        self.heartbeat_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns the heartbeat interval, once the handshake has named it.
    pub(super) fn heartbeat_interval(&self) -> Option<Duration> {
        Some(self.heartbeat_ms.load(Ordering::Relaxed))
            .filter(|&ms| ms > 0)
            .map(Duration::from_millis)
    }
}
