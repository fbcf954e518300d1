//! Distributes the flags after `--` to the kinds of nodes that have them.

use std::ffi::OsString;

use acklog_types::{DelayRange, DurationError};
use clap::{Command, CommandFactory, Parser};

use crate::config::{MasterConfig, SecondaryConfig};

/// Flags that `up` sets itself; given twice they would contradict each other.
const OWN_FLAGS: [&str; 9] = [
    "name",
    "bind",
    "comm-bind",
    "http-port",
    "comm-port",
    "master-ip",
    "master-comm-port",
    "data-dir",
    "secondaries",
];

/// The name of the subcommand.
const UP: &str = "up";

/// The flags for each kind of node, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeFlags {
    pub(super) master: Vec<String>,
    pub(super) secondary: Vec<String>,
}

/// Distributes `--flag value`, `--flag=value` and flags without a value.
///
/// # Errors
/// When no node has a flag, `up` sets it itself, a time has no unit, or an argument is no flag.
/// Nodes read a bare number as milliseconds, and users who type one mean seconds.
pub(super) fn distribute(flags: &[String]) -> Result<NodeFlags, String> {
    let (master, secondary) = (MasterConfig::command(), SecondaryConfig::command());
    let mut node_flags = NodeFlags::default();
    let mut rest = flags.iter();
    while let Some(given) = rest.next() {
        let Some(long) = given.strip_prefix("--").filter(|long| !long.is_empty()) else {
            return Err(format!(
                "behind -- stand flags for the nodes, like --log debug: {given:?}"
            ));
        };
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        if OWN_FLAGS.contains(&name) {
            return Err(format!(
                "--{name} is set for each node by up itself, which has \
                 --secondaries, --http-port, --comm-port and --data-dir"
            ));
        }
        let kinds = [takes_value(&master, name), takes_value(&secondary, name)];
        let Some(takes_value) = kinds.iter().flatten().next() else {
            return Err(format!(
                "no node has a flag --{name}; `acklog master-node --help` and \
                 `acklog secondary-node --help` list what there is"
            ));
        };
        let mut words = vec![given.clone()];
        if *takes_value && name == long {
            // The node checks for a missing value.
            words.extend(rest.next().cloned());
        }
        let value = long.split_once('=').map(|(_, value)| value);
        let value = value.or_else(|| words.get(1).map(String::as_str)).unwrap_or_default();
        if [&master, &secondary].into_iter().any(|node| takes_time(node, name))
            && let Err(error @ DurationError::NoUnit(_)) = DelayRange::parse_with_unit(value)
        {
            return Err(format!("--{name}: {error}"));
        }
        let takers = [&mut node_flags.master, &mut node_flags.secondary];
        for (taker, _) in takers.into_iter().zip(kinds).filter(|(_, kind)| kind.is_some()) {
            taker.extend(words.iter().cloned());
        }
    }
    Ok(node_flags)
}

/// Moves flags of nodes that precede the `--` of `up` behind it: most users try that first.
pub(in crate::cli) fn with_dashes(args: Vec<OsString>) -> Vec<OsString> {
    #[derive(Parser)]
    struct Own {
        #[command(flatten)]
        _args: super::UpArgs,
    }
    if args.get(1).and_then(|arg| arg.to_str()) != Some(UP) {
        return args;
    }
    let own = Own::command();
    let nodes = [MasterConfig::command(), SecondaryConfig::command()];
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    let mut rest = args.into_iter();
    while let Some(arg) = rest.next() {
        let long = arg.to_str().and_then(|arg| arg.strip_prefix("--")).unwrap_or_default();
        let name = long.split_once('=').map_or(long, |(name, _)| name).to_owned();
        let is_alone = name == long;
        if arg == "--" {
            break;
        }
        let of_nodes = nodes.iter().find_map(|node| takes_value(node, &name));
        let (taker, takes_value) = match (takes_value(&own, &name), of_nodes) {
            (None, Some(takes_value)) => (&mut behind, takes_value),
            (own, _) => (&mut before, own.unwrap_or(false)),
        };
        taker.push(arg);
        if takes_value && is_alone {
            taker.extend(rest.next());
        }
    }
    behind.extend(rest);
    if !behind.is_empty() {
        before.push("--".into());
    }
    before.extend(behind);
    before
}

/// Returns whether a flag of this command takes a value; `None` when it has no such flag.
fn takes_value(command: &Command, name: &str) -> Option<bool> {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    Some(arg.get_action().takes_values())
}

/// Returns whether a flag of this command takes a time, or a range of times.
fn takes_time(command: &Command, name: &str) -> bool {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let names = arg.and_then(|arg| arg.get_value_names()).unwrap_or_default();
    names.iter().any(|name| ["DURATION", "RANGE"].contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(flags: &[&str]) -> Result<NodeFlags, String> {
        distribute(&flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_flag_goes_to_every_node_that_has_it() {
        let flags = ["--log", "debug", "--store-delay=1s..2s", "--heartbeat-interval", "200ms"];
        let node_flags = dealt(&flags).unwrap();
        assert_eq!(node_flags.master, ["--log", "debug", "--heartbeat-interval", "200ms"]);
        assert_eq!(node_flags.secondary, ["--log", "debug", "--store-delay=1s..2s"]);
        assert_eq!(dealt(&[]).unwrap(), NodeFlags::default());
    }

    #[test]
    fn flags_of_nodes_need_no_dashes_before_them() {
        let moved = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let moved = with_dashes(words).into_iter().map(|word| word.into_string().unwrap());
            moved.collect::<Vec<_>>().join(" ")
        };
        for (line, expected) in [
            ("acklog up --log debug --secondaries 3", "acklog up --secondaries 3 -- --log debug"),
            ("acklog up --allow-faults -- --log=debug", "acklog up -- --allow-faults --log=debug"),
            ("acklog up --http-port 1 --log=x", "acklog up --http-port 1 -- --log=x"),
            ("acklog up --nonsense 1", "acklog up --nonsense 1"),
            ("acklog up -- --help", "acklog up -- --help"),
            ("acklog up", "acklog up"),
            ("acklog post --log up", "acklog post --log up"),
        ] {
            assert_eq!(moved(line), expected);
        }
    }

    #[test]
    fn what_is_no_flag_of_a_node_is_refused() {
        for unknown in ["--nonsense", "--nonsense=1", "--help"] {
            assert!(dealt(&[unknown]).unwrap_err().contains("no node has"), "{unknown}");
        }
        for other in ["word", "-v", "--", "-"] {
            assert!(dealt(&[other]).unwrap_err().contains("stand flags"), "{other}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_refused() {
        for flags in [
            &["--store-delay", "2"][..],
            &["--send-delay=1..2s"],
            &["--heartbeat-interval=500"],
            &["--log", "debug", "--reconnect-delay", "1"],
        ] {
            let error = dealt(flags).unwrap_err();
            assert!(error.contains("has no unit: write "), "{error}");
        }
        // Other numbers are no times; a value that is no time at all is reported by the node with
        // the flag.
        dealt(&["--http-workers", "2", "--cluster-size=3", "--store-delay", "soon"]).unwrap();
    }

    #[test]
    fn what_up_sets_itself_is_refused() {
        for own in OWN_FLAGS {
            let error = dealt(&[&format!("--{own}=1")]).unwrap_err();
            assert!(error.contains("set for each node by up itself"), "{error}");
        }
    }
}
