//! Nodes on free ports, alone or as a cluster.

use std::net::SocketAddr;

use super::{Lines, Process, get, wait_until};

/// A node and its HTTP address.
pub struct Node {
    pub process: Process,
    pub http: SocketAddr,
}

/// Waits for the line of this event and returns the address in it.
fn address(log: &Lines, event: &str) -> SocketAddr {
    log.find(event, |line| {
        let (_, rest) = line.split_once(event)?;
        let (_, rest) = rest.split_once("address=")?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

/// Returns the address at which a process serves HTTP.
pub fn http_address(process: &Process) -> SocketAddr {
    address(&process.log, "serving HTTP")
}

/// Starts a master on free ports; returns it and the address that secondaries dial.
pub fn master(args: &[&str]) -> (Node, SocketAddr) {
    master_at("0", args)
}

/// Starts a master whose secondaries dial this port.
pub fn master_at(comm_port: &str, args: &[&str]) -> (Node, SocketAddr) {
    let mut all = vec!["--http-port", "0", "--comm-port", comm_port, "--log", "debug"];
    all.extend(args);
    let process = Process::start(env!("CARGO_BIN_EXE_master-node"), &all);
    let http = address(&process.log, "serving HTTP");
    let node = Node { process, http };
    let comm = comm_address(&node);
    (node, comm)
}

/// Returns the address at which a master listens for secondaries.
pub fn comm_address(master: &Node) -> SocketAddr {
    address(&master.process.log, "listening for secondaries")
}

/// Starts a secondary of the master at `comm`.
pub fn secondary(name: &str, comm: SocketAddr, args: &[&str]) -> Node {
    let port = comm.port().to_string();
    let mut all = vec!["--name", name, "--http-port", "0", "--master-comm-port", &port];
    all.extend(["--log", "debug", "--reconnect-delay", "200ms"]);
    all.extend(args);
    let process = Process::start(env!("CARGO_BIN_EXE_secondary-node"), &all);
    let http = address(&process.log, "serving HTTP");
    Node { process, http }
}

/// Waits until a node is ready.
pub fn wait_ready(node: &Node) {
    wait_until("a node to be ready", || get(node.http, "/ready").status == 200);
}

/// Starts a master and secondaries, and waits until they are ready.
pub fn cluster(args: &[&str], names: &[&str]) -> (Node, SocketAddr, Vec<Node>) {
    let (master, comm) = master(args);
    let nodes: Vec<Node> = names.iter().map(|name| secondary(name, comm, &[])).collect();
    nodes.iter().for_each(wait_ready);
    (master, comm, nodes)
}
