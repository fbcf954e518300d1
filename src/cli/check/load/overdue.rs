//! Time limits that the master lets pass without a word.

use std::convert::Infallible;
use std::time::Duration;

use acklog_api::{Faults, paths};
use acklog_client::{Answer, CallError};
use tokio::time::{Instant, sleep, sleep_until};

use crate::cli::check::check_run::CheckRun;
use crate::cli::check::mix::OVERTIME;
use crate::cli::client::ToolClient;

/// Pause between two looks at whether the master answers others.
const LOOK: Duration = Duration::from_secs(1);

/// For how long the master must have answered others: one that stood still has a moment to answer everybody.
const ANSWERS_OTHERS: Duration = Duration::from_secs(3);

/// What came of a request.
pub(super) struct CallOutcome {
    pub(super) answer: anyhow::Result<Answer>,
    /// Whether its time limit was not heeded: there was no answer although the master was at work.
    pub(super) is_overdue: bool,
}

/// Waits for the answer to a request with this time limit.
pub(super) async fn call_with_limit(
    run: &CheckRun,
    limit: Option<Duration>,
    call: impl Future<Output = Result<Answer, CallError>>,
) -> CallOutcome {
    let Some(limit) = limit else {
        return CallOutcome { answer: call.await.map_err(Into::into), is_overdue: false };
    };
    let (begin, mut at_work_since) = (Instant::now(), None);
    let answer = tokio::select! {
        answer = call => answer,
        never = look(run, begin + limit, &mut at_work_since) => match never {},
    };
    let is_silent = matches!(answer, Err(CallError::Silent(_)));
    // Connecting does not count, so that the limit passed that long before now.
    let passed = Instant::now().checked_sub(OVERTIME);
    let is_overdue = is_silent
        && at_work_since.is_some_and(|since| {
            passed.is_some_and(|passed| since >= passed) && since.elapsed() >= ANSWERS_OTHERS
        })
        // A machine that starts anew may leave a connection that leads nowhere.
        && !run.is_restarted_since(begin);
    CallOutcome { answer: answer.map_err(Into::into), is_overdue }
}

/// Looks from `begin` on whether the master is at work, and notes since when.
async fn look(run: &CheckRun, begin: Instant, at_work_since: &mut Option<Instant>) -> Infallible {
    sleep_until(begin).await;
    let mut client = ToolClient::new(run.master().url.clone());
    loop {
        sleep(LOOK).await;
        let is_at_work = is_at_work(&mut client).await;
        *at_work_since = is_at_work.then(|| at_work_since.unwrap_or_else(Instant::now));
    }
}

/// Whether the master answers, and its timers run: they stand still while it is paused.
async fn is_at_work(client: &mut ToolClient) -> bool {
    let Ok(answer) = client.get(paths::FAULTS).await else { return false };
    // Where faults are not allowed, there are none.
    !answer.parsed::<Faults>().is_ok_and(|faults| faults.paused)
}
