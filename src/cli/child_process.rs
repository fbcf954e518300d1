//! Child processes of the tool.

use std::io;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// Starts a child in a process group of its own, which Ctrl-C does not reach. Closing its standard
/// input stops a node; its error output, where a node writes its log lines, can be read.
///
/// # Errors
/// When the process cannot be started.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}
