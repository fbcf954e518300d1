//! Runs of `acklog scenario run`.

use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Creates a run in the project's folder, with nothing to read; its temporary files are in another
/// folder.
pub fn scenario_run(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    command.args(["scenario", "run"]).args(args).env_clear().env("TMPDIR", folder.path());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}
