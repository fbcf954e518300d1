//! The end of a run: waits until all nodes have the same log, then reads everything once more.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::basic;
use super::check_run::CheckRun;
use super::lookup::look_up_some;
use super::nodes::end_of;
use super::watch::read_all;

/// Pause between two requests for the log ends.
const PAUSE: Duration = Duration::from_millis(10);

/// The log ends that the nodes reported.
pub(super) struct Converged {
    /// Time until all nodes had as much as the master; `None` if they did not in time.
    pub(super) took: Option<Duration>,
    /// End of the master's log when the waiting began; `None` if the master did not report it.
    pub(super) target: Option<u64>,
    /// Whether each node has that much.
    reached: Vec<bool>,
}

/// Waits until all nodes report the log end that the master has now. The lists are read afterwards:
/// reading a log may take longer than receiving it.
pub(super) async fn converge(run: &Arc<CheckRun>, deadline: Instant) -> Converged {
    let begin = Instant::now();
    let mut reached = vec![false; run.nodes().len()];
    let target = loop {
        match timeout_at(deadline, end_of(run, 0)).await {
            Ok(Ok(end)) => break end,
            Ok(Err(_)) => sleep(PAUSE).await,
            Err(_) => return Converged { took: None, target: None, reached },
        }
    };
    loop {
        let mut pending = JoinSet::new();
        for (node, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
            let run = Arc::clone(run);
            pending.spawn(async move { (node, timeout_at(deadline, end_of(&run, node)).await) });
        }
        for (node, answer) in pending.join_all().await {
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

/// Reads all messages of the run from the nodes that have them, and some messages one by one.
pub(super) async fn read_everything(run: &Arc<CheckRun>, converged: &Converged) {
    let Some(target) = converged.target else { return };
    let mut readers = JoinSet::new();
    for (node, reached) in converged.reached.iter().enumerate() {
        if *reached && run.load.is_basic {
            readers.spawn(basic::read_all(Arc::clone(run), node, target));
        } else if *reached {
            readers.spawn(read_all(Arc::clone(run), node, target));
            readers.spawn(look_up_some(Arc::clone(run), node));
        }
    }
    while readers.join_next().await.is_some() {}
}
