//! The actions of a scenario on real nodes.

use std::path::PathBuf;

use acklog_sim::scenario::{Action, Backend, FileChange, Settings, Trouble, master};
use acklog_types::NodeName;
use anyhow::Context;

use super::{JOINING, LOOKS_PAUSE, Live};
use crate::cli::scenario::log_files;
use crate::cli::scenario::nodes::{Launch, Nodes, PathState};

impl<N: Nodes> Live<N> {
    /// Starts the master of a scenario that does not begin with a `cluster`.
    pub(super) fn begin(&mut self) -> Result<(), Trouble> {
        match std::mem::replace(&mut self.is_begun, true) {
            true => Ok(()),
            false => self.start(&master(), &master()),
        }
    }

    pub(super) fn start(
        &mut self,
        node: &NodeName,
        registers_as: &NodeName,
    ) -> Result<(), Trouble> {
        let launch = Launch::new(node, registers_as, &self.settings);
        self.paused.retain(|paused| paused != node);
        self.with(async |nodes| nodes.start(&launch).await.with_context(|| node.to_string()))?;
        self.read_news(node);
        Ok(())
    }

    /// Kills those of the nodes that are running.
    pub(super) fn kill(&mut self, nodes: &[NodeName]) -> Result<(), Trouble> {
        let running = self.nodes.running();
        let nodes: Vec<_> = nodes.iter().filter(|node| running.contains(node)).cloned().collect();
        self.with(async |all| all.kill(&nodes).await)?;
        self.end_news_of(&nodes);
        Ok(())
    }

    /// Kills the master, does something to its files, and starts it again.
    pub(super) fn restart_master(
        &mut self,
        meanwhile: impl AsyncFnOnce(&mut N) -> anyhow::Result<()>,
    ) -> Result<(), Trouble> {
        self.nodes.set_all_paths(PathState::Cut);
        self.kill(&[master()])?;
        self.with(meanwhile)?;
        self.start(&master(), &master())?;
        self.nodes.set_all_paths(PathState::Open);
        Ok(())
    }

    pub(super) fn cluster(&mut self, settings: &Settings) -> Result<(), Trouble> {
        let all = self.nodes.running();
        self.kill(&all)?;
        for node in &self.nodes.known() {
            self.with(async |nodes| nodes.wipe(node).await)?;
        }
        self.readers.clear();
        (self.settings, self.is_begun) = (settings.clone(), true);
        self.start(&master(), &master())
    }

    pub(super) fn join(&mut self, joining: &[NodeName]) -> Result<(), Trouble> {
        joining.iter().try_for_each(|node| self.start(node, node))?;
        let end = self.now() + JOINING;
        loop {
            let health = self.health(&master()).map_err(Trouble::Failed)?;
            let mut is_ready = |node: &NodeName| {
                let its_own = self.health(node);
                health.counts_on(node) && its_own.is_ok_and(|its| its.is_ready_secondary())
            };
            let Some(late) = joining.iter().find(|node| !is_ready(node)) else { return Ok(()) };
            if self.now() >= end {
                return Err(Trouble::failed(format!("{late} does not become ready")));
            }
            self.pass(LOOKS_PAUSE)?;
        }
    }

    pub(super) fn terminate(&mut self, node: &NodeName) -> Result<(), Trouble> {
        let status = self.with(async |nodes| nodes.terminate(node).await)?;
        self.end_news_of(std::slice::from_ref(node));
        match status {
            Some(0) => Ok(()),
            Some(status) => Err(Trouble::failed(format!("{node} ended with status {status}"))),
            None => Err(Trouble::failed(format!("{node} was ended by a signal"))),
        }
    }

    /// Changes the last file of a node's log.
    pub(super) fn change(&mut self, node: &NodeName, what: &FileChange) -> Result<(), Trouble> {
        let folder = self.fresh_folder()?;
        self.with(async |nodes| {
            nodes.fetch(node, &folder).await?;
            nodes.put(node, &log_files::change(&folder, what)?).await
        })
    }

    pub(super) fn log(&mut self, action: &Action) -> Result<(), Trouble> {
        let Action::Log { node, words, status, says } = action else { return Ok(()) };
        let ran = self.with(async |nodes| nodes.log_tool(node, words).await)?;
        let is_said = says.as_ref().is_none_or(|says| ran.output.contains(says));
        match ran.status {
            Some(seen) if seen == i32::from(*status) && is_said => Ok(()),
            Some(seen) => {
                Err(Trouble::failed(format!("exit status {seen}, and\n{}", ran.output.trim_end())))
            }
            None => Err(Trouble::failed("a signal ended it")),
        }
    }

    pub(super) fn accept_loss(&mut self) -> Result<String, Trouble> {
        let mut told = String::new();
        self.restart_master(async |nodes| {
            let ran = nodes.log_tool(&master(), &["accept-loss".to_owned()]).await?;
            told = if ran.status == Some(0) { "done\n" } else { "no loss\n" }.to_owned();
            Ok(())
        })?;
        Ok(told)
    }

    /// Returns a folder that does not exist yet.
    pub(super) fn fresh_folder(&mut self) -> Result<PathBuf, Trouble> {
        let folder = self.nodes.scratch();
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Trouble::failed(format!("{}: {error}", folder.display())))
            }
            _ => Ok(folder),
        }
    }
}
