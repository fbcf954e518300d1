//! One node as a child process: starts it, forwards its log, signals it, waits for its end.
//!
//! A child has a process group of its own, so that Ctrl-C reaches `up` alone and `up` decides how
//! the cluster ends. Its standard input is a pipe that `up` holds open: the pipe closes when `up`
//! ends, in whatever way, and the child stops then.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

pub(super) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::output::Printer;
use crate::cli::child_process;

/// Longest piece of a line that is shown as one, in bytes: nodes write shorter lines.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Signals that can wait to be sent to one child. A user asks for one or two.
const SIGNALS_MAX: usize = 4;

/// Longest wait for the last lines of a child that has ended.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(500);

/// The end of a child.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) node: usize,
    pub(super) status: std::io::Result<ExitStatus>,
}

/// A running child that can be signalled.
pub(super) struct Running(mpsc::Sender<Signal>);

impl Running {
    /// Sends a signal, unless the child has just ended.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.0.try_send(signal);
    }
}

/// Starts a child. Its end goes to `ended`, its lines go to `printer`.
///
/// # Errors
/// When the process cannot be started.
pub(super) fn start(
    node: usize,
    executable: &Path,
    args: &[String],
    (printer, prefix): (Printer, String),
    ended: mpsc::Sender<Ended>,
) -> std::io::Result<Running> {
    let mut command = Command::new(executable);
    // `up` has turned these variables into flags; a node would read them for itself.
    for variable in
        ["ACKLOG_SECONDARIES", "ACKLOG_HTTP_PORT", "ACKLOG_COMM_PORT", "ACKLOG_DATA_DIR"]
    {
        command.env_remove(variable);
    }
    let mut child = child_process::spawn(command.args(args))?;
    let (signals, orders) = mpsc::channel(SIGNALS_MAX);
    let lines = child.stderr.take();
    tokio::spawn(async move {
        let log = tokio::spawn(forward(lines, printer, prefix));
        let status = watch(child, orders).await;
        // The last lines of a child are printed before the line that reports its end.
        let _ = timeout(LAST_LINES_TIMEOUT, log).await;
        let _ = ended.send(Ended { node, status }).await;
    });
    Ok(Running(signals))
}

/// Waits for the child's end and signals it meanwhile. Both happen here: until the child is waited
/// for, its process id cannot belong to another process.
async fn watch(
    mut child: Child,
    mut orders: mpsc::Receiver<Signal>,
) -> std::io::Result<ExitStatus> {
    // Taken out, because waiting would close it.
    let _open = child.stdin.take();
    loop {
        tokio::select! {
            status = child.wait() => return status,
            Some(signal) = orders.recv() => {
                let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
                if let Some(id) = id {
                    // It may have ended at this moment; then nothing is left to do.
                    let _ = kill_process(id, signal);
                }
            }
        }
    }
}

async fn forward(stderr: Option<ChildStderr>, printer: Printer, prefix: String) {
    let Some(stderr) = stderr else { return };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => printer.log(&prefix, String::from_utf8_lossy(&line).trim_end()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::super::output::TerminalOutput;
    use super::*;

    async fn run_shell(script: &str, signal: Option<Signal>) -> ExitStatus {
        let (sender, mut ended) = mpsc::channel(1);
        let args = ["-c".to_owned(), script.to_owned()];
        let printer = TerminalOutput::start().unwrap().printer();
        let shell = Path::new("/bin/sh");
        let running = start(7, shell, &args, (printer, "test | ".to_owned()), sender).unwrap();
        if let Some(signal) = signal {
            running.signal(signal);
        }
        let ended = ended.recv().await.unwrap();
        assert_eq!(ended.node, 7);
        ended.status.unwrap()
    }

    #[tokio::test]
    async fn the_end_of_a_child_is_told_with_its_status() {
        assert_eq!(run_shell("exit 3", None).await.code(), Some(3));
    }

    #[tokio::test]
    async fn a_child_holds_an_open_input_until_it_is_signalled() {
        // `cat` would end at the end of its input.
        let status = run_shell("exec cat", Some(Signal::KILL)).await;
        assert_eq!(status.signal(), Some(9));
    }
}
