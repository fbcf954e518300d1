//! The project's scripts, as far as they run without a build.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::wait_until;

/// A `docker` whose engine answers while the file `engine` is there. `ps`, which comes once the
/// containers run, goes on until it is ended.
const DOCKER: &str = r#"#!/bin/sh
cd "$STUBS"
case "$*" in
  info) test -e engine ;;
  compose*up*) touch containers ;;
  compose*down*) sleep 0.2 && test -e engine && rm -f containers ;;
  inspect*) printf 'healthy\nhealthy\nhealthy\n' ;;
  ps) touch running && exec sleep 1000 ;;
  *) echo 1 ;;
esac
"#;

/// A `dockerd` that ends as soon as it is told to.
const DOCKERD: &str = r#"#!/bin/bash
cd "$STUBS"
trap 'rm -f engine; exit' TERM
touch engine
while :; do sleep 0.1 & wait; done
"#;

/// An `acklog` that plays a demo for 10 s. Told to end, it needs a moment to take its nodes down.
/// In steps it takes two lines of its input.
const ACKLOG: &str = r#"#!/bin/bash
case "$*" in
  *--step*) read -r one && read -r other && echo "$one, $other" && exit ;;
esac
trap 'sleep 0.2; touch "$STUBS/down"; exit 1' TERM
touch "$STUBS/up"
for _ in $(seq 100); do sleep 0.1 & wait $!; done
"#;

/// Writes a program into a folder.
fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the search path with this folder first.
fn path_with(tools: &Path) -> String {
    format!("{}:{}", tools.display(), std::env::var("PATH").unwrap())
}

#[test]
fn containers_are_taken_down_before_their_engine_when_the_gate_ends_their_tests() {
    let folder = tempfile::tempdir().unwrap();
    let (stubs, project) = (folder.path().join("stubs"), folder.path().join("project"));
    for (name, text) in [("docker", DOCKER), ("dockerd", DOCKERD), ("id", "#!/bin/sh\necho 0\n")] {
        write_program(&stubs.join(name), text);
    }
    write_program(&project.join("scripts/static-binaries"), "#!/bin/sh\n");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/docker");
    write_program(&project.join(".ci/docker"), &fs::read_to_string(script).unwrap());
    let mut command = Command::new("bash");
    command.arg(project.join(".ci/docker")).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.env("PATH", path_with(&stubs)).env("STUBS", &stubs).spawn().unwrap();
    let is_there = |name: &str| stubs.join(name).exists();
    wait_until("containers to run", || is_there("running"));
    assert!(is_there("engine") && is_there("containers"));
    kill_process_group(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(143));
    assert!(!is_there("containers"), "they are left behind");
    assert!(!is_there("engine"), "it goes on");
}

/// Returns a run of a demo with these options and a program that only looks like one.
fn demo(stubs: &Path, options: &[&str]) -> Command {
    write_program(&stubs.join("acklog"), ACKLOG);
    // A test that runs in the background may ignore a Ctrl-C.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo"));
    command.args(options).arg("crash").env("ACKLOG_BIN", stubs).env("STUBS", stubs);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn a_demo_that_is_told_to_end_takes_its_nodes_down_at_once() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let stubs = tempfile::tempdir().unwrap();
        let mut run = demo(stubs.path(), &[]).spawn().unwrap();
        wait_until("the demo to run", || stubs.path().join("up").exists());
        // The script alone, as by its number.
        kill_process(Pid::from_child(&run), signal).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(status));
        assert!(stubs.path().join("down").exists(), "the nodes are not taken down");
    }
}

#[test]
fn a_demo_in_steps_has_the_input_of_the_script() {
    let stubs = tempfile::tempdir().unwrap();
    let mut run = demo(stubs.path(), &["--step"]).spawn().unwrap();
    run.stdin.take().unwrap().write_all(b"one\nother\n").unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("one, other\n"), "{said}");
}

#[test]
fn a_wrong_argument_is_refused_before_anything_is_built() {
    // A cargo that only prints that it was called.
    let tools = tempfile::tempdir().unwrap();
    let called = tools.path().join("called");
    let cargo = format!("#!/bin/sh\ntouch {}\nexit 77\n", called.display());
    write_program(&tools.path().join("cargo"), &cargo);
    let path = path_with(tools.path());
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut tried = Vec::new();
    for name in [
        "self-check",
        "demo",
        "bench",
        "bench-catch-up",
        "bench-disk",
        "bench-streams",
        "bench-follow",
        "bench-reads",
        "bad-networks",
        "power-cut",
        "crash-run",
        "static-binaries",
        "test-clients",
        "test-page",
        "bench-page",
    ] {
        tried.push(scripts.join(name));
    }
    for script in tried {
        let mut command = Command::new(&script);
        command.env("PATH", &path).env_remove("ACKLOG_BIN").arg("--bogus");
        let output = command.output().unwrap();
        let (script, said) = (script.display(), String::from_utf8_lossy(&output.stderr));
        assert!(!called.exists(), "{script} builds: {said}");
        assert_eq!(output.status.code(), Some(2), "{script}: {said}");
        assert!(!said.is_empty(), "{script} says nothing");
    }
}
