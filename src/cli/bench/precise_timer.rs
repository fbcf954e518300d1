//! A timer of microsecond precision. Tokio's timer rounds up to the next millisecond, many times
//! the latency of a request.

use std::io;
use std::time::Duration;

/// A timer that fires once for each wait.
#[cfg(target_os = "linux")]
pub(super) struct PreciseTimer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl PreciseTimer {
    /// Creates a timer.
    ///
    /// # Errors
    /// When the system has no timer left.
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(deprecated, reason = "its heir is unsafe to call; an owned descriptor stays open")]
        let registered = tokio::io::unix::AsyncFd::new(timer)?;
        Ok(Self(registered))
    }

    /// Waits for this time.
    ///
    /// # Errors
    /// When the system takes the timer away.
    pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if wait.is_zero() {
            // A zero would turn the timer off. Other tasks still get their turn.
            tokio::task::yield_now().await;
            return Ok(());
        }
        let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let it_value = Timespec { tv_sec, tv_nsec: wait.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // Setting the timer also clears its expiry count, so there is nothing to read.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

/// A timer that fires once for each wait, up to a millisecond late: this system has no better one.
#[cfg(not(target_os = "linux"))]
pub(super) struct PreciseTimer;

#[cfg(not(target_os = "linux"))]
impl PreciseTimer {
    /// Creates a timer.
    ///
    /// # Errors
    /// Never on this system.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for this time.
    ///
    /// # Errors
    /// Never on this system.
    pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
