//! Runs `docker` and `docker compose` (or `docker-compose`) with a project of their own.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::nodes::{LogStorage, ProgramOutput};

/// Settings that `docker-compose.yml` offers to users: empty, so that the scenario decides alone.
const EMPTY_SETTINGS: [&str; 7] = [
    "ACKLOG_SEND_DELAY",
    "ACKLOG_REQUEST_TIMEOUT",
    "ACKLOG_STORE_DELAY",
    "ACKLOG_QUORUM",
    "ACKLOG_CLUSTER_SIZE",
    "ACKLOG_FSYNC",
    "ACKLOG_ALLOWED_HOSTS",
];

/// User and group of the image, which own the files of a log.
const OWNER: &str = ":65532";

/// Docker and the compose file of the nodes.
pub(super) struct Docker {
    compose: Vec<&'static str>,
    file: PathBuf,
    /// Another name each time, so that no scenario ends the containers of another.
    project: String,
}

impl Docker {
    /// Finds the programs and checks that an engine answers.
    ///
    /// # Errors
    /// When one is missing, with advice.
    pub(super) async fn find(file: PathBuf) -> anyhow::Result<Self> {
        let has = async |words: &[&str]| {
            run(words, None).await.is_ok_and(|output| output.status.success())
        };
        ensure!(has(&["docker", "--version"]).await, "docker is missing; --compose needs it");
        ensure!(
            has(&["docker", "info"]).await,
            "no docker engine answers; start it (as root: systemctl start docker, or dockerd)"
        );
        let compose = if has(&["docker", "compose", "version"]).await {
            vec!["docker", "compose"]
        } else if has(&["docker-compose", "--version"]).await {
            vec!["docker-compose"]
        } else {
            bail!("docker compose is missing; --compose needs it, or docker-compose")
        };
        let project = format!("acklog-scenario-{}", std::process::id());
        Ok(Self { compose, file, project })
    }

    /// Runs compose with further files. Its error output follows its output.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) async fn compose(
        &self,
        files: &[PathBuf],
        storage: LogStorage,
        words: &[&str],
    ) -> anyhow::Result<ProgramOutput> {
        let mut all = self.compose.clone();
        all.extend(["-p", &self.project]);
        let files: Vec<_> = [&self.file].into_iter().chain(files).collect();
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        files.iter().for_each(|file| all.extend(["-f", file]));
        all.extend(words);
        let data = if storage == LogStorage::Disk { "/data" } else { "" };
        let settings =
            [("ACKLOG_DATA_DIR", data), ("ACKLOG_ALLOW_FAULTS", "true"), ("ACKLOG_LOG", "debug")];
        let emptied = EMPTY_SETTINGS.iter().map(|name| (*name, ""));
        let mut command = command(&all)?;
        command.envs(emptied.chain(settings));
        let output = command.output().await?;
        let text = [output.stdout, output.stderr].concat();
        let (status, text) = (output.status.code(), String::from_utf8_lossy(&text).into_owned());
        Ok(ProgramOutput { status, output: text })
    }

    /// Runs docker and returns its output.
    ///
    /// # Errors
    /// When it fails, with its error output.
    pub(super) async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        succeeded(run(&[&["docker"], words].concat(), None).await?, words)
    }

    /// Copies a file into a container, as the image's user.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(super) async fn put(&self, file: &Path, to: &str) -> anyhow::Result<()> {
        let folder = file.parent().context("a file without a folder")?.display().to_string();
        let name = file.file_name().context("a file without a name")?.to_string_lossy();
        let (owner, group) = (format!("--owner={OWNER}"), format!("--group={OWNER}"));
        let tar = run(&["tar", "-C", &folder, "-c", &owner, &group, &name], None).await?;
        ensure!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let words = ["cp", "-", to];
        let copied = run(&[&["docker"], words.as_slice()].concat(), Some(&tar.stdout)).await?;
        succeeded(copied, &words).map(drop)
    }

    /// Returns the compose project of a container, empty if it has none; `None` if there is no such
    /// container.
    pub(super) async fn project_of(&self, container: &str) -> Option<String> {
        let format = r#"{{index .Config.Labels "com.docker.compose.project"}}"#;
        let words = ["inspect", "--type", "container", "--format", format, container];
        self.run(&words).await.ok().map(|project| project.trim().to_owned())
    }

    pub(super) async fn is_ours(&self, container: &str) -> bool {
        self.project_of(container).await.as_ref() == Some(&self.project)
    }

    pub(super) async fn is_running(&self, container: &str) -> bool {
        let state = self.run(&["inspect", "--format", "{{.State.Running}}", container]).await;
        state.is_ok_and(|state| state.trim() == "true")
    }

    /// Returns the log lines of a container.
    pub(super) async fn logs(&self, container: &str) -> Vec<String> {
        let Ok(output) = run(&["docker", "logs", container], None).await else { return Vec::new() };
        String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
    }

    /// Removes a volume of the project, if it exists.
    ///
    /// # Errors
    /// When docker cannot be run.
    pub(super) async fn remove_volume(&self, name: &str) -> anyhow::Result<()> {
        let volume = format!("{}_{name}", self.project);
        self.run(&["volume", "rm", "--force", &volume]).await.map(drop)
    }

    /// Removes all containers, volumes and networks of the project.
    pub(super) async fn end(&self) {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let found = self.run(&["ps", "-aq", "--filter", &filter]).await.unwrap_or_default();
        let containers: Vec<_> = found.lines().collect();
        if !containers.is_empty() {
            // `down` reports what cannot be removed now.
            let _ = self.run(&[&["rm", "-f"], containers.as_slice()].concat()).await;
        }
        match self.compose(&[], LogStorage::Disk, &["down", "-v"]).await {
            Ok(ran) if ran.status == Some(0) => {}
            Ok(ran) => eprintln!("acklog scenario: {}", ran.output.trim_end()),
            Err(error) => eprintln!("acklog scenario: {error:#}"),
        }
    }
}

/// Parses the exit status that `docker wait` prints.
pub(super) fn parse_exit_status(printed: &str) -> Option<i32> {
    printed.trim().parse().ok()
}

fn succeeded(output: Output, words: &[&str]) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {}", words.join(" "), said.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Creates a command that a Ctrl-C does not reach: this program ends it, or lets it end.
fn command(words: &[&str]) -> anyhow::Result<Command> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

async fn run(words: &[&str], input: Option<&[u8]>) -> anyhow::Result<Output> {
    let mut command = command(words)?;
    let Some(input) = input else { return Ok(command.output().await?) };
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).await?;
    }
    Ok(child.wait_with_output().await?)
}
