//! Nodes as the containers of `docker-compose.yml`, reached through their published ports.
//!
//! Names, addresses and ports are those of `docker-compose up`, so only one of both can run at a
//! time. A partition takes the secondary's container off the network.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acklog_sim::scenario::{Action, NodeHealth, Shown};
use acklog_types::{NodeName, WriteConcern};
use anyhow::{Context, bail, ensure};
use tokio::time::{Instant, sleep};

use super::docker::{Docker, parse_exit_status};
use super::http;
use super::nodes::{
    Launch, LogStorage, NODE_PATIENCE, Nodes, PathState, ProcessState, ProgramOutput, Reach,
};
use crate::cli::NodeUrl;

/// The services of the file, with their published ports.
const SERVICES: [(&str, u16); 3] = [("master", 8000), ("bonnie", 8001), ("clyde", 8002)];

/// The file, looked for from the current directory upwards.
const FILE: &str = "docker-compose.yml";

/// The network that the file names.
const NETWORK: &str = "acklog_cluster";

/// The directory of a node's log inside its container.
const DATA: &str = "/data";

/// Pause between two checks of whether a container serves HTTP. Shorter: more requests for nothing.
/// Longer: each start takes that much longer.
const START_PAUSE: Duration = Duration::from_millis(50);

/// Nodes as containers.
pub(super) struct Compose {
    docker: Docker,
    /// The text of the file.
    file: String,
    folder: tempfile::TempDir,
    running: BTreeSet<NodeName>,
    cut: BTreeSet<NodeName>,
    /// The log lines of earlier containers of each name.
    earlier: BTreeMap<NodeName, Vec<String>>,
}

impl Compose {
    /// Checks that containers can be started, and builds the image.
    ///
    /// # Errors
    /// When they cannot, with advice. Nothing is left behind then.
    pub(super) async fn new() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("cannot find the current directory")?;
        let path = here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file());
        let path = path.with_context(|| format!("no {FILE} here or above"))?;
        let (file, docker) = (fs::read_to_string(&path)?, Docker::find(path).await?);
        for (name, port) in SERVICES {
            ensure!(
                docker.project_of(name).await.is_none(),
                "a container named {name} is there already; if it is not in use: docker rm -f \
                 {name}"
            );
            ensure!(
                std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
                "port {port} is in use by another program; containers are published on 8000 to 8002"
            );
        }
        let built = docker.compose(&[], LogStorage::Memory, &["build", "-q", "master"]).await?;
        ensure!(
            built.status == Some(0),
            "the image cannot be built:\n{}\nWithout a Rust image: scripts/static-binaries \
             target/docker, and export ACKLOG_IMAGE_TARGET=prebuilt",
            built.output.trim_end()
        );
        let folder = tempfile::Builder::new().prefix("acklog-scenario-").tempdir()?;
        let (running, cut, earlier) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Ok(Self { docker, file, folder, running, cut, earlier })
    }

    /// Writes a compose file with the settings of a node in a scenario. Flags win over the
    /// environment that the file sets.
    fn overriding(&self, launch: &Launch) -> anyhow::Result<PathBuf> {
        let (node, words) = (&launch.node, [launch.program().to_owned()]);
        let words = serde_json::to_string(&[&words, launch.flags.as_slice()].concat())?;
        let path = self.folder.path().join(format!("{node}.yml"));
        let text = format!(
            "services:\n  {node}:\n    command: {words}\n    restart: \"no\"\n    healthcheck: \
             {{interval: 1h}}\n"
        );
        fs::write(&path, text)?;
        Ok(path)
    }

    async fn launch(&mut self, launch: &Launch) -> anyhow::Result<()> {
        let node = &launch.node;
        self.remove(node).await?;
        let file = self.overriding(launch)?;
        let words = ["up", "-d", "--no-deps", "--no-build", node.as_str()];
        let ran = self.docker.compose(&[file], launch.storage, &words).await?;
        ensure!(ran.status == Some(0), "{}", ran.output.trim_end());
        Ok(())
    }

    /// Removes a container, and keeps its log lines.
    async fn remove(&mut self, node: &NodeName) -> anyhow::Result<()> {
        if self.docker.is_ours(node.as_str()).await {
            let said = self.docker.logs(node.as_str()).await;
            self.earlier.entry(node.clone()).or_default().extend(said);
            self.docker.run(&["rm", "-f", node.as_str()]).await?;
        }
        self.running.remove(node);
        self.cut.remove(node);
        Ok(())
    }

    fn url(node: &NodeName) -> Option<NodeUrl> {
        let service = SERVICES.into_iter().find(|(name, _)| *name == node.as_str());
        service.map(|(_, port)| NodeUrl::local(port))
    }

    /// Returns the address of a service, as written in the file.
    fn address(&self, node: &NodeName) -> anyhow::Result<&str> {
        let service = self.file.split(&format!("\n  {node}:\n")).nth(1);
        let address = service.and_then(|text| text.split("ipv4_address: ").nth(1));
        let address = address.and_then(|text| text.split(['}', '\n']).next());
        address.with_context(|| format!("{FILE} names no address of {node}"))
    }
}

impl Nodes for Compose {
    fn lacks(&self, action: &Action) -> Option<&'static str> {
        let is_service = |node: &NodeName| SERVICES.iter().any(|(name, _)| *name == node.as_str());
        match action {
            Action::Start { node, registers_as } if node == registers_as && is_service(node) => {
                None
            }
            Action::Join(nodes) if nodes.iter().all(is_service) => None,
            Action::Start { .. } | Action::Join(_) => {
                Some("another node than master, bonnie and clyde: run it without --compose")
            }
            Action::Disconnect(_) | Action::PutBack | Action::CopyMaster => {
                Some("this in containers: run it without --compose")
            }
            other => super::nodes::only_simulated(other),
        }
    }

    async fn start(&mut self, launch: &Launch) -> anyhow::Result<()> {
        let node = &launch.node;
        self.launch(launch).await?;
        let url = Self::url(node).context("no such service")?;
        let end = Instant::now() + NODE_PATIENCE;
        while http::health(url.clone()).await.is_err() {
            ensure!(self.docker.is_running(node.as_str()).await, "its container is not running");
            ensure!(Instant::now() < end, "it does not serve HTTP");
            sleep(START_PAUSE).await;
        }
        self.running.insert(node.clone());
        Ok(())
    }

    async fn start_expecting_exit(&mut self, launch: &Launch) -> anyhow::Result<ProgramOutput> {
        self.launch(launch).await?;
        let status = parse_exit_status(&self.docker.run(&["wait", launch.node.as_str()]).await?);
        let said = self.docker.logs(launch.node.as_str()).await;
        Ok(ProgramOutput { status, output: said.last().cloned().unwrap_or_default() })
    }

    async fn kill(&mut self, nodes: &[NodeName]) -> anyhow::Result<()> {
        let names: Vec<_> = nodes.iter().map(NodeName::as_str).collect();
        if !names.is_empty() {
            self.docker.run(&[&["kill"], names.as_slice()].concat()).await?;
            self.docker.run(&[&["wait"], names.as_slice()].concat()).await?;
        }
        self.running.retain(|node| !nodes.contains(node));
        Ok(())
    }

    async fn terminate(&mut self, node: &NodeName) -> anyhow::Result<Option<i32>> {
        self.docker.run(&["kill", "--signal=TERM", node.as_str()]).await?;
        let waited = self.docker.run(&["wait", node.as_str()]).await?;
        self.running.remove(node);
        Ok(parse_exit_status(&waited))
    }

    async fn set_process(&mut self, node: &NodeName, to: ProcessState) -> anyhow::Result<()> {
        let word = if to == ProcessState::Paused { "pause" } else { "unpause" };
        self.docker.run(&[word, node.as_str()]).await.map(drop)
    }

    /// Removes the container's address, and with it everything in flight: neither side sees the end
    /// of a connection.
    async fn set_path(&mut self, node: &NodeName, to: PathState) -> anyhow::Result<()> {
        if to == PathState::Cut {
            self.docker.run(&["network", "disconnect", NETWORK, node.as_str()]).await?;
            self.cut.insert(node.clone());
        } else if self.cut.remove(node) && self.running.contains(node) {
            let address = self.address(node)?.to_owned();
            let words = ["network", "connect", "--ip", &address, NETWORK, node.as_str()];
            self.docker.run(&words).await?;
        }
        Ok(())
    }

    fn disconnect(&mut self, _: &NodeName) {}

    /// Does nothing: a container's network cannot be held back without cutting it.
    fn set_all_paths(&mut self, _: PathState) {}

    async fn wipe(&mut self, node: &NodeName) -> anyhow::Result<()> {
        self.remove(node).await?;
        self.docker.remove_volume(&format!("{node}-data")).await
    }

    async fn fetch(&mut self, node: &NodeName, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let (from, to) = (format!("{node}:{DATA}/."), folder.display().to_string());
        self.docker.run(&["cp", &from, &to]).await.map(drop)
    }

    async fn put(&mut self, node: &NodeName, file: &Path) -> anyhow::Result<()> {
        self.docker.put(file, &format!("{node}:{DATA}/")).await
    }

    async fn put_all(&mut self, _: &NodeName, _: &Path) -> anyhow::Result<()> {
        bail!("a volume is not put back as a whole")
    }

    async fn log_tool(
        &mut self,
        node: &NodeName,
        words: &[String],
    ) -> anyhow::Result<ProgramOutput> {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let run = ["run", "--rm", "--no-deps", "-T", node.as_str(), "acklog", "log"];
        self.docker
            .compose(&[], LogStorage::Disk, &[&run, words.as_slice(), &[DATA]].concat())
            .await
    }

    fn reach(&self, node: &NodeName) -> Option<Reach> {
        self.running.get(node)?;
        // Without its network, a container's published port leads nowhere.
        match self.cut.contains(node) {
            true => Some(Reach::Inside),
            false => Self::url(node).map(Reach::Url),
        }
    }

    async fn messages_inside(
        &mut self,
        node: &NodeName,
        concern: WriteConcern,
    ) -> anyhow::Result<Shown> {
        let concern = format!("--read-concern={concern}");
        let words = ["exec", node.as_str(), "acklog", "messages", "--json", &concern];
        http::shown(&self.docker.run(&words).await?)
    }

    async fn health_inside(&mut self, node: &NodeName) -> anyhow::Result<NodeHealth> {
        let words = ["exec", node.as_str(), "acklog", "status", "--json"];
        let health = self.docker.run(&words).await?;
        http::read_health(health.as_bytes())
    }

    fn running(&self) -> Vec<NodeName> {
        self.running.iter().cloned().collect()
    }

    async fn last_lines(&mut self, node: &NodeName) -> Vec<String> {
        let mut lines = self.earlier.get(node).cloned().unwrap_or_default();
        if self.docker.is_ours(node.as_str()).await {
            lines.extend(self.docker.logs(node.as_str()).await);
        }
        lines
    }

    fn known(&self) -> Vec<NodeName> {
        SERVICES.iter().filter_map(|(name, _)| name.parse().ok()).collect()
    }

    async fn end(&mut self) {
        self.docker.end().await;
        self.running.clear();
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }
}
