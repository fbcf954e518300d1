//! The three programs as a shell sees them: exit status, standard output, standard error.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::process::{Command, Output};

const MASTER: &str = env!("CARGO_BIN_EXE_master-node");
const SECONDARY: &str = env!("CARGO_BIN_EXE_secondary-node");
const ACKLOG: &str = env!("CARGO_BIN_EXE_acklog");

fn run(program: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    // Variables of the environment that runs the tests must not count.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ACKLOG_") {
            command.env_remove(name);
        }
    }
    command.args(args).envs(env.iter().copied()).output().unwrap()
}

/// Runs a program that must refuse its command line, and returns its one line.
fn refusal(program: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let output = run(program, args, env);
    assert_eq!(output.status.code(), Some(2), "{args:?} {env:?} {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line:?}");
    line
}

fn shown(program: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let output = run(program, args, env);
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?} {env:?} {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (program, name) in
        [(MASTER, "master-node"), (SECONDARY, "secondary-node"), (ACKLOG, "acklog")]
    {
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(shown(program, &["--version"], &[]), version);
        assert!(shown(program, &["--help"], &[]).contains("--version"));
    }
    for subcommand in ["up", "post", "messages", "status", "watch", "check", "bench", "faults"] {
        let help = shown(ACKLOG, &[subcommand, "--help"], &[]);
        assert!(help.contains("[default: "), "{help}");
    }
    let help = shown(ACKLOG, &["--help"], &[]);
    assert!(!help.contains("master-node"), "hidden subcommands are shown: {help}");
}

#[test]
fn a_bad_command_line_is_one_line_and_status_2() {
    let cases: [(&str, &[&str]); 48] = [
        (MASTER, &["--http-port", "x"]),
        (MASTER, &["--nonsense"]),
        (MASTER, &["--store-delay", "1s"]),
        (MASTER, &["stray"]),
        (MASTER, &["--log"]),
        (MASTER, &["--fsync", "sometimes"]),
        (MASTER, &["--data-dir"]),
        (SECONDARY, &["--idempotency-window", "1"]),
        (MASTER, &["--cluster-size=2", "--default-write-concern=3"]),
        (SECONDARY, &["--comm-port", "1"]),
        (ACKLOG, &[]),
        (ACKLOG, &["uo"]),
        (ACKLOG, &["post"]),
        (ACKLOG, &["post", "text", "--write-concern", "most"]),
        (ACKLOG, &["status", "--url", "https://127.0.0.1:8000"]),
        (ACKLOG, &["watch", "--url", "https://127.0.0.1:8000"]),
        (ACKLOG, &["post", "text", "--timeout", "5"]),
        (ACKLOG, &["post", "text", "more", "--key", "k"]),
        (ACKLOG, &["check", "--duration", "10"]),
        (ACKLOG, &["check", "--converge", "10"]),
        (ACKLOG, &["check", "--disconnect-every", "1"]),
        (ACKLOG, &["bench", "--duration", "10"]),
        (ACKLOG, &["bench", "--warm-up", "0"]),
        (ACKLOG, &["bench", "--timeout", "1"]),
        (ACKLOG, &["faults", "set", "--send-delay", "0..50ms"]),
        (ACKLOG, &["faults", "set", "--store-delay", "5"]),
        (ACKLOG, &["forget"]),
        (ACKLOG, &["check", "--senders", "0"]),
        (ACKLOG, &["check", "--duration", "0s"]),
        (ACKLOG, &["check", "--url", "http://a", "--url", "http://a/"]),
        (ACKLOG, &["bench", "--clients", "0"]),
        (ACKLOG, &["bench", "--rate", "0"]),
        (ACKLOG, &["bench", "--size", "0"]),
        (ACKLOG, &["bench", "--batch", "many"]),
        (ACKLOG, &["bench", "--size", "1048576", "--batch", "9"]),
        (ACKLOG, &["bench", "--duration", "0s"]),
        (ACKLOG, &["bench", "--threads", "1000"]),
        (ACKLOG, &["bench", "--stream", "--rate", "5"]),
        (ACKLOG, &["bench", "--stream", "--window", "16385"]),
        (ACKLOG, &["bench", "stray"]),
        (ACKLOG, &["faults", "set"]),
        (ACKLOG, &["faults", "set", "--drop-rate", "2"]),
        (ACKLOG, &["log", "verify"]),
        (ACKLOG, &["log", "dump", "data", "--from", "first"]),
        (ACKLOG, &["up", "--", "--data-dir", "data"]),
        (ACKLOG, &["up", "--", "--nonsense"]),
        (ACKLOG, &["up", "--", "--http-port", "1"]),
        (ACKLOG, &["up", "--", "--log-format", "xml"]),
    ];
    for (program, args) in cases {
        refusal(program, args, &[]);
    }
}

#[test]
fn watch_needs_a_terminal_and_says_what_does_not() {
    let line = refusal(ACKLOG, &["watch"], &[]);
    assert!(line.starts_with("acklog: watch draws on a terminal"), "{line}");
    assert!(line.contains("`acklog status`") && line.contains("messages --follow"), "{line}");
}

#[test]
fn a_missing_subcommand_is_answered_with_those_that_there_are() {
    let line = refusal(ACKLOG, &[], &[]);
    assert!(line.contains("up, post, messages") && !line.contains("node"), "{line}");
    let line = refusal(ACKLOG, &["log"], &[]);
    assert!(
        line.ends_with(
            "a subcommand is missing: verify, dump, accept-loss, reset, backup, repair\n"
        ),
        "{line}"
    );
}

#[test]
fn a_variable_counts_where_no_flag_is_given() {
    let bad = [("ACKLOG_HTTP_PORT", "eighty")];
    let line = refusal(MASTER, &[], &bad);
    assert!(line.contains("'eighty' for ACKLOG_HTTP_PORT in the environment"), "{line}");
    // A flag that is given is not replaced by its variable.
    let line = refusal(MASTER, &["--http-port=x"], &[("ACKLOG_HTTP_PORT", "1")]);
    assert!(line.contains("'x' for '--http-port"), "{line}");
    let env = [("ACKLOG_CLUSTER_SIZE", "2")];
    let line = refusal(MASTER, &["--default-write-concern=3"], &env);
    let expected = "--default-write-concern 3 is more than ACKLOG_CLUSTER_SIZE 2";
    assert!(line.contains(expected), "{line}");
    // The flag wins, so that only the version is left to show.
    for name in ["HTTP_PORT", "NAME", "LOG", "MAX_WAITING"] {
        let name = format!("ACKLOG_{name}");
        let flag = name.replace("ACKLOG_", "--").to_lowercase().replace('_', "-");
        let env = [(name.as_str(), "?!")];
        let good = if flag == "--log" { "info" } else { "1" };
        let line = refusal(MASTER, &[], &env);
        assert!(line.contains(&name), "{line}");
        let line = refusal(MASTER, &[&flag, good, "--cluster-size", "0"], &env);
        assert!(line.contains("--cluster-size"), "{line}");
    }
}

#[test]
fn a_variable_that_says_false_is_as_if_it_were_not_given() {
    let nobody = [("ACKLOG_URL", "http://127.0.0.1:1")];
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // A port that is in use ends a program that begins to run.
    for program in [MASTER, SECONDARY] {
        let output = run(program, &["--http-port", &port], &[("ACKLOG_REQUIRE_LOG", "false")]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = refusal(program, &[], &[("ACKLOG_REQUIRE_LOG", "true")]);
        assert!(line.contains("ACKLOG_REQUIRE_LOG is about the log of a --data-dir"), "{line}");
    }
    let up = ["up", "--secondaries", "0", "--http-port", "0", "--comm-port", &port];
    let output = run(ACKLOG, &up, &[("ACKLOG_REQUIRE_LOG", "false")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for (name, flags) in [
        ("ACKLOG_BASIC", &["check", "--keep-faults"][..]),
        ("ACKLOG_KEEP_FAULTS", &["check", "--basic"]),
    ] {
        let output = run(ACKLOG, flags, &[nobody[0], (name, "false")]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = refusal(ACKLOG, flags, &[nobody[0], (name, "true")]);
        assert!(line.contains(name) && line.contains("no node is asked"), "{line}");
    }
}

#[test]
fn a_node_that_cannot_start_says_so_in_the_form_of_its_log() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let starts: [(&str, &[&str], &str, &str); 2] = [
        (MASTER, &["--http-port", &port], "master", "cannot listen on 127.0.0.1:"),
        (SECONDARY, &["--data-dir", "/dev/null/log"], "secondary", "/dev/null/log"),
    ];
    for (program, flags, node, reason) in starts {
        for log in ["info", "off"] {
            let args = [flags, &["--log-format", "json", "--log", log]].concat();
            let output = run(program, &args, &[]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let lines = String::from_utf8(output.stderr).unwrap();
            let lines = lines.lines().map(serde_json::from_str::<serde_json::Value>);
            let lines: Vec<_> = lines.map(Result::unwrap).collect();
            let last = lines.last().unwrap();
            assert_eq!((&last["level"], &last["node"]), (&"ERROR".into(), &node.into()));
            assert!(last["message"].as_str().unwrap().contains(reason), "{last}");
            // The same members as in the others.
            let members = |line: &serde_json::Value| -> Vec<String> {
                line.as_object().unwrap().keys().cloned().collect()
            };
            assert!(lines.iter().all(|line| members(line) == members(last)), "{lines:?}");
        }
        let output = run(program, &[flags, &["--log", "off"]].concat(), &[]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with(&format!("{node}-node: ")), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn a_variable_of_two_flags_is_read_as_each_of_them_is() {
    let batch = |value| [("ACKLOG_BATCH", value), ("ACKLOG_URL", "http://127.0.0.1:1")];
    // With a key, so that two messages must be one batch.
    let post = ["post", "a", "b", "--key", "k"];
    assert_eq!(run(ACKLOG, &post, &batch("true")).status.code(), Some(1));
    let line = refusal(ACKLOG, &post, &batch("false"));
    assert!(line.contains("--key names one message"), "{line}");
    let line = refusal(ACKLOG, &post, &batch("5"));
    let expected = "'5' for ACKLOG_BATCH in the environment: it must be true or false";
    assert!(line.contains(expected) && line.contains("`acklog bench`"), "{line}");
    let bench = ["bench", "--duration", "1s"];
    assert_eq!(run(ACKLOG, &bench, &batch("5")).status.code(), Some(1));
    let line = refusal(ACKLOG, &bench, &batch("true"));
    let expected = "'true' for ACKLOG_BATCH in the environment: it must be a whole number";
    assert!(line.contains(expected) && line.contains("`acklog post`"), "{line}");
}

#[test]
fn a_variable_that_no_program_knows_is_named() {
    let env = [("ACKLOG_QUORM", "2"), ("ACKLOG_URL", "http://127.0.0.1:1")];
    let output = run(ACKLOG, &["status"], &env);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("acklog: ACKLOG_QUORM: no program of acklog knows"), "{errors}");
    // A node that cannot start still prints it.
    let env = [("ACKLOG_QUORM", "2"), ("ACKLOG_DATA_DIR", "/dev/null/log")];
    let output = run(MASTER, &[], &env);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("WARN") && errors.contains("variable=ACKLOG_QUORM"), "{errors}");
}

#[test]
fn an_argument_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let bad = std::ffi::OsStr::from_bytes(b"a\xff");
    for program in [MASTER, ACKLOG] {
        let mut command = Command::new(program);
        if program == ACKLOG {
            command.args(["post", "fine"]);
        } else {
            command.args(["--fsync", "never", "--name"]);
        }
        let output = command.arg(bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.contains("is no UTF-8: \"a\u{fffd}\""), "{line}");
        assert!(
            line.contains(if program == ACKLOG { "argument 3" } else { "argument 4" }),
            "{line}"
        );
    }
}

#[test]
fn an_empty_variable_counts_as_not_given() {
    let env = [
        ("ACKLOG_HTTP_PORT", ""),
        ("ACKLOG_NAME", ""),
        ("ACKLOG_SEND_DELAY", ""),
        ("ACKLOG_DATA_DIR", ""),
        ("ACKLOG_FSYNC", ""),
        ("ACKLOG_CLUSTER_SIZE", ""),
        ("ACKLOG_DEFAULT_WRITE_CONCERN", ""),
        ("ACKLOG_LOG", ""),
    ];
    // Without all of them the one bad flag is reported.
    let line = refusal(MASTER, &["--max-waiting", "0"], &env);
    assert!(line.contains("--max-waiting"), "{line}");
    let env = [("ACKLOG_JSON", ""), ("ACKLOG_URL", ""), ("ACKLOG_TIMEOUT", "")];
    let line = refusal(ACKLOG, &["post", "x", "--write-concern", "most"], &env);
    assert!(line.contains("--write-concern"), "{line}");
}

#[test]
fn a_node_that_is_not_there_is_status_1_and_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let commands: [&[&str]; 8] = [
        &["status"],
        &["messages"],
        &["post", "x"],
        &["check"],
        &["bench"],
        &["faults"],
        &["faults", "set", "--paused"],
        &["forget", "bonnie"],
    ];
    for args in commands {
        let output = run(ACKLOG, args, &[("ACKLOG_URL", &url)]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with(&format!("acklog: cannot reach {url}: ")), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
    }
}

#[test]
fn up_says_which_port_is_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let args = ["up", "--secondaries", "0", "--http-port", "0", "--comm-port", &port];
    let output = run(ACKLOG, &args, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains(&format!("cannot listen on 127.0.0.1:{port}: ")), "{line}");
}
