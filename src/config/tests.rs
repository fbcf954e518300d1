//! Flags become configurations, bad ones one line.

use std::time::Duration;

use acklog_types::{Fsync, NodeName, Quorum, WriteConcern};
use clap::CommandFactory;

use super::*;
use crate::telemetry::LogFormat;

fn master(flags: &[&str]) -> Result<MasterConfig, Stop> {
    parse_node::<MasterConfig>([&["master-node"], flags].concat())
}

fn secondary(flags: &[&str]) -> Result<SecondaryConfig, Stop> {
    parse_node::<SecondaryConfig>([&["secondary-node"], flags].concat())
}

fn refusal(flags: &[&str]) -> String {
    match master(flags) {
        Err(Stop::BadUsage(line)) => line,
        other => panic!("{flags:?} gave {other:?}"),
    }
}

#[test]
fn without_flags_the_defaults_hold() {
    let config = master(&[]).unwrap();
    assert_eq!(config.name.as_str(), "master");
    assert_eq!((config.common.bind.to_string().as_str(), config.http_port), ("127.0.0.1", 8000));
    assert_eq!(
        (config.comm_port, config.common.http_workers, config.common.comm_workers),
        (6000, 3, 1)
    );
    assert_eq!(config.common.request_timeout, Duration::from_millis(1500));
    assert_eq!(config.heartbeat_interval, Duration::from_secs(1));
    assert_eq!((config.common.send_delay, config.cluster_size), (None, None));
    assert_eq!((config.least_healthy(), config.common.allow_faults), (None, false));
    assert_eq!(config.default_write_concern, WriteConcern::Majority);
    assert_eq!((config.max_message_bytes, config.max_waiting), (1 << 20, 65_536));
    assert_eq!((config.common.log.as_str(), config.common.log_format), ("info", LogFormat::Text));
    assert_eq!((&config.common.data_dir, config.common.fsync), (&None, Fsync::Always));
    assert_eq!(config.idempotency_window, 1_000_000);
    assert!(config.common.allowed_hosts().is_empty());

    let config = secondary(&[]).unwrap();
    assert_eq!(config.name.as_str(), "secondary");
    assert_eq!((config.http_port, config.master_comm_port), (8001, 6000));
    assert_eq!(config.master_ip, "127.0.0.1");
    assert_eq!(config.reconnect_delay, Duration::from_secs(3));
    assert_eq!(config.store_delay, None);
    assert_eq!((config.common.data_dir, config.common.fsync), (None, Fsync::Always));
}

#[test]
fn the_last_of_a_flag_given_twice_counts() {
    let config = master(&["--http-port", "1", "--http-port=2", "--log", "off", "--log", "warn"]);
    let config = config.unwrap();
    assert_eq!((config.http_port, config.common.log.as_str()), (2, "warn"));
}

#[test]
fn allowed_hosts_are_names_separated_by_commas() {
    let hosts = |flags: &[&str]| secondary(flags).unwrap().common.allowed_hosts();
    assert_eq!(hosts(&["--allowed-hosts", "a, log.example.org"]), ["a", "log.example.org"]);
    assert_eq!(hosts(&["--allowed-hosts", "a,b", "--allowed-hosts=c"]), ["c"]);
    for bad in ["a:8000", "http://a", "a,,b", "a b", "*.example.org"] {
        let line = refusal(&["--allowed-hosts", bad]);
        assert!(line.contains("--allowed-hosts") && line.contains("without ports"), "{line}");
    }
}

#[test]
fn values_are_read_as_people_write_them() {
    let config = master(&[
        "--bind=::1",
        "--max-message-bytes=64KiB",
        "--cluster-size=3",
        "--default-write-concern=3",
        "--send-delay=1s..2s",
        "--log-format=json",
        "--log=info,acklog::net=debug",
    ])
    .unwrap();
    assert_eq!(config.max_message_bytes, 65_536);
    assert_eq!(config.default_write_concern, WriteConcern::Nodes(3));
    assert_eq!(config.common.send_delay.unwrap().max(), Duration::from_secs(2));
    assert_eq!(config.common.log_format, LogFormat::Json);
    let listed = master(&["--secondaries=b, a,b"]).unwrap().listed_secondaries().unwrap().clone();
    assert_eq!(listed.iter().map(NodeName::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(master(&["--quorum=2"]).unwrap().least_healthy(), Some(Quorum::Nodes(2)));
    assert_eq!(master(&["--quorum=majority"]).unwrap().least_healthy(), Some(Quorum::Majority));
    assert!(secondary(&["--allow-faults"]).unwrap().common.allow_faults);
    assert_eq!(master(&["--max-message-bytes=8MiB"]).unwrap().max_message_bytes, 8 << 20);
    let config = secondary(&["--master-ip", "replicated-log_master.local"]).unwrap();
    assert_eq!(config.master_ip, "replicated-log_master.local");
    for ip in ["::1", "fe80::1%eth0"] {
        assert_eq!(secondary(&["--master-ip", ip]).unwrap().master_ip, ip);
    }
    let config = secondary(&["--data-dir", "/var/lib/acklog", "--fsync=never"]).unwrap();
    let config_of = |flags: &[&str]| master(flags).unwrap();
    assert_eq!(config_of(&["--bind=10.0.0.1"]).comm_address().to_string(), "10.0.0.1");
    let apart = config_of(&["--bind=127.0.0.1", "--comm-bind=10.0.0.1"]);
    assert_eq!(
        (apart.common.bind.to_string().as_str(), apart.comm_address().to_string().as_str()),
        ("127.0.0.1", "10.0.0.1")
    );
    assert_eq!(config.common.data_dir.unwrap().to_str(), Some("/var/lib/acklog"));
    assert_eq!(config.common.fsync, Fsync::Never);
    assert_eq!(
        secondary(&["--max-listing-bytes=16MiB"]).unwrap().common.max_listing_bytes,
        16 << 20
    );
    assert_eq!(master(&["--idempotency-window=7"]).unwrap().idempotency_window, 7);
}

#[test]
fn a_bad_value_is_one_line_that_says_what_is_accepted() {
    let cases: [(&[&str], &str); 34] = [
        (&["--name", "a b"], "1 to 64 of the characters"),
        (&["--name", ".."], "but not . or .."),
        (&["--secondaries", "a,,b"], "1 to 64 of the characters"),
        (&["--secondaries", ""], "--secondaries"),
        (&["--secondaries=a,master"], "names master, which is this master's own --name"),
        (&["--bind", "localhost"], "it must be an IP address, as 127.0.0.1"),
        (&["--http-port", "65536"], "a whole number from 0 to 65535"),
        (&["--comm-port", "x"], "a whole number from 0 to 65535"),
        (&["--http-workers", "0"], "a whole number from 1 to 64"),
        (&["--comm-workers", "65"], "a whole number from 1 to 64"),
        (&["--comm-workers", "+1"], "a whole number from 1 to 64"),
        (&["--request-timeout", "0"], "at least 1ms"),
        (&["--heartbeat-interval", "0s"], "at least 1ms"),
        (&["--heartbeat-interval", "3601s"], "at most 3600s"),
        (&["--send-delay", "2s..1s"], "ends before it starts"),
        (&["--cluster-size", "0"], "a whole number from 1 to 256"),
        (&["--cluster-size", "257"], "a whole number from 1 to 256"),
        (&["--default-write-concern", "most"], "a whole number, \"majority\" or \"all\""),
        (&["--default-write-concern", "257"], "at most 256 nodes"),
        (&["--cluster-size=3", "--default-write-concern=4"], "more than --cluster-size 3"),
        (&["--quorum", "0"], "a whole number from 1 to 256, majority or off"),
        (&["--quorum", "all"], "a whole number from 1 to 256, majority or off"),
        (&["--cluster-size=3", "--quorum=4"], "--quorum 4 is more than --cluster-size 3"),
        (&["--max-message-bytes", "9MiB"], "at most 8MiB"),
        (&["--max-listing-bytes", "4GiB"], "at most 4095MiB"),
        (&["--max-waiting", "0"], "a whole number from 1 to"),
        (&["--idempotency-window", "0"], "a whole number from 1 to 10000000"),
        (&["--idempotency-window", "10000001"], "a whole number from 1 to 10000000"),
        (&["--fsync", "sometimes"], "it must be always or never"),
        (&["--data-dir", ""], "--data-dir"),
        (&["--require-log"], "--require-log is about the log of a --data-dir"),
        (&["--log", "inof"], "off, error, warn, info, debug, trace"),
        (&["--log-format", "xml"], "it must be text or json"),
        (&["--htp-port", "1"], "--http-port"),
    ];
    for (flags, expected) in cases {
        let line = refusal(flags);
        assert!(line.starts_with("master-node: ") && line.contains(expected), "{line}");
        assert!(!line.contains('\n'), "{line:?}");
    }
    for flags in [
        ["--reconnect-delay", "0"],
        ["--master-ip", "a:6000"],
        ["--master-ip", ""],
        ["--master-ip", "a%eth0"],
    ] {
        assert!(matches!(secondary(&flags), Err(Stop::BadUsage(_))), "{flags:?}");
    }
    assert!(matches!(secondary(&["--master-comm-port", "0"]), Err(Stop::BadUsage(_))));
}

#[test]
fn a_value_of_several_lines_stays_one_line() {
    let line = refusal(&["--name", "a\n\nUsage: b\u{1b}[2J\r\nc"]);
    assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
    let line = refusal(&["stray\ntext"]);
    assert!(line.contains("unexpected argument") && !line.contains('\n'), "{line:?}");
}

#[test]
fn help_explains_each_flag_in_one_line_with_its_default() {
    let Err(Stop::Shown(help)) = master(&["--help"]) else { panic!("no help") };
    let command = MasterConfig::command();
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    for arg in shown() {
        let long = format!("--{} ", arg.get_long().unwrap());
        let line = help.lines().find(|line| line.contains(&long)).expect(&long);
        assert!(line.contains("[default: "), "{line}");
    }
    let flags = help.lines().filter(|line| line.trim_start().starts_with('-')).count();
    assert_eq!(flags, shown().count() + 2, "{help}");
    let Err(Stop::Shown(version)) = secondary(&["--version"]) else { panic!("no version") };
    assert_eq!(version, format!("secondary-node {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_flag_has_its_environment_variable() {
    for command in [MasterConfig::command(), SecondaryConfig::command()] {
        for arg in command.get_arguments() {
            let long = arg.get_long().unwrap().to_uppercase().replace('-', "_");
            assert_eq!(arg.get_env().unwrap().to_str().unwrap(), format!("ACKLOG_{long}"));
        }
    }
}
