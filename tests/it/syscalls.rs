//! The system calls that bring a log to disk, in their order, as `strace` sees them.
//!
//! A killed process proves nothing about syncs, and a simulated disk knows nothing of the lines
//! that call the system. A missing or late call shows here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::disk::damage;
use crate::support::*;

/// Calls that are traced: those that change a directory or make something durable.
const CALLS: &str =
    "trace=openat,mkdir,mkdirat,rename,renameat,renameat2,ftruncate,pwrite64,fsync,fdatasync";

const FIRST: &str = "00000000000000000000.log";

/// Calls that replace the manifest.
const MANIFEST: [&str; 5] = [
    "make manifest.next",
    "write manifest.next",
    "sync manifest.next",
    "rename manifest",
    "sync data",
];

/// Returns whether programs can be traced here, and prints the reason if they cannot.
fn can_trace() -> bool {
    let reason = match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("skipped: programs cannot be traced here: {reason}");
    false
}

/// Creates a directory, and returns it with its path as `strace` shows it; none if programs cannot
/// be traced.
fn traced_directory() -> Option<(TempDir, PathBuf)> {
    if !can_trace() {
        return None;
    }
    let directory = TempDir::new().unwrap();
    let root = directory.path().canonicalize().unwrap();
    Some((directory, root))
}

/// Returns the calls of each thread below a directory, in order and by the names of the files.
/// Calls that repeat in a row are listed once.
fn calls(trace: &Path, root: &Path) -> Vec<Vec<String>> {
    let mut threads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fs::read_to_string(trace).unwrap().lines() {
        // "1234  fdatasync(9</tmp/x/data/manifest.next>) = 0", or the beginning of it.
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((call, rest)) = call.trim_start().split_once('(') else { continue };
        let quoted: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
        let named = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let opened = rest.split(['<', '>']).nth(1).unwrap_or_default();
        let event = match call {
            _ if !rest.contains(root.to_str().unwrap()) || rest.contains("ENOENT") => continue,
            "openat" if rest.contains("O_EXCL") => format!("make {}", named(quoted[0])),
            "openat" => continue,
            "mkdir" | "mkdirat" => format!("mkdir {}", named(quoted[0])),
            "pwrite64" => format!("write {}", named(opened)),
            "ftruncate" => format!("cut {}", named(opened)),
            "fsync" | "fdatasync" => format!("sync {}", named(opened)),
            _ => format!("rename {}", named(quoted.last().unwrap())),
        };
        let events = threads.entry(thread.to_owned()).or_default();
        if events.last() != Some(&event) {
            events.push(event);
        }
    }
    threads.into_values().collect()
}

fn does(what: &str, file: &str) -> String {
    format!("{what} {file}")
}

fn all(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().iter().map(|part| (*part).to_owned()).collect()
}

/// Starts a program below `strace`, and returns it with its own process id.
fn traced(trace: &Path, program: &str, args: &[&str]) -> Process {
    let mut all = vec!["-f", "-y", "-o", trace.to_str().unwrap(), "-e", CALLS, program];
    all.extend(args);
    Process::start("strace", &all)
}

/// Returns the process that `strace` runs.
fn tracee(strace: &Process) -> Pid {
    let id = strace.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let child = children.split_whitespace().next().unwrap().parse().unwrap();
    Pid::from_raw(child).unwrap()
}

#[test]
fn each_step_is_safe_before_the_next_one() {
    let Some((_directory, root)) = traced_directory() else { return };
    let (trace, data) = (root.join("trace"), root.join("deep/data"));
    let program = env!("CARGO_BIN_EXE_master-node");
    let data_flag = ["--data-dir", data.to_str().unwrap(), "--segment-bytes", "4096"];
    let ports = ["--http-port", "0", "--comm-port", "0"];
    let mut node = traced(&trace, program, &[data_flag, ports].concat());
    let http = http_address(&node);
    let index = FIRST.replace(".log", ".index");
    // Two fill the first segment, the third one begins another.
    (0..3).for_each(|_| drop(append(http, &"x".repeat(3000), "1")));
    // The stop does not wait for it.
    wait_until("the index of the first segment", || {
        let does_it = |events: &Vec<String>| events.contains(&does("sync", &index));
        calls(&trace, &root).iter().any(|events| does_it(events) && events.len() > 3)
    });
    kill_process(tracee(&node), Signal::TERM).unwrap();
    assert_eq!(node.wait(), Some(0));

    let threads = calls(&trace, &root);
    let of = |begin: &str| {
        let found = threads.iter().find(|events| events.first().is_some_and(|e| e == begin));
        found.unwrap_or_else(|| panic!("no thread begins with {begin}: {threads:#?}"))
    };
    // The directories' own names are durable before anything is in them.
    let made = ["mkdir deep", "mkdir data", "sync deep"];
    let top = format!("sync {}", root.file_name().unwrap().to_str().unwrap());
    assert_eq!(*of("mkdir deep"), all(&[&made, &[&top], &MANIFEST]));

    let second = "00000000000000000002.log";
    let (make, write) = (does("make", FIRST), does("write", FIRST));
    let (sync, cut) = (does("sync", FIRST), does("cut", FIRST));
    let [make_2, write_2, sync_2, cut_2] =
        ["make", "write", "sync", "cut"].map(|what| does(what, second));
    let begun: [&str; 4] = [&make, &write, &sync, "sync data"];
    let begun_2: [&str; 4] = [&make_2, &write_2, &sync_2, "sync data"];
    let expected = all(&[
        // A segment is durable, with its name, before the manifest lists it, and that before
        // anything is in it.
        &begun,
        &MANIFEST,
        &[&write, &sync, &write, &sync],
        // It is sealed and durable before the next one begins.
        &[&cut, &sync],
        &begun_2,
        &MANIFEST,
        &[&write_2, &sync_2],
        // The end of a clean stop is durable before the manifest records it.
        &[&cut_2, &sync_2],
        &MANIFEST,
    ]);
    assert_eq!(*of(&make), expected);
    // Its index is durable before anything relies on it.
    let written = ["make", "write", "sync"].map(|what| does(what, &index));
    let written = [&written[0], &written[1], &written[2], "sync data"];
    assert_eq!(*of(&does("make", &index)), all(&[&written]));
    // A file that is only read is opened read-only, so that it is readable also on a read-only file
    // system.
    let trace = fs::read_to_string(&trace).unwrap();
    let opened = |flags: &str| {
        let opens = trace.lines().filter(|line| line.contains("openat(") && line.contains(FIRST));
        opens.filter(|line| line.contains(flags)).count()
    };
    assert_eq!((opened("O_RDWR|O_CREAT"), opened("O_RDWR|O_CLOEXEC")), (1, 0));
    assert!(opened("O_RDONLY") > 0);
}

#[test]
fn a_repair_that_is_killed_at_any_step_leaves_each_segment_under_its_name() {
    let Some((directory, _)) = traced_directory() else { return };
    let whole = directory.path().join("whole");
    let acklog = env!("CARGO_BIN_EXE_acklog");
    let (mut node, _) = master(&["--data-dir", whole.to_str().unwrap(), "--segment-bytes", "4096"]);
    for n in 0..4 {
        append(node.http, &format!("Msg{n} {}", "x".repeat(1500)), "1");
    }
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait(), Some(0));
    let mut killed = 0;
    for call in ["linkat", "renameat", "fsync", "fdatasync"] {
        for when in 1.. {
            let data = directory.path().join(format!("{call}-{when}"));
            fs::create_dir(&data).unwrap();
            for file in fs::read_dir(&whole).unwrap().map(Result::unwrap) {
                fs::copy(file.path(), data.join(file.file_name())).unwrap();
            }
            damage(&data, "Msg0 x");
            let run = |program: &str, args: &[&str], action: &str| {
                let mut command = Command::new(program);
                command.args(args).args(["log", action]).arg(&data);
                if action == "repair" {
                    command.arg("--from").arg(&whole);
                }
                command.env_clear().output().unwrap().status.success()
            };
            let inject = format!("inject={call}:signal=KILL:when={when}");
            let is_done =
                run("strace", &["-f", "-o", "/dev/null", "-e", &inject, acklog], "repair");
            assert!(data.join(FIRST).exists(), "killed at {call} number {when}");
            assert!(is_done || run(acklog, &[], "repair"), "after {call} number {when}");
            assert!(run(acklog, &[], "verify"), "after {call} number {when}");
            if is_done {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 5, "{killed} steps");
}

#[test]
fn a_reset_moves_the_manifest_last_and_makes_both_folders_safe() {
    let Some((_directory, root)) = traced_directory() else { return };
    let (trace, data) = (root.join("trace"), root.join("data"));
    let (_master, comm) = master(&[]);
    let mut bonnie = secondary("bonnie", comm, &["--data-dir", data.to_str().unwrap()]);
    append(_master.http, "Msg1", "2");
    bonnie.process.signal(Signal::TERM);
    assert_eq!(bonnie.process.wait(), Some(0));
    let acklog = env!("CARGO_BIN_EXE_acklog");
    let mut reset = traced(&trace, acklog, &["log", "reset", data.to_str().unwrap()]);
    assert_eq!(reset.wait(), Some(0));
    let threads = calls(&trace, &root);
    let events = threads.iter().find(|events| events.len() > 2).unwrap();
    let into = events[0].strip_prefix("mkdir ").unwrap();
    let moved = [format!("rename {FIRST}"), "rename manifest".to_owned()];
    let synced = [format!("sync {into}"), "sync data".to_owned()];
    assert_eq!(events[1..], [moved, synced].concat());
}
