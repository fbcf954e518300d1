//! Plans what `up` starts: names, ports and flags of every node, checked before anything runs.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::anyhow;

use super::UpArgs;
use super::flags::{NodeFlags, distribute};
use crate::config::{MasterConfig, SecondaryConfig, Stop, parse_node, port_range_end};
use crate::telemetry::UP_FILTER;

/// The program's name in errors about its command line.
pub(super) const PROGRAM: &str = "acklog up";

/// Address of every node: `up` is for one machine.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The nodes to start, the master first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpPlan {
    pub(super) nodes: Vec<NodePlan>,
    comm_port: u16,
    /// Number of nodes, including the master.
    pub(super) cluster_size: u16,
    /// Whether the nodes allow faults.
    pub(super) allow_faults: bool,
}

/// One node to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePlan {
    pub(super) name: String,
    pub(super) http_port: u16,
    /// The child's command line after the executable: a subcommand and its flags.
    pub(super) args: Vec<String>,
}

impl UpPlan {
    /// Plans what to start.
    ///
    /// # Errors
    /// When a flag is unusable; nothing has been started then.
    pub(super) fn new(args: &UpArgs) -> Result<Self, Stop> {
        let usage = |reason: &str| Stop::bad_usage(PROGRAM, reason);
        let node_flags = distribute(&args.flags).map_err(|reason| usage(&reason))?;
        let ports = Ports::choose(args).map_err(|reason| usage(&reason))?;
        let data_dir = args.data_dir.as_deref();
        let plan = Self::laid_out(args.secondaries + 1, &ports, data_dir, &node_flags);
        plan.check()
    }

    fn laid_out(size: u16, ports: &Ports, data_dir: Option<&str>, node_flags: &NodeFlags) -> Self {
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let is_log_chosen = std::env::var_os("ACKLOG_LOG").is_some_and(|filter| !filter.is_empty());
        let nodes = (0..size).zip(&ports.http).map(|(number, &http_port)| {
            let name = node_name(number);
            let mut args = Vec::new();
            let comm_port = ports.comm.to_string();
            // The user's flags come last and so win; only --cluster-size is in both.
            let (program, extra) = if number == 0 {
                args.push(flag("comm-bind", &ADDRESS.to_string()));
                args.push(flag("comm-port", &comm_port));
                args.push(flag("cluster-size", &size.to_string()));
                let names: Vec<String> = (1..size).map(node_name).collect();
                args.extend((size > 1).then(|| flag("secondaries", &names.join(","))));
                ("master-node", &node_flags.master)
            } else {
                args.push(flag("master-ip", &ADDRESS.to_string()));
                args.push(flag("master-comm-port", &comm_port));
                ("secondary-node", &node_flags.secondary)
            };
            args.insert(0, program.to_owned());
            args.push(flag("name", &name));
            args.push(flag("bind", &ADDRESS.to_string()));
            args.push(flag("http-port", &http_port.to_string()));
            // A directory for each node: two nodes refuse to share one.
            args.extend(data_dir.map(|dir| flag("data-dir", &format!("{dir}/{name}"))));
            if !is_log_chosen {
                args.push(flag("log", UP_FILTER));
            }
            args.extend(extra.iter().cloned());
            NodePlan { name, http_port, args }
        });
        Self {
            nodes: nodes.collect(),
            comm_port: ports.comm,
            cluster_size: size,
            allow_faults: false,
        }
    }

    /// Parses each node's flags as the node will, and adopts what they change.
    ///
    /// # Errors
    /// When a node would not take them.
    fn check(mut self) -> Result<Self, Stop> {
        for (number, node) in self.nodes.iter().enumerate() {
            if number > 0 {
                parse_node::<SecondaryConfig>(&node.args)?;
            } else {
                let master = parse_node::<MasterConfig>(&node.args)?;
                self.cluster_size = master.cluster_size.unwrap_or(self.cluster_size);
                self.allow_faults = master.common.allow_faults;
            }
        }
        Ok(self)
    }

    /// Checks that all ports are free. A node that finds its port in use reports that too; this
    /// reports it before another program on that port is mistaken for the node.
    ///
    /// # Errors
    /// When a port is in use.
    pub(super) fn probe(&self) -> anyhow::Result<()> {
        for port in self.nodes.iter().map(|node| node.http_port).chain([self.comm_port]) {
            TcpListener::bind((ADDRESS, port)).map_err(|error| {
                anyhow!(
                    "cannot listen on {ADDRESS}:{port}: {error}; end the cluster that is up, or \
                     take free ports with --http-port 0 --comm-port 0"
                )
            })?;
        }
        Ok(())
    }

    /// Returns the lines that show a user what to try.
    pub(super) fn guide(&self) -> String {
        let url = |node: &NodePlan| format!("http://{ADDRESS}:{}", node.http_port);
        let mut text = String::from("\nThe cluster runs:");
        for node in &self.nodes {
            text.push_str(&format!(" {} {}", node.name, url(node)));
        }
        let master = self.nodes.first().map(url).unwrap_or_default();
        let buttons = if self.allow_faults { ", with buttons for faults" } else { "" };
        text.push_str(&format!("\nOpen {master}/ to see what happens in it{buttons}.\n"));
        text.push_str("Try, in another terminal:\n");
        for number in 1..=self.cluster_size.min(3) {
            let body = format!(r#"{{"message": "Msg{number}", "writeConcern": {number}}}"#);
            text.push_str(&format!("  curl -d '{body}' {master}/messages\n"));
        }
        for node in self.nodes.iter().take(2) {
            text.push_str(&format!("  curl {}/messages\n", url(node)));
        }
        // As this program was called: it need not be on the search path.
        let program = std::env::args().next().unwrap_or_else(|| "acklog".to_owned());
        text.push_str(&format!("  {program} status --url {master}\n"));
        text.push_str(&format!(
            "{}. Ctrl-C ends all.\n",
            super::typed_commands::help(self.allow_faults)
        ));
        text
    }
}

fn node_name(number: u16) -> String {
    match number {
        0 => "master".to_owned(),
        1 => "bonnie".to_owned(),
        2 => "clyde".to_owned(),
        _ => format!("secondary-{number}"),
    }
}

/// The ports of all nodes.
struct Ports {
    http: Vec<u16>,
    comm: u16,
}

impl Ports {
    fn choose(args: &UpArgs) -> Result<Self, String> {
        let count = args.secondaries + 1;
        let http = if args.http_port == 0 {
            free_ports(count)?
        } else {
            let last = port_range_end(args.http_port, count).ok_or_else(|| {
                format!("{count} nodes from --http-port {} on need ports > 65535", args.http_port)
            })?;
            (args.http_port..=last).collect()
        };
        let comm = match args.comm_port {
            // Ports that are chosen in one call differ; those of two calls may be the same.
            0 => loop {
                let free = free_ports(1)?;
                if let Some(&port) = free.first().filter(|port| !http.contains(port)) {
                    break port;
                }
            },
            port => port,
        };
        let distinct: BTreeSet<_> = http.iter().collect();
        if distinct.contains(&comm) {
            return Err(format!("--comm-port {comm} is also the HTTP port of a node"));
        }
        Ok(Self { http, comm })
    }
}

/// Returns ports that are free at this moment. The nodes could choose free ones themselves, but
/// then `up` would not know them.
fn free_ports(count: u16) -> Result<Vec<u16>, String> {
    let free = || -> std::io::Result<Vec<u16>> {
        // All are held until all are found, so that none is found twice.
        let listeners =
            (0..count).map(|_| TcpListener::bind((ADDRESS, 0))).collect::<Result<Vec<_>, _>>()?;
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
    };
    free().map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &[&str]) -> Result<UpPlan, Stop> {
        #[derive(clap::Parser)]
        struct Wrapped {
            #[command(flatten)]
            args: UpArgs,
        }
        let wrapped: Wrapped = crate::config::parse([&["up"], line].concat())?;
        UpPlan::new(&wrapped.args)
    }

    fn refusal(line: &[&str]) -> String {
        match plan(line) {
            Err(Stop::BadUsage(reason)) => reason,
            other => panic!("{line:?} gave {other:?}"),
        }
    }

    #[test]
    fn three_nodes_are_the_default() {
        let plan = plan(&[]).unwrap();
        let names: Vec<_> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["master", "bonnie", "clyde"]);
        assert_eq!(
            plan.nodes[0].args,
            [
                "master-node",
                "--comm-bind=127.0.0.1",
                "--comm-port=6000",
                "--cluster-size=3",
                "--secondaries=bonnie,clyde",
                "--name=master",
                "--bind=127.0.0.1",
                "--http-port=8000",
                "--log=info,acklog::message=debug"
            ]
        );
        assert_eq!(
            plan.nodes[2].args,
            [
                "secondary-node",
                "--master-ip=127.0.0.1",
                "--master-comm-port=6000",
                "--name=clyde",
                "--bind=127.0.0.1",
                "--http-port=8002",
                "--log=info,acklog::message=debug"
            ]
        );
    }

    #[test]
    fn each_node_has_its_own_directory() {
        let plan = plan(&["--data-dir", "logs", "--", "--fsync", "never"]).unwrap();
        for (node, name) in plan.nodes.iter().zip(["master", "bonnie", "clyde"]) {
            assert!(node.args.contains(&format!("--data-dir=logs/{name}")), "{:?}", node.args);
            assert_eq!(node.args.last().unwrap(), "never");
        }
        assert!(refusal(&["--data-dir="]).contains("--data-dir"));
    }

    #[test]
    fn flags_behind_two_dashes_reach_the_nodes_and_are_checked_there() {
        let line = ["--secondaries", "3", "--", "--store-delay", "2s", "--cluster-size=5"];
        let plan = plan(&line).unwrap();
        assert_eq!(plan.nodes[3].name, "secondary-3");
        assert_eq!(plan.nodes[3].args.last().unwrap(), "2s");
        assert_eq!(plan.cluster_size, 5);
        let reason = refusal(&["--", "--store-delay", "soon"]);
        assert!(reason.starts_with("secondary-node: ") && reason.contains("soon"), "{reason}");
        let reason = refusal(&["--", "--default-write-concern", "4"]);
        assert!(reason.contains("--cluster-size 3"), "{reason}");
        assert!(refusal(&["--", "--log"]).contains("--log"));
    }

    #[test]
    fn ports_that_cannot_be_are_refused() {
        assert!(refusal(&["--http-port", "65534"]).contains("65535"));
        assert!(refusal(&["--comm-port", "8002"]).contains("8002"));
        assert!(refusal(&["--secondaries", "256"]).contains("0 to 255"));
        let plan = plan(&["--http-port", "0", "--comm-port", "0"]).unwrap();
        assert!(plan.nodes.iter().all(|node| node.http_port != 0) && plan.comm_port != 0);
        plan.probe().unwrap();
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((ADDRESS, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let line = ["--secondaries=0", "--http-port=0", &format!("--comm-port={port}")];
        let error = plan(&line).unwrap().probe().unwrap_err();
        assert!(format!("{error:#}").starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")));
    }

    #[test]
    fn the_guide_asks_for_no_more_nodes_than_there_are() {
        let guide = plan(&["--secondaries=1"]).unwrap().guide();
        assert!(guide.contains(r#"curl -d '{"message": "Msg2", "writeConcern": 2}' "#));
        assert!(!guide.contains("Msg3"), "{guide}");
        assert!(guide.contains("Open http://127.0.0.1:8000/ to see"), "{guide}");
        assert!(!guide.contains("buttons"), "{guide}");
        let faulty = plan(&["--secondaries=0", "--", "--allow-faults"]).unwrap().guide();
        assert!(faulty.contains("with buttons for faults"), "{faulty}");
        assert!(guide.contains("curl http://127.0.0.1:8001/messages"), "{guide}");
        let alone = plan(&["--secondaries=0"]).unwrap().guide();
        assert!(alone.contains("Msg1") && !alone.contains("8001"), "{alone}");
    }
}
