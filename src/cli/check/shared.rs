//! What senders and watchers share: the history and the counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::load::Mix;
use crate::cli::NodeUrl;

/// A node that is checked.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) url: NodeUrl,
    pub(super) name: String,
}

/// What was asked of a node's list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reads {
    pub(super) reads: u64,
    pub(super) messages: u64,
    /// Reads without a whole answer.
    pub(super) failed: u64,
}

/// What changes during a run.
pub(super) struct State {
    pub(super) history: History,
    /// How many were sent; a batch is one.
    pub(super) requests: u64,
    /// How often each kind of request, by its number in the mix, got each status; 0: no answer.
    pub(super) answers: BTreeMap<(usize, u16), u64>,
    /// What the last refusal said.
    pub(super) refusal: Option<String>,
    pub(super) reads: Vec<Reads>,
    /// Each node's end when the load was over.
    pub(super) load_ends: Vec<u64>,
    pub(super) disconnects: u64,
    /// Turns that were given to senders: one a message.
    turns: u64,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) mix: Mix,
    pub(super) begin: Instant,
    /// When sending ends.
    pub(super) until: Instant,
    /// Most messages altogether, and most a second.
    pub(super) messages_max: u64,
    pub(super) rate: Option<u32>,
}

/// A run of the check.
pub(super) struct Shared {
    /// The master is the first.
    pub(super) nodes: Vec<Node>,
    pub(super) load: Load,
    /// The load is over, whatever is left of its time.
    pub(super) stop: CancellationToken,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(nodes: Vec<Node>, load: Load) -> Self {
        // Another word each time: the log may hold messages of an earlier run.
        let prefix = format!("check {:08x} ", rand::random::<u32>());
        let state = State {
            history: History::new(
                prefix,
                nodes.iter().map(|node| node.name.clone()),
                load.mix.cluster_size,
            ),
            requests: 0,
            answers: BTreeMap::new(),
            refusal: None,
            reads: vec![Reads::default(); nodes.len()],
            load_ends: Vec::new(),
            disconnects: 0,
            turns: 0,
        };
        Self { nodes, load, stop: CancellationToken::new(), state: Mutex::new(state) }
    }

    /// When the sender that asks may send so many messages, where there is a rate to keep.
    pub(super) fn turn(&self, messages: u64) -> Option<Instant> {
        let rate = self.load.rate?;
        let turns = &mut self.lock().turns;
        *turns += messages;
        Some(self.load.begin + Duration::from_secs(*turns) / rate)
    }

    /// Held for a moment only, never across an `await`.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
