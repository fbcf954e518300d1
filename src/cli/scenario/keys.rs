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

    /// Creates one whose input ends after so many lines.
    #[cfg(test)]
    pub(super) fn of_test(count: usize) -> Self {
        let (sender, lines) = mpsc::channel(count.max(1));
        (0..count).for_each(|_| sender.try_send(()).expect("there is room"));
        Self(lines)
    }

    /// Waits for a line, and returns whether one came: at the end of the input none does. Cancel
    /// safe.
    pub(super) async fn pressed(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}
