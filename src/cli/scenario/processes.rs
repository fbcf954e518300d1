//! Nodes as processes of this machine, on free ports, with a proxy between each secondary and the
//! master. They end when the scenario ends, in whatever way.

mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use acklog_sim::scenario::{Action, NodeHealth, Shown, is_master};
use acklog_types::{NodeName, WriteConcern};
use anyhow::{Context, bail};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::timeout;

use self::process::{LINES_MAX, Process};
use super::nodes::{
    Launch, LogStorage, NODE_PATIENCE, Nodes, PathState, ProcessState, ProgramOutput, Reach,
    only_simulated,
};
use super::proxy::Proxy;

/// Nodes as processes.
pub(super) struct Processes {
    executable: PathBuf,
    folder: tempfile::TempDir,
    running: BTreeMap<NodeName, Process>,
    proxies: BTreeMap<NodeName, Proxy>,
    /// The secondaries whose connections are held back for a moment.
    held: Vec<NodeName>,
    /// The last lines of each node's earlier processes.
    earlier: BTreeMap<NodeName, Vec<String>>,
    master_port: Arc<AtomicU16>,
}

impl Processes {
    /// Creates a set without nodes.
    ///
    /// # Errors
    /// When this program's own file is not known, or no directory can be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("cannot find this program's own file")?;
        let folder = tempfile::Builder::new().prefix("acklog-scenario-").tempdir();
        let folder = folder.context("cannot make a directory for the nodes")?;
        let (running, proxies) = (BTreeMap::new(), BTreeMap::new());
        let (earlier, master_port) = (BTreeMap::new(), Arc::default());
        let held = Vec::new();
        Ok(Self { executable, folder, running, proxies, held, earlier, master_port })
    }

    fn directory(&self, node: &NodeName) -> PathBuf {
        self.folder.path().join(node.as_str())
    }

    fn is_open(&self, node: &NodeName) -> bool {
        self.proxies.get(node).is_some_and(Proxy::is_open)
    }

    async fn launch(&mut self, launch: &Launch) -> anyhow::Result<Process> {
        let node = &launch.node;
        let mut command = Command::new(&self.executable);
        command.arg(launch.program());
        command.args(["--http-port=0", "--allow-faults", "--log=debug", "--log-format=text"]);
        command.arg(format!("--name={}", launch.registers_as));
        if is_master(node) {
            command.arg("--comm-port=0");
        } else {
            if !self.proxies.contains_key(node) {
                let proxy = Proxy::start(Arc::clone(&self.master_port)).await?;
                self.proxies.insert(node.clone(), proxy);
            }
            let port = self.proxies.get(node).map(Proxy::port).unwrap_or_default();
            command.arg(format!("--master-comm-port={port}"));
        }
        if launch.storage == LogStorage::Disk {
            command.arg("--data-dir").arg(self.directory(node));
        }
        command.args(&launch.flags);
        // Variables that a user sets for nodes of their own are not meant for these.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        Process::start(command).with_context(|| format!("cannot start {node}"))
    }

    /// Keeps the last lines of a process that has ended.
    async fn keep_last_lines(&mut self, node: &NodeName, mut process: Process) {
        process.wait_for_last_line().await;
        let earlier = self.earlier.entry(node.clone()).or_default();
        earlier.extend(process.output().last.drain(..));
        let too_many = earlier.len().saturating_sub(LINES_MAX);
        earlier.drain(..too_many);
    }

    fn take(&mut self, node: &NodeName) -> anyhow::Result<Process> {
        self.running.remove(node).with_context(|| format!("{node} is not running"))
    }
}

impl Nodes for Processes {
    fn lacks(&self, action: &Action) -> Option<&'static str> {
        only_simulated(action)
    }

    async fn start(&mut self, launch: &Launch) -> anyhow::Result<()> {
        let node = &launch.node;
        if self.running.contains_key(node) {
            self.kill(std::slice::from_ref(node)).await?;
        }
        let mut process = self.launch(launch).await?;
        let serving = timeout(NODE_PATIENCE, process.wait_until_serving()).await;
        serving.unwrap_or_else(|_| bail!("it does not serve HTTP"))?;
        if let Some(port) = process.output().comm {
            self.master_port.store(port, Ordering::SeqCst);
        }
        self.running.insert(node.clone(), process);
        Ok(())
    }

    async fn start_expecting_exit(&mut self, launch: &Launch) -> anyhow::Result<ProgramOutput> {
        let mut process = self.launch(launch).await?;
        let status = process.ended().await?.code();
        process.wait_for_last_line().await;
        let output = process.output().last.back().cloned().unwrap_or_default();
        self.keep_last_lines(&launch.node, process).await;
        Ok(ProgramOutput { status, output })
    }

    async fn kill(&mut self, nodes: &[NodeName]) -> anyhow::Result<()> {
        for node in nodes {
            let process = self.running.get_mut(node);
            process.with_context(|| format!("{node} is not running"))?.child.start_kill()?;
        }
        for node in nodes {
            let mut process = self.take(node)?;
            process.ended().await?;
            self.keep_last_lines(node, process).await;
            for (name, proxy) in &self.proxies {
                // One that is held back sees the end after the release.
                if (name == node || is_master(node)) && !self.held.contains(name) {
                    proxy.forget_connections();
                }
            }
        }
        Ok(())
    }

    async fn terminate(&mut self, node: &NodeName) -> anyhow::Result<Option<i32>> {
        let mut process = self.take(node)?;
        process.signal(Signal::TERM)?;
        let status = process.ended().await?;
        self.keep_last_lines(node, process).await;
        Ok(status.code())
    }

    async fn set_process(&mut self, node: &NodeName, to: ProcessState) -> anyhow::Result<()> {
        let process = self.running.get(node);
        let signal = match to {
            ProcessState::Paused => Signal::STOP,
            ProcessState::Running => Signal::CONT,
        };
        process.with_context(|| format!("{node} is not running"))?.signal(signal)
    }

    async fn set_path(&mut self, node: &NodeName, to: PathState) -> anyhow::Result<()> {
        let proxy = self.proxies.get(node).with_context(|| format!("{node} was never started"))?;
        proxy.set(to);
        Ok(())
    }

    fn set_all_paths(&mut self, to: PathState) {
        if to == PathState::Cut {
            self.held = self.proxies.keys().filter(|name| self.is_open(name)).cloned().collect();
        }
        for name in &self.held {
            let proxy = self.proxies.get(name).into_iter();
            proxy.for_each(|proxy| proxy.set(to));
        }
        if to == PathState::Open {
            self.held.clear();
        }
    }

    fn disconnect(&mut self, node: &NodeName) {
        self.proxies.get(node).into_iter().for_each(Proxy::disconnect);
    }

    async fn wipe(&mut self, node: &NodeName) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.directory(node)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn fetch(&mut self, node: &NodeName, folder: &Path) -> anyhow::Result<()> {
        copy_all(&self.directory(node), folder)
    }

    async fn put(&mut self, node: &NodeName, file: &Path) -> anyhow::Result<()> {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(file, self.directory(node).join(name))?;
        Ok(())
    }

    async fn put_all(&mut self, node: &NodeName, folder: &Path) -> anyhow::Result<()> {
        self.wipe(node).await?;
        copy_all(folder, &self.directory(node))
    }

    async fn log_tool(
        &mut self,
        node: &NodeName,
        words: &[String],
    ) -> anyhow::Result<ProgramOutput> {
        let mut command = Command::new(&self.executable);
        command.arg("log").args(words).arg(self.directory(node)).stdin(Stdio::null());
        let ran = command.kill_on_drop(true).output().await?;
        let output = [ran.stdout, ran.stderr].concat();
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(ProgramOutput { status: ran.status.code(), output })
    }

    fn reach(&self, node: &NodeName) -> Option<Reach> {
        self.running.get(node)?.url.clone().map(Reach::Url)
    }

    async fn messages_inside(&mut self, _: &NodeName, _: WriteConcern) -> anyhow::Result<Shown> {
        bail!("every process has a URL")
    }

    async fn health_inside(&mut self, _: &NodeName) -> anyhow::Result<NodeHealth> {
        bail!("every process has a URL")
    }

    fn running(&self) -> Vec<NodeName> {
        self.running.keys().cloned().collect()
    }

    async fn last_lines(&mut self, node: &NodeName) -> Vec<String> {
        let earlier = self.earlier.get(node).into_iter().flatten().cloned();
        let lines = self.running.get(node).map(|process| process.output().last.clone());
        earlier.chain(lines.into_iter().flatten()).collect()
    }

    fn known(&self) -> Vec<NodeName> {
        let earlier = self.earlier.keys().filter(|node| !self.running.contains_key(*node));
        self.running.keys().chain(earlier).cloned().collect()
    }

    async fn end(&mut self) {
        for process in self.running.values_mut() {
            let _ = process.child.start_kill();
        }
        for process in self.running.values_mut() {
            let _ = process.ended().await;
        }
        self.running.clear();
        self.proxies.clear();
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }
}

fn is_ours(name: &OsString) -> bool {
    name.to_string_lossy().starts_with("ACKLOG_")
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = (entry?.path(), |path: &Path| path.file_name().map(|n| to.join(n)));
        let Some(target) = target(&entry) else { continue };
        if entry.is_dir() {
            copy_all(&entry, &target)?;
        } else {
            fs::copy(&entry, &target)?;
        }
    }
    Ok(())
}
