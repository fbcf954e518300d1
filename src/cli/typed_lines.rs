//! Lines of standard input, read while other things go on.

use std::io::{self, IsTerminal};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::tcgetpgrp;
use tokio::sync::mpsc;

/// Pause between two checks of whether this program is in the terminal's foreground. Shorter: more
/// work for nothing. Longer: what is typed after `fg` is taken later.
const FOREGROUND_POLL: Duration = Duration::from_millis(300);

/// Bytes that are read at once. A terminal gives a line at most.
const READ_BYTES: usize = 4096;

/// Returns the lines of standard input, of which so many wait to be taken; the channel closes at
/// its end.
///
/// A thread of its own reads them: a read from a terminal cannot be cancelled, and neither a Ctrl-C
/// nor the end of the program must wait for it.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn lines(ahead: usize) -> io::Result<mpsc::Receiver<String>> {
    let (sender, receiver) = mpsc::channel(ahead);
    std::thread::Builder::new().name("typing".to_owned()).spawn(move || {
        let mut typed = Vec::new();
        while let Ok(true) = read_more(&mut typed) {
            while let Some(end) = typed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = typed.drain(..=end).collect();
                if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(receiver)
}

/// Reads what is available; returns `false` at the end of input.
///
/// A read from a terminal while this program is in the background would stop the program (`up &` in
/// a shell). So it reads only what is available, and never in the background.
fn read_more(typed: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; READ_BYTES];
    let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(FOREGROUND_POLL.subsec_nanos()) };
    loop {
        if is_in_background() {
            std::thread::sleep(FOREGROUND_POLL);
            continue;
        }
        let mut waited_for = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut waited_for, Some(&pause)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(stdin(), &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                typed.extend_from_slice(buffer.get(..count).unwrap_or_default());
                return Ok(true);
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns whether another program has the terminal. One that is not this session's stops nobody.
fn is_in_background() -> bool {
    io::stdin().is_terminal() && tcgetpgrp(stdin()).is_ok_and(|group| group != getpgrp())
}
