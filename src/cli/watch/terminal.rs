//! The terminal that the program runs in: its modes, its size, its keys.

use std::env;
use std::io::{self, IsTerminal};
use std::panic;
use std::sync::{Mutex, Once};
use std::time::Duration;

use acklog_threads::{ThreadPool, WorkHandle, lock};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::painter::{ENTER, LEAVE};

/// Longest time that leaving waits for a terminal that takes nothing. Shorter: a slow line is left
/// as it is. Longer: who ends the program waits.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);

/// Columns and rows of a terminal that does not tell how many it has.
const SIZE_UNKNOWN: (u16, u16) = (80, 24);

/// Most pieces of what is typed that wait to be taken. Fewer: a key that is held down is read in
/// smaller steps. More: keys that nobody waits for any more are still acted on.
const TYPED_MAX: usize = 16;

/// The modes of the terminal from before, while they are changed.
static MODES_BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Lets a panic restore the terminal before it is reported.
static PANIC_HOOK: Once = Once::new();

/// The terminal, taken over until this is dropped, or the program panics.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Writes; a terminal that takes nothing stops nothing else.
    writer: ThreadPool,
    /// Reads what is typed until the terminal or the program ends; both are kept for that.
    _reading: (ThreadPool, WorkHandle<()>),
}

/// Returns why the program cannot be watched where it runs, if so.
pub(super) fn unusable() -> Option<String> {
    let reason = if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        "watch draws on a terminal, and its input or output is none"
    } else if env::var("TERM").is_ok_and(|kind| kind == "dumb") {
        "watch places text on the screen, which this terminal cannot (TERM=dumb)"
    } else {
        return None;
    };
    Some(format!("{reason}: use `acklog status`, or `acklog messages --follow`"))
}

impl Terminal {
    /// Takes the terminal over. What is typed comes from the receiver, which ends with the
    /// terminal.
    ///
    /// # Errors
    /// When there is no terminal, or it cannot be written to.
    pub(super) fn enter() -> io::Result<(Self, mpsc::Receiver<Vec<u8>>)> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        PANIC_HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |why| {
                restore();
                report(why);
            }));
        });
        *lock(&MODES_BEFORE) = Some(before);
        let (typed, keys) = mpsc::channel(TYPED_MAX);
        let reader = ThreadPool::new("keys", 1);
        let reading = reader.run(move || read_keys(&typed));
        let this = Self { writer: ThreadPool::new("screen", 1), _reading: (reader, reading) };
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        write(ENTER)?;
        Ok((this, keys))
    }

    /// Returns columns and rows.
    pub(super) fn size() -> (usize, usize) {
        let (columns, rows) = match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => SIZE_UNKNOWN,
        };
        (columns.into(), rows.into())
    }

    /// Writes a text, at the terminal's own pace.
    pub(super) fn write(&self, text: String) -> WorkHandle<io::Result<()>> {
        self.writer.run(move || write(&text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was.
fn restore() {
    let Some(modes) = lock(&MODES_BEFORE).take() else { return };
    // The modes first: that never waits. There is nobody to tell of an error.
    let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
    let patience = Timespec::try_from(LEAVE_PATIENCE).ok();
    let out = stdout();
    let mut ready = [PollFd::new(&out, PollFlags::OUT)];
    if poll(&mut ready, patience.as_ref()) == Ok(1) {
        let _ = write(LEAVE);
    }
}

fn read_keys(typed: &mpsc::Sender<Vec<u8>>) {
    let mut bytes = [0; 256];
    loop {
        match rustix::io::read(stdin(), &mut bytes) {
            Err(Errno::INTR) => {}
            // The terminal is gone.
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let read = bytes.get(..count).unwrap_or_default().to_vec();
                if typed.blocking_send(read).is_err() {
                    return;
                }
            }
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        match rustix::io::write(stdout(), left) {
            Ok(count) => left = left.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another program made it so that it does not wait.
            Err(Errno::AGAIN) => {
                let out = stdout();
                poll(&mut [PollFd::new(&out, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
