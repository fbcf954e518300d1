//! Runs the command that restarts nodes in the middle of a run, and demands what must hold after
//! it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use acklog_types::escaped;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::check_run::CheckRun;
use super::load::LoadClient;
use super::nodes::end_of;

/// Longest time of the command. Shorter: an orderly restart of a few nodes is cut short. Longer: a
/// command that hangs holds up the check.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// Shortest time of sending after a restart: a restart without load after it proves little.
const LOAD_AFTER: Duration = Duration::from_secs(1);

/// Pause between two looks at the condition waited for.
const PAUSE: Duration = Duration::from_millis(5);

/// Most bytes of the command's output that are shown: the last ones.
const SHOWN_BYTES: u64 = 2048;

/// Waits for the middle of the load, runs the command, and then demands what was answered before:
/// the master's log is no shorter, and keys stand for the same messages. The load lasts longer by
/// the time that this takes. Returns the time that the command took.
///
/// # Errors
/// When the command fails or takes too long, or when the master is not back `patience` after it.
pub(super) async fn restart(
    run: &Arc<CheckRun>,
    command: &str,
    patience: Duration,
) -> anyhow::Result<Duration> {
    while !run.is_half_over() {
        sleep(PAUSE).await;
    }
    let left = run.hold();
    let (begin, floor) = (Instant::now(), run.lock().history.floor());
    run_command(command, COMMAND_MAX).await?;
    let took = begin.elapsed();
    let deadline = Instant::now() + patience;
    let end = loop {
        match end_of(run, 0).await {
            Ok(end) => break end,
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!(
                    "the master was not back {patience:?} after --restart-command (--converge \
                     gives it longer)"
                )));
            }
            Err(_) => sleep(PAUSE).await,
        }
    };
    run.lock().history.restarted(end, floor);
    send_keys_again(run).await;
    run.resume(left.max(LOAD_AFTER));
    Ok(took)
}

/// Sends messages again, under their keys, that had their ids before the restart.
async fn send_keys_again(run: &Arc<CheckRun>) {
    let keyed = run.lock().take_keys();
    let mut sender = LoadClient::new(Arc::clone(run), usize::MAX, 0);
    for keyed in keyed {
        sender.send_again(keyed).await;
        run.lock().tried.after_restart += 1;
    }
}

/// Runs a command with `sh -c`, in a process group of its own, so that Ctrl-C does not end what it
/// starts.
///
/// # Errors
/// When it cannot be started, ends with a status other than 0, or does not end in time; the error
/// has the end of its output.
async fn run_command(command: &str, limit: Duration) -> anyhow::Result<()> {
    let mut output = unnamed_file()?;
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        // A file instead of a pipe: processes that the command leaves running may hold it as long
        // as they like.
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .process_group(0)
        .spawn()
        .context("--restart-command: sh cannot be started")?;
    let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let ended = timeout(limit, child.wait()).await;
    if ended.is_err()
        && let Some(id) = id
    {
        let _ = kill_process_group(id, Signal::KILL);
        let _ = child.wait().await;
    }
    let wrong = match ended {
        Ok(status) => match status? {
            status if status.success() => return Ok(()),
            status => ended_with(status),
        },
        Err(_) => format!("did not end within {limit:?}"),
    };
    bail!("--restart-command {wrong}; its output: {}", last_lines(&mut output)?)
}

fn ended_with(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("ended with status {code}"))
}

/// Creates a file without a name, which is deleted when the last holder closes it.
fn unnamed_file() -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("acklog-check-{:016x}", rand::random::<u64>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot make the file {}", path.display()))?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Returns the end of a command's output, in one line.
fn last_lines(output: &mut File) -> anyhow::Result<String> {
    let begin = output.metadata()?.len().saturating_sub(SHOWN_BYTES);
    output.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    output.take(SHOWN_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(escaped).collect();
    Ok(if lines.is_empty() { "none".to_owned() } else { lines.join(" / ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_command_that_fails_is_told_with_its_status_and_output() {
        run_command("true", LIMIT).await.unwrap();
        let error =
            run_command("echo one; echo two >&2; exit 3", LIMIT).await.unwrap_err().to_string();
        assert_eq!(error, "--restart-command ended with status 3; its output: one / two");
        let error = run_command("exit 1", LIMIT).await.unwrap_err().to_string();
        assert!(error.ends_with("status 1; its output: none"), "{error}");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_all_that_it_started() {
        let begin = Instant::now();
        let error = run_command("echo begun; sleep 1000 | cat", Duration::from_millis(50)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("did not end within 50ms; its output: begun"), "{error}");
        assert!(begin.elapsed() < LIMIT);
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_is_not_waited_for() {
        let begin = Instant::now();
        run_command("(exec sleep 30) &", LIMIT).await.unwrap();
        assert!(begin.elapsed() < LIMIT);
    }
}
