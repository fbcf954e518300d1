//! Three nodes with a directory each that can be killed and started again, on the same ports and
//! directories.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::Process;

/// Names of the master and its secondaries, by their places in [`Nodes`].
pub const NAMES: [&str; 3] = ["master", "bonnie", "clyde"];

/// A master and two secondaries, of which any may be down.
pub struct Nodes {
    /// Removed with the nodes.
    _directory: TempDir,
    nodes: Vec<Place>,
}

/// A node that may run or not.
struct Place {
    args: Vec<String>,
    http: SocketAddr,
    process: Option<Process>,
}

/// Returns a port that is free now and that no connection gets by chance: below the range from
/// which the system takes those.
fn quiet_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let tried = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (std::process::id().wrapping_mul(37).wrapping_add(tried)) % 12_000;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Nodes {
    /// Creates three nodes, none of which runs yet.
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let comm = quiet_port();
        let place = |name: &&str| {
            let port = quiet_port();
            let data = directory.path().join(name);
            let comm_flag = if *name == "master" { "--comm-port" } else { "--master-comm-port" };
            let mut args = vec!["--name", name, "--log", "info", "--data-dir"];
            args.push(data.to_str().unwrap());
            args.extend(match *name {
                "master" => ["--cluster-size", "3", "--heartbeat-interval", "200ms"].as_slice(),
                _ => ["--reconnect-delay", "100ms"].as_slice(),
            });
            let mut args: Vec<_> = args.into_iter().map(str::to_owned).collect();
            args.extend(["--http-port".to_owned(), port.to_string()]);
            args.extend([comm_flag.to_owned(), comm.to_string()]);
            Place { args, http: SocketAddr::from(([127, 0, 0, 1], port)), process: None }
        };
        let nodes = NAMES.iter().map(place).collect();
        Self { _directory: directory, nodes }
    }

    pub fn http(&self, node: usize) -> SocketAddr {
        self.nodes[node].http
    }

    /// Starts a process, which may be killed before it does anything.
    pub fn begin(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        let program = match node {
            0 => env!("CARGO_BIN_EXE_master-node"),
            _ => env!("CARGO_BIN_EXE_secondary-node"),
        };
        let args: Vec<_> = place.args.iter().map(String::as_str).collect();
        place.process = Some(Process::start(program, &args));
    }

    /// Starts a process and waits until it serves.
    pub fn start(&mut self, node: usize) {
        self.begin(node);
        self.nodes[node].process.as_ref().unwrap().log.wait_for("serving HTTP");
    }

    /// Kills processes, all at once.
    pub fn kill(&mut self, nodes: &[usize]) {
        let kill = |node: &usize| self.nodes[*node].process.as_ref().unwrap().signal(Signal::KILL);
        nodes.iter().for_each(kill);
        nodes.iter().for_each(|node| drop(self.nodes[*node].process.take()));
    }

    /// Asks a process to end, and returns its exit status.
    pub fn stop(&mut self, node: usize) -> Option<i32> {
        let mut process = self.nodes[node].process.take().unwrap();
        process.signal(Signal::TERM);
        process.wait()
    }
}
