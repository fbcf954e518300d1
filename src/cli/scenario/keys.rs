//! The Enter key, with which a teacher lets a scenario go on.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

/// Lines that come while nobody waits for one. More: a file as input is read further than needed.
const LINES_AHEAD: usize = 1;

/// Lines of standard input.
#[derive(Debug)]
pub(super) struct EnterKey(mpsc::Receiver<()>);

impl EnterKey {
    /// Begins to read standard input, on a thread of its own: a read cannot be cancelled, and must
    /// not hold up a Ctrl-C.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn begin() -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            for line in io::stdin().lock().split(b'\n') {
                if line.is_err() || sender.blocking_send(()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self(lines))
    }

    /// Creates one whose input has ended.
    #[cfg(test)]
    pub(super) fn of_test() -> Self {
        Self(mpsc::channel(1).1)
    }

    /// Waits for a line. At the end of the input it returns at once. Cancel safe.
    pub(super) async fn pressed(&mut self) {
        self.0.recv().await;
    }
}
