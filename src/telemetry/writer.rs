//! Writes lines to standard error, and counts those that are lost on the way.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking};
use tracing_subscriber::fmt::MakeWriter;

use super::format::LineFormat;

/// Passes lines to the thread that writes them. Lines for which it has no space are dropped, and
/// the next line that is accepted is preceded by their number.
#[derive(Clone)]
pub(super) struct LogLines {
    inner: NonBlocking,
    lost: ErrorCounter,
    /// The number of lost lines that were reported.
    reported: Arc<AtomicU64>,
    format: Arc<LineFormat>,
}

impl LogLines {
    pub(super) fn new(inner: NonBlocking, format: Arc<LineFormat>) -> Self {
        let lost = inner.error_counter();
        Self { inner, lost, reported: Arc::default(), format }
    }

    fn lost(&self) -> u64 {
        self.lost.dropped_lines() as u64
    }

    /// Reports the lines that are lost and were not reported yet. Returns whether the report was
    /// accepted, or there is nothing to report.
    pub(super) fn report_lost(&mut self) -> bool {
        let (lost, reported) = (self.lost(), self.reported.load(Ordering::Relaxed));
        if lost <= reported {
            return true;
        }
        let line = self.format.lost_line(lost - reported);
        let is_through = self.inner.write_all(line.as_bytes()).is_ok() && self.lost() == lost;
        if is_through {
            self.reported.store(lost, Ordering::Relaxed);
        } else {
            // This very line was lost, and is none of the node's.
            self.reported.fetch_add(1, Ordering::Relaxed);
        }
        is_through
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.is_empty() {
            return Ok(0);
        }
        self.report_lost();
        self.inner.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes lines to their destination. Lines that it does not accept, as a file on a full disk, are
/// counted and reported before the next line that it accepts.
pub(super) struct WholeLines<W> {
    pub(super) inner: W,
    format: Arc<LineFormat>,
    /// Lines that were not written, or not as a whole, and are not reported yet.
    lost: u64,
    /// Whether the output ends with a part of a line.
    is_torn: bool,
}

impl<W: Write> WholeLines<W> {
    pub(super) fn new(inner: W, format: Arc<LineFormat>) -> Self {
        Self { inner, format, lost: 0, is_torn: false }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.inner.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.inner.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_torn = rest.len() < line.len();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for WholeLines<W> {
    /// Writes all of a line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut reported = Ok(());
        if self.lost > 0 {
            reported = self.write_line(self.format.lost_line(self.lost).as_bytes());
            if reported.is_ok() {
                self.lost = 0;
            }
        }
        let written = reported.and_then(|()| self.write_line(line));
        if written.is_err() {
            self.lost += 1;
        }
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
