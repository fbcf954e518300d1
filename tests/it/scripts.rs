//! The project's scripts, as far as they run without a build.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn a_wrong_argument_is_refused_before_anything_is_built() {
    // A cargo that only prints that it was called.
    let tools = tempfile::tempdir().unwrap();
    let (cargo, called) = (tools.path().join("cargo"), tools.path().join("called"));
    fs::write(&cargo, format!("#!/bin/sh\ntouch {}\nexit 77\n", called.display())).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
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
