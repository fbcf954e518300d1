//! A timer that rings when it should. Tokio's own rounds up to the next millisecond, many times what a request takes.

use std::io;
use std::time::Duration;

/// Rings once each time that it is set.
#[cfg(target_os = "linux")]
pub(super) struct PreciseTimer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl PreciseTimer {
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

    /// Waits that long.
    ///
    /// # Errors
    /// When the system takes the timer away.
    pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if wait.is_zero() {
            // A zero would turn the timer off. Others get their turn all the same.
            tokio::task::yield_now().await;
            return Ok(());
        }
        let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let it_value = Timespec { tv_sec, tv_nsec: wait.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // Setting it forgets that it rang, so there is nothing to read.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

/// Rings once each time that it is set: within a millisecond, where there is nothing better.
#[cfg(not(target_os = "linux"))]
pub(super) struct PreciseTimer;

#[cfg(not(target_os = "linux"))]
impl PreciseTimer {
    /// # Errors
    /// Never here.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits that long.
    ///
    /// # Errors
    /// Never here.
    pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
