//! Signals end a node cleanly from its first instruction on, and none ends it in silence.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::*;

/// Returns whether a process has a handler for this signal.
fn handles(pid: u32, signal: Signal) -> bool {
    is_in_mask(&pid.to_string(), "SigCgt:", signal)
}

/// Returns whether this process ignores a signal, as under `nohup`. The nodes that it starts then
/// ignore it too.
fn is_turned_off(signal: Signal) -> bool {
    let is_ignored = is_in_mask("self", "SigIgn:", signal);
    if is_ignored {
        println!("not tried, since it is ignored here: signal {}", signal.as_raw());
    }
    is_ignored
}

/// Returns whether one of the masks in a process's status has a signal.
fn is_in_mask(process: &str, name: &str, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}

/// Creates a directory whose opening never ends: its manifest is a pipe without a writer.
fn endless(dir: &Path) -> String {
    let path = dir.join("manifest");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    dir.to_str().unwrap().to_owned()
}

#[test]
fn a_signal_while_the_log_is_opened_ends_a_node_with_status_0() {
    for (program, ports) in [
        (env!("CARGO_BIN_EXE_master-node"), &["--http-port", "0", "--comm-port", "0"][..]),
        (env!("CARGO_BIN_EXE_secondary-node"), &["--http-port", "0"][..]),
    ] {
        for signal in [Signal::TERM, Signal::HUP] {
            if is_turned_off(signal) {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let data_dir = endless(dir.path());
            let args = [ports, &["--data-dir", &data_dir]].concat();
            let mut node = Process::start(program, &args);
            wait_until("the handler", || handles(node.id(), signal));
            node.signal(signal);
            assert_eq!(node.wait(), Some(0));
            node.log.wait_for("opening the log is given up");
        }
    }
}

#[test]
fn a_node_stops_cleanly_on_every_signal_that_ends_its_terminal_or_its_time() {
    for (signal, cause) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::HUP, "SIGHUP"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::XCPU, "SIGXCPU"),
    ] {
        if is_turned_off(signal) {
            continue;
        }
        let (mut master, _) = master(&[]);
        let waiting = begin_append(master.http, "x", "2");
        wait_until("the sender to wait", || health(master.http)["waitingSenders"] == 1);
        master.process.signal(signal);
        assert_eq!(waiting.answer().status, 503);
        assert_eq!(master.process.wait(), Some(0), "{cause}");
        master.process.log.wait_for(&format!("stopping cause={cause}"));
        master.process.log.wait_for("stopped");
    }
}

#[test]
fn other_signals_leave_a_line_and_change_nothing() {
    let (master, _) = master(&[]);
    for (signal, name) in [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::XFSZ, "SIGXFSZ"),
    ] {
        master.process.signal(signal);
        master.process.log.wait_for(&format!("SIGTERM stops this node signal={name}"));
    }
    master.process.signal(Signal::PIPE);
    assert_eq!(append(master.http, "x", "1").0, 0);
}

#[test]
fn a_hang_up_that_was_turned_off_stays_off() {
    let args = ["-c", "trap '' HUP; exec \"$0\" --http-port 0 --comm-port 0"];
    let node = Process::start("sh", &[&args[..], &[env!("CARGO_BIN_EXE_master-node")]].concat());
    node.log.wait_for("serving HTTP");
    assert!(!handles(node.id(), Signal::HUP) && handles(node.id(), Signal::TERM));
}

#[test]
fn process_1_of_a_container_gets_a_signal_while_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = endless(dir.path());
    let mut outer = Command::new("unshare");
    outer.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]);
    outer.arg(env!("CARGO_BIN_EXE_master-node"));
    outer.args(["--http-port", "0", "--comm-port", "0", "--data-dir", &data_dir]);
    outer.stdin(Stdio::null()).stderr(Stdio::null()).env_clear();
    let Ok(mut outer) = outer.spawn() else { return };
    let children = format!("/proc/{0}/task/{0}/children", outer.id());
    let inner = || std::fs::read_to_string(&children).ok()?.trim().parse::<u32>().ok();
    // If the system allows no name spaces, there is no process 1 for the test.
    wait_until("process 1 or its refusal", || {
        has_ended(outer.id()) || inner().is_some_and(|pid| handles(pid, Signal::TERM))
    });
    if let Some(pid) = inner() {
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::TERM).unwrap();
        assert_eq!(outer.wait().unwrap().code(), Some(0));
    } else {
        outer.wait().unwrap();
    }
}

#[test]
fn no_terminal_stops_a_node_that_writes_to_it_from_the_background() {
    let (master, _) = master(&[]);
    let process = master.process.id().to_string();
    // A process that blocks it may write (`stty tostop`).
    assert!(is_in_mask(&process, "SigBlk:", Signal::TTOU));
}

/// Returns whether a child has ended and is only to be waited for.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
