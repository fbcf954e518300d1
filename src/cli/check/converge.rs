//! The end of a run: all nodes come to have the same log, and everything is looked at once more.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::basic;
use super::lookup::look_up_some;
use super::nodes::end_of;
use super::shared::Shared;
use super::watch::read_all;

/// Pause between two looks at whether something has come to pass.
const PAUSE: Duration = Duration::from_millis(10);

/// What the nodes said of their ends.
pub(super) struct Converged {
    /// How long it took, where they all have as much as the master had.
    pub(super) took: Option<Duration>,
    /// The end of the master's log when this began, if it told.
    pub(super) target: Option<u64>,
    /// Whether each node has that much.
    reached: Vec<bool>,
}

/// Waits until all nodes have what the master has by now, by their own word: reading it may take longer than having
/// it.
pub(super) async fn converge(shared: &Arc<Shared>, deadline: Instant) -> Converged {
    let begin = Instant::now();
    let mut reached = vec![false; shared.nodes().len()];
    let target = loop {
        match timeout_at(deadline, end_of(shared, 0)).await {
            Ok(Ok(end)) => break end,
            Ok(Err(_)) => sleep(PAUSE).await,
            Err(_) => return Converged { took: None, target: None, reached },
        }
    };
    loop {
        let mut asked = JoinSet::new();
        for (node, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
            let shared = Arc::clone(shared);
            asked.spawn(async move { (node, timeout_at(deadline, end_of(&shared, node)).await) });
        }
        for (node, answer) in asked.join_all().await {
            let has_all = matches!(answer, Ok(Ok(end)) if end >= target);
            if let Some(reached) = reached.get_mut(node) {
                *reached = has_all;
            }
        }
        if reached.iter().all(|reached| *reached) {
            return Converged { took: Some(begin.elapsed()), target: Some(target), reached };
        }
        if Instant::now() >= deadline {
            return Converged { took: None, target: Some(target), reached };
        }
        sleep(PAUSE).await;
    }
}

/// Reads all messages of the run, of those nodes that have them, and some one by one.
pub(super) async fn look_at_everything(shared: &Arc<Shared>, converged: &Converged) {
    let Some(target) = converged.target else { return };
    let mut readers = JoinSet::new();
    for (node, reached) in converged.reached.iter().enumerate() {
        if *reached && shared.load.is_basic {
            readers.spawn(basic::read_all(Arc::clone(shared), node, target));
        } else if *reached {
            readers.spawn(read_all(Arc::clone(shared), node, target));
            readers.spawn(look_up_some(Arc::clone(shared), node));
        }
    }
    while readers.join_next().await.is_some() {}
}
