//! Reading the nodes' lists, while the load runs and once more when it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use serde::Deserialize;
use tokio::time::sleep;

use super::history::Read;
use super::shared::Shared;
use crate::cli::client::Client;
use crate::cli::objects::Objects;
use crate::telemetry::escaped;

/// Most messages of one read.
const PAGE_MESSAGES: u64 = 10_000;

/// Pause of a watcher that has read all there is.
const PAUSE: Duration = Duration::from_millis(20);

/// Pause after a read that failed.
const PAUSE_FAILED: Duration = Duration::from_millis(100);

/// Each read of that number goes back to what was read before.
const READS_PER_LOOK_BACK: u64 = 20;

/// How often a page is asked for at the end before its node counts as unreadable.
const ATTEMPTS_MAX: u32 = 5;

#[derive(Deserialize)]
struct Row<'a> {
    id: u64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Reads what is new, and now and then what is old, until it is aborted.
pub(super) async fn watch(shared: Arc<Shared>, node: usize) {
    let Some(url) = shared.nodes.get(node).map(|node| node.url.clone()) else { return };
    let mut client = Client::new(url);
    for round in 1_u64.. {
        let end = shared.lock().history.end(node);
        let looks_back = round.is_multiple_of(READS_PER_LOOK_BACK) && end > 0;
        // The last message once more: a list that became shorter would look like one without news.
        let from =
            if looks_back { rand::rng().random_range(0..end) } else { end.saturating_sub(1) };
        match read(&shared, &mut client, node, from).await {
            Ok(next) if next - from >= PAGE_MESSAGES => {}
            Ok(_) => sleep(PAUSE).await,
            Err(_) => sleep(PAUSE_FAILED).await,
        }
    }
}

/// Reads the list of a node from its beginning up to `target`.
pub(super) async fn read_all(shared: Arc<Shared>, node: usize, target: u64) {
    let Some(url) = shared.nodes.get(node).map(|node| node.url.clone()) else { return };
    let mut client = Client::new(url);
    let (mut from, mut attempts) = (0, 0);
    while from < target {
        match read(&shared, &mut client, node, from).await {
            // What is missing was noted.
            Ok(next) if next == from => return,
            Ok(next) => (from, attempts) = (next, 0),
            Err(error) if attempts == ATTEMPTS_MAX => {
                shared.lock().history.unread(node, target, format!("{error:#}"));
                return;
            }
            Err(_) => {
                attempts += 1;
                sleep(PAUSE_FAILED).await;
            }
        }
    }
}

/// Reads a page and returns the id behind its last message.
///
/// # Errors
/// When there is no whole answer.
async fn read(shared: &Shared, client: &mut Client, node: usize, from: u64) -> anyhow::Result<u64> {
    let mut read = shared.lock().history.begin_read(node, from, PAGE_MESSAGES);
    let done = stream(shared, client, node, &mut read, from).await;
    let mut state = shared.lock();
    let next = read.next();
    if let Some(reads) = state.reads.get_mut(node) {
        reads.reads += 1;
        reads.messages += next - from;
        reads.failed += u64::from(done.is_err());
    }
    match done {
        Ok(true) => state.history.end_read(read),
        Ok(false) => {
            let seen = format!("{} messages and no end of the list", next - from);
            state.history.malformed(node, "a list of messages", seen);
        }
        Err(error) => return Err(error),
    }
    Ok(next)
}

/// Hands a page to the history while it arrives; whether the list has come to its end.
async fn stream(
    shared: &Shared,
    client: &mut Client,
    node: usize,
    read: &mut Read,
    from: u64,
) -> anyhow::Result<bool> {
    let mut body = client.list(from, PAGE_MESSAGES).await?;
    let mut objects = Objects::default();
    while let Some(piece) = client.next_piece(&mut body).await? {
        let history = &mut shared.lock().history;
        objects.add(&piece, |object| {
            match serde_json::from_slice::<Row<'_>>(object) {
                Ok(row) => history.row(read, row.id, &row.message),
                Err(_) => {
                    let part: String = String::from_utf8_lossy(object).chars().take(200).collect();
                    let seen = escaped(&part).into_owned();
                    history.malformed(node, "messages with id and message", seen);
                }
            }
            Ok(())
        })?;
    }
    Ok(objects.is_whole())
}
