//! The only writer to the terminal while the cluster runs, line by line.
//!
//! It is a thread of its own: a terminal that is blocked must not keep `up` from ending its
//! children.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use acklog_types::escaped;
use tokio::sync::mpsc;

use crate::telemetry::{wants_colour, with_coloured_level};

/// Lines that can wait for the terminal. When the buffer is full, the children's logs back up in
/// their pipes, and then each child drops lines.
const LINES_MAX: usize = 1024;

/// Longest wait for the last lines at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Terminal colours of the nodes, in turn.
const COLOURS: [u8; 6] = [36, 35, 33, 34, 32, 31];

enum TerminalLine {
    Out(String),
    Err(String),
}

/// A handle for writing lines. Cheap to clone.
#[derive(Clone)]
pub(super) struct Printer {
    lines: mpsc::Sender<TerminalLine>,
    /// Whether levels are coloured.
    colour: bool,
}

/// The thread that writes.
pub(super) struct TerminalOutput {
    printer: Printer,
    ended: std::sync::mpsc::Receiver<()>,
}

impl TerminalOutput {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, mut lines) = mpsc::channel(LINES_MAX);
        let (end, ended) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            while let Some(line) = lines.blocking_recv() {
                // A closed output is no reason to end the cluster.
                let _ = match line {
                    TerminalLine::Out(text) => {
                        write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush())
                    }
                    TerminalLine::Err(text) => io::stderr().write_all(text.as_bytes()),
                };
            }
            let _ = end.send(());
        })?;
        let colour = wants_colour(io::stderr().is_terminal());
        Ok(Self { printer: Printer { lines: sender, colour }, ended })
    }

    pub(super) fn printer(&self) -> Printer {
        self.printer.clone()
    }

    /// Waits until everything is written, for a second at most. All other printers must have been
    /// dropped.
    pub(super) fn finish(self) {
        drop(self.printer);
        let _ = self.ended.recv_timeout(FLUSH_TIMEOUT);
    }
}

impl Printer {
    /// Writes a line of `up` itself to standard error. Never waits: while the terminal is blocked,
    /// the line is dropped.
    pub(super) fn say(&self, text: &str) {
        let _ = self.lines.try_send(TerminalLine::Err(format!("up: {}\n", escaped(text))));
    }

    /// Writes text to standard output. Never waits: while the terminal is blocked, the text is
    /// dropped.
    pub(super) fn show(&self, text: String) {
        let _ = self.lines.try_send(TerminalLine::Out(text));
    }

    /// Writes a line of a node's log to standard error. Waits while the buffer is full.
    pub(super) async fn log(&self, prefix: &str, line: &str) {
        let line = escaped(line);
        let line = if self.colour { with_coloured_level(&line) } else { line.into_owned() };
        let _ = self.lines.send(TerminalLine::Err(format!("{prefix}{line}\n"))).await;
    }
}

/// Returns the prefix of each node's lines: its name, as wide as the widest.
pub(super) fn prefixes<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let colour = wants_colour(io::stderr().is_terminal());
    prefixes_with(names, colour)
}

fn prefixes_with<'a>(names: impl Iterator<Item = &'a str> + Clone, colour: bool) -> Vec<String> {
    let width = names.clone().map(str::len).max().unwrap_or_default();
    names
        .zip(COLOURS.iter().cycle())
        .map(|(name, number)| match colour {
            true => format!("\u{1b}[{number}m{name:<width$} |\u{1b}[0m "),
            false => format!("{name:<width$} | "),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_equally_wide() {
        let names = ["master", "secondary-3"];
        let prefixes = prefixes_with(names.into_iter(), false);
        assert_eq!(prefixes, ["master      | ", "secondary-3 | "]);
        let coloured = prefixes_with(names.into_iter(), true);
        assert_eq!(coloured[0], "\u{1b}[36mmaster      |\u{1b}[0m ");
    }
}
