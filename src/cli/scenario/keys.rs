//! The Enter key, with which whoever plays a scenario lets its next step begin.

use std::io;

use tokio::sync::mpsc;

use crate::cli::typed_lines;

/// Lines that come while nobody waits for one. More: a file as input is read further than needed.
const LINES_AHEAD: usize = 1;

/// Lines of standard input.
#[derive(Debug)]
pub(super) struct EnterKey(mpsc::Receiver<String>);

impl EnterKey {
    /// Begins to read standard input; where it is a terminal, only while this program is in its
    /// foreground.
    ///
    /// # Errors
    /// When no thread can be started for that.
    pub(super) fn begin() -> io::Result<Self> {
        typed_lines::lines(LINES_AHEAD).map(Self)
    }

    /// Creates one whose input ends after so many lines.
    #[cfg(test)]
    pub(super) fn of_test(count: usize) -> Self {
        let (sender, lines) = mpsc::channel(count.max(1));
        (0..count).for_each(|_| sender.try_send(String::new()).expect("there is room"));
        Self(lines)
    }

    /// Waits for a line, and returns whether one came: at the end of the input none does. Cancel
    /// safe.
    pub(super) async fn pressed(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}
