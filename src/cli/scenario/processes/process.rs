//! The process of one node: its log lines, signals and end.

use std::collections::VecDeque;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};

use acklog_threads::lock;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cli::scenario::nodes::NODE_PATIENCE;
use crate::cli::{NodeUrl, child_process};

/// Lines of each node's log that are kept for the report of a failure.
pub(super) const LINES_MAX: usize = 400;

/// The last log lines of a node, and the ports that it reported.
#[derive(Debug, Default)]
pub(super) struct NodeOutput {
    pub(super) last: VecDeque<String>,
    pub(super) http: Option<u16>,
    pub(super) comm: Option<u16>,
}

/// A node's process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Child,
    /// Closing it stops the node, so that none outlives this process.
    _stdin: Option<ChildStdin>,
    output: Arc<Mutex<NodeOutput>>,
    /// Number of lines so far.
    line_count: watch::Receiver<u64>,
    reading: JoinHandle<()>,
    /// URL of the node, once it serves HTTP.
    pub(super) url: Option<NodeUrl>,
}

impl Process {
    /// Starts a process in a process group of its own, which Ctrl-C does not reach.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = child_process::spawn(&mut command)?;
        let (output, (counted, line_count)) = (Arc::default(), watch::channel(0));
        let _stdin = child.stdin.take();
        let stderr = child.stderr.take().context("a child without an error output")?;
        let reading = tokio::spawn(read_lines(stderr, Arc::clone(&output), counted));
        Ok(Self { child, _stdin, output, line_count, reading, url: None })
    }

    /// Locks the output. Held for a moment only, never across an `await`.
    pub(super) fn output(&self) -> MutexGuard<'_, NodeOutput> {
        lock(&self.output)
    }

    /// Waits until it serves HTTP.
    ///
    /// # Errors
    /// When it ends instead, with its last line.
    pub(super) async fn wait_until_serving(&mut self) -> anyhow::Result<()> {
        loop {
            let port = self.output().http;
            if let Some(port) = port {
                self.url = Some(NodeUrl::local(port));
                return Ok(());
            }
            tokio::select! {
                changed = self.line_count.changed() => if changed.is_err() { break },
                _ = self.child.wait() => break,
            }
        }
        self.wait_for_last_line().await;
        let last = self.output().last.back().cloned().unwrap_or_default();
        bail!("it ended at once: {last}")
    }

    /// Waits for the last line of a process that has ended.
    pub(super) async fn wait_for_last_line(&mut self) {
        if !self.reading.is_finished() {
            // Later lines are not missed.
            let _ = timeout(NODE_PATIENCE, &mut self.reading).await;
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // Not waited for yet, so the id belongs to no other process.
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(kill_process(id.context("it has ended")?, signal)?)
    }

    pub(super) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = timeout(NODE_PATIENCE, self.child.wait()).await;
        Ok(ended.context("it does not end")??)
    }
}

async fn read_lines(
    stderr: ChildStderr,
    output: Arc<Mutex<NodeOutput>>,
    line_count: watch::Sender<u64>,
) {
    let mut reader = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        let mut output = lock(&output);
        if let Some(port) = port_after(&line, "serving HTTP address=") {
            output.http = Some(port);
        }
        if let Some(port) = port_after(&line, "listening for secondaries address=") {
            output.comm = Some(port);
        }
        output.last.push_back(line);
        if output.last.len() > LINES_MAX {
            output.last.pop_front();
        }
        drop(output);
        line_count.send_modify(|count| *count += 1);
    }
}

/// Returns the port of the address that follows a text.
fn port_after(line: &str, text: &str) -> Option<u16> {
    let address = line.split_once(text)?.1.split(' ').next()?;
    address.rsplit_once(':')?.1.parse().ok()
}
