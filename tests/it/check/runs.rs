//! Runs beside the usual one: long logs, restarts, nodes that are down, too little for a verdict.

use std::path::Path;

use super::*;

/// Runs a check with these flags, and returns exit status, report and standard error.
fn run(urls: &[SocketAddr], flags: &str) -> (Option<i32>, Value, String) {
    let flags: Vec<_> = ["check", "--json"].into_iter().chain(flags.split(' ')).collect();
    run_with(urls, &flags)
}

fn run_with(urls: &[SocketAddr], args: &[&str]) -> (Option<i32>, Value, String) {
    let output = acklog(urls, args).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_long_log_is_not_read_from_its_beginning() {
    const OLD: u64 = 200_000;
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let texts = vec!["old"; 20_000];
    let batch = serde_json::json!({"messages": texts, "writeConcern": 1}).to_string();
    for _ in 0..OLD / 20_000 {
        assert_eq!(request(master.http, "POST", "/messages", &batch).status, 201);
    }
    let urls = [master.http, nodes[0].http];
    let (status, report, error) = run(&urls, "--duration 100s --senders 4 --messages 600");
    assert_eq!((status, &report["violations"]), (Some(0), &0.into()), "{report} {error}");
    for node in report["nodes"].as_array().unwrap() {
        assert!(node["end"].as_u64().unwrap() > OLD, "{node}");
        assert!(node["messagesRead"].as_u64().unwrap() < OLD / 4, "{node}");
    }
}

#[test]
fn too_few_answers_say_nothing() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let urls = [master.http, nodes[0].http];
    let (status, report, error) = run(&urls, "--messages 20 --senders 2");
    assert_eq!((status, &report["violations"]), (Some(1), &0.into()), "{report}");
    assert!(error.contains("appends were answered with an id, and it takes 100"), "{error}");
}

#[test]
fn refusals_are_no_answers_to_go_by() {
    let (master, _) = master(&["--quorum", "2"]);
    let (status, report, error) = run(&[master.http], "--duration 300ms --senders 8");
    assert_eq!((status, &report["accepted"]), (Some(1), &0.into()), "{report}");
    assert!(error.contains("no message was accepted: "), "{error}");
}

#[test]
fn a_node_that_is_down_is_left_out_where_that_is_allowed() {
    let (master, comm) = master(&["--cluster-size", "3"]);
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [master.http, down, bonnie.http];
    let (status, _, error) = run(&urls, "--duration 300ms");
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("--allow-down") && error.contains("cannot reach"), "{error}");
    let (status, report, error) =
        run(&urls, "--duration 100s --messages 600 --senders 16 --allow-down --converge 3s");
    assert_eq!(status, Some(0), "{report} {error}");
    assert_eq!(report["nodes"].as_array().unwrap().len(), 2);
    assert!(report["down"][0].as_str().unwrap().contains(&down.to_string()), "{report}");
}

/// A master that a shell starts again whenever it ends.
struct Supervised {
    _shell: Process,
    pid: std::path::PathBuf,
}

impl Supervised {
    fn start(dir: &Path, http: SocketAddr, comm: SocketAddr, flags: &str) -> Self {
        let pid = dir.join("pid");
        let script = format!(
            "while :; do {} --http-port {} --comm-port {} {flags} 2>/dev/null & \
             echo $! >{pid}.new; mv {pid}.new {pid}; wait $!; done",
            env!("CARGO_BIN_EXE_master-node"),
            http.port(),
            comm.port(),
            pid = pid.display(),
        );
        Self { _shell: Process::start("/bin/sh", &["-c", &script]), pid }
    }

    /// Returns the command that kills the master and waits until it is started again.
    fn restart_command(&self) -> String {
        let pid = self.pid.display();
        format!(
            "old=$(cat {pid}); kill -9 $old; while [ $(cat {pid}) = $old ]; do sleep 0.02; done"
        )
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self._shell.signal(Signal::KILL);
        let pid = std::fs::read_to_string(&self.pid).unwrap_or_default();
        if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Checks a cluster whose master is killed and started again in the middle.
fn check_restarted(has_dir: bool) -> (Option<i32>, Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (http, comm) = (free(), free());
    let flags = match has_dir {
        true => format!("--data-dir {}", dir.path().join("master").display()),
        false => String::new(),
    };
    let master = Supervised::start(dir.path(), http, comm, &flags);
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    let command = master.restart_command();
    let args = ["check", "--json", "--messages", "3000", "--senders", "8", "--rate", "1000"];
    let restart = ["--duration", "100s", "--restart-command", &command, "--converge", "20s"];
    run_with(&[http, bonnie.http], &[&args[..], &restart].concat())
}

#[test]
fn what_was_acked_is_there_after_a_restart() {
    let (status, report, error) = check_restarted(true);
    assert_eq!(status, Some(0), "{report} {error}");
    assert!(report["restartSeconds"].as_f64().is_some(), "{report}");
    assert!(report["tried"]["afterRestart"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_master_that_forgets_its_log_when_it_is_restarted_is_found() {
    let (status, report, error) = check_restarted(false);
    assert_eq!(status, Some(1), "{report} {error}");
    let violations = report["firstViolations"].as_array().unwrap();
    // The first kind depends on the first request after the restart.
    let kinds = ["lost", "shrunk", "single"].map(Value::from);
    let is_loss = |found: &Value| kinds.contains(&found["kind"]) && found["node"] == "master";
    assert!(violations.iter().any(is_loss), "{violations:#?}");
}

#[test]
fn a_restart_command_that_fails_is_shown() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let command = ["--restart-command", "echo no such unit; exit 5"];
    let args = [&["check", "--messages", "1500", "--duration", "100s"][..], &command].concat();
    let (status, _, error) = run_with(&[master.http, nodes[0].http], &args);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("ended with status 5; its output: no such unit"), "{error}");
}
