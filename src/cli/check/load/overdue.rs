//! Detects timeouts of requests that the master lets pass without an answer.

use std::convert::Infallible;
use std::time::Duration;

use acklog_api::{Faults, paths};
use acklog_client::{Answer, CallError};
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::check::check_run::CheckRun;
use crate::cli::check::mix::OVERTIME;
use crate::cli::client::ToolClient;

/// Pause between two checks of whether the master answers others.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Time for which the master must have answered others. After a local stall it needs a moment to
/// answer everybody.
const ANSWERS_OTHERS: Duration = Duration::from_secs(3);

/// The result of a request.
pub(super) struct CallOutcome {
    pub(super) answer: anyhow::Result<Answer>,
    /// Whether the master ignored the timeout of the request: it did not answer although it was
    /// working.
    pub(super) is_overdue: bool,
}

/// Waits for the answer to a request with this timeout.
pub(super) async fn call_with_limit(
    run: &CheckRun,
    limit: Option<Duration>,
    call: impl Future<Output = Result<Answer, CallError>>,
) -> CallOutcome {
    let Some(limit) = limit else {
        return CallOutcome { answer: call.await.map_err(Into::into), is_overdue: false };
    };
    let (begin, mut working_since) = (Instant::now(), None);
    let answer = tokio::select! {
        answer = call => answer,
        never = watch_master(run, begin + limit, &mut working_since) => match never {},
    };
    let is_silent = matches!(answer, Err(CallError::Silent(_)));
    // Connecting does not count, so that the timeout passed that long ago.
    let passed = Instant::now().checked_sub(OVERTIME);
    let is_overdue = is_silent
        && working_since.is_some_and(|since| {
            passed.is_some_and(|passed| since >= passed) && since.elapsed() >= ANSWERS_OTHERS
        })
        // A restarted machine may leave behind a connection that leads nowhere.
        && !run.is_restarted_since(begin);
    CallOutcome { answer: answer.map_err(Into::into), is_overdue }
}

/// Checks from `begin` on whether the master is working, and notes since when.
async fn watch_master(
    run: &CheckRun,
    begin: Instant,
    working_since: &mut Option<Instant>,
) -> Infallible {
    sleep_until(begin).await;
    let mut client = ToolClient::new(run.master().url.clone());
    loop {
        sleep(POLL_INTERVAL).await;
        let is_working = is_working(&mut client).await;
        *working_since = is_working.then(|| working_since.unwrap_or_else(Instant::now));
    }
}

/// Returns whether the master answers and its timers run: while it is paused they stand still.
async fn is_working(client: &mut ToolClient) -> bool {
    let Ok(answer) = client.get(paths::FAULTS).await else { return false };
    // A node that does not allow faults has none.
    !answer.parsed::<Faults>().is_ok_and(|faults| faults.paused)
}
