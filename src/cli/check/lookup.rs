//! Reads messages one by one, with `GET /messages/<id>`, while the load runs and when it is over.

use std::sync::Arc;
use std::time::Duration;

use acklog_api::{Message, Problem, ProblemCode, paths};
use acklog_client::Answer;
use acklog_judge::LookupAnswer;
use acklog_types::escaped;
use rand::RngExt;
use tokio::time::sleep;

use super::check_run::CheckRun;
use crate::cli::client::ToolClient;

/// Pause between two requests.
const PAUSE: Duration = Duration::from_millis(25);

/// Messages of each node that are read when the load is over.
const AT_THE_END: usize = 50;

/// One request out of this many is for a message that does not exist.
const LOOKUPS_PER_ABSENT: u32 = 10;

/// Distance from the end of a log at which there is no message: more than arrive during one
/// request.
const FAR: u64 = 1 << 30;

/// Reads one message after the other from a node, until it is aborted.
pub(super) async fn look_up(run: Arc<CheckRun>, node: usize) {
    let Some(url) = run.nodes().get(node).map(|node| node.url.clone()) else { return };
    let mut client = ToolClient::new(url);
    loop {
        sleep(PAUSE).await;
        look_up_one(&run, &mut client, node).await;
    }
}

/// Reads some messages from a node.
pub(super) async fn look_up_some(run: Arc<CheckRun>, node: usize) {
    let Some(url) = run.nodes().get(node).map(|node| node.url.clone()) else { return };
    let mut client = ToolClient::new(url);
    for _ in 0..AT_THE_END {
        look_up_one(&run, &mut client, node).await;
    }
}

async fn look_up_one(run: &CheckRun, client: &mut ToolClient, node: usize) {
    let (base, known_end) = {
        let history = &run.lock().history;
        (history.base(), history.known_end(node))
    };
    let is_absent = known_end <= base || rand::rng().random_ratio(1, LOOKUPS_PER_ABSENT);
    let id = match is_absent {
        true => known_end.max(base).saturating_add(FAR),
        false => rand::rng().random_range(base..known_end),
    };
    let found = match found(client, id).await {
        LookupAnswer::Message(..) if is_absent => LookupAnswer::Malformed("a message".to_owned()),
        found => found,
    };
    let mut state = run.lock();
    state.history.looked_up(node, id, known_end, &found);
    state.tried.lookups += 1;
}

async fn found(client: &mut ToolClient, id: u64) -> LookupAnswer {
    let Ok(answer) = client.get(&paths::message(id)).await else { return LookupAnswer::Nothing };
    match answer.status.as_u16() {
        200 => match serde_json::from_slice::<Message<'_>>(&answer.body) {
            Ok(body) => LookupAnswer::Message(body.id, body.message.into_owned()),
            Err(error) => LookupAnswer::Malformed(error.to_string()),
        },
        404 if is_no_such_message(&answer) => LookupAnswer::Absent,
        500.. => LookupAnswer::Nothing,
        status => LookupAnswer::Malformed(format!("{status}: {}", escaped(&answer.detail()))),
    }
}

fn is_no_such_message(answer: &Answer) -> bool {
    answer.parsed::<Problem>().is_ok_and(|problem| problem.code == ProblemCode::NoSuchMessage)
}
