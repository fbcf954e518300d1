//! Reads the nodes' lists, while the load runs and once more when it is over.

mod objects;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use acklog_judge::ListReading;
use acklog_types::escaped;
use rand::RngExt;
use tokio::time::sleep;

use self::rows::{ListForm, ListRows};
use super::check_run::{CheckRun, OLD_PLACE_MESSAGES};
use crate::cli::client::ToolClient;

/// Most messages of one read.
const PAGE_MESSAGES: u64 = 10_000;

/// Pause of a watcher that has read all messages.
const PAUSE: Duration = Duration::from_millis(20);

/// Pause after a read that failed.
const PAUSE_FAILED: Duration = Duration::from_millis(100);

/// One read out of this many goes back to messages that were read before.
const READS_PER_LOOK_BACK: u64 = 20;

/// Attempts to read a page at the end before its node counts as unreadable.
const ATTEMPTS_MAX: u32 = 5;

/// A watcher of one node's lists.
struct ListWatcher<'a> {
    run: &'a CheckRun,
    node: usize,
    client: ToolClient,
}

/// Reads new messages, and now and then old ones, until it is aborted.
pub(super) async fn watch(run: Arc<CheckRun>, node: usize) {
    let Some(mut reader) = ListWatcher::new(&run, node) else { return };
    let base = run.lock().history.base();
    for round in 1_u64.. {
        let end = run.lock().history.end(node).max(base);
        let looks_back = round.is_multiple_of(READS_PER_LOOK_BACK) && end > base;
        // The last message is read again: a list that became shorter would look like one without
        // news.
        let from = match looks_back {
            true => rand::rng().random_range(base..end),
            false => end.saturating_sub(1).max(base),
        };
        match reader.read(from, PAGE_MESSAGES, ListForm::any()).await {
            Ok(next) if next - from >= PAGE_MESSAGES => {}
            Ok(_) => sleep(PAUSE).await,
            Err(_) => sleep(PAUSE_FAILED).await,
        }
    }
}

/// Reads the log from before the run at the places that all nodes must show alike, then all
/// messages of the run, up to `target`.
pub(super) async fn read_all(run: Arc<CheckRun>, node: usize, target: u64) {
    let Some(mut reader) = ListWatcher::new(&run, node) else { return };
    for place in &run.old_places {
        let until = (place + OLD_PLACE_MESSAGES).min(run.lock().history.base());
        reader.read_range(*place, until, ListForm::any()).await;
    }
    let base = run.lock().history.base();
    let form = ListForm::any();
    reader.read_range(base, target, form).await;
    // Each form is read at least once, however few pages there are.
    let first_page = target.min(base.saturating_add(PAGE_MESSAGES));
    reader.read_range(base, first_page, form.other()).await;
}

impl<'a> ListWatcher<'a> {
    fn new(run: &'a CheckRun, node: usize) -> Option<Self> {
        let url = run.nodes().get(node)?.url.clone();
        Some(Self { run, node, client: ToolClient::new(url) })
    }

    /// Reads from one id to another, page by page. The history notes a page that cannot be read.
    async fn read_range(&mut self, mut from: u64, until: u64, form: ListForm) {
        let mut attempts = 0;
        while from < until {
            match self.read(from, PAGE_MESSAGES.min(until - from), form).await {
                // The history has noted what is missing.
                Ok(next) if next == from => return,
                Ok(next) => (from, attempts) = (next, 0),
                Err(error) if attempts == ATTEMPTS_MAX => {
                    let why = format!("{error:#}");
                    self.run.lock().history.unread(self.node, until, why);
                    return;
                }
                Err(_) => {
                    attempts += 1;
                    sleep(PAUSE_FAILED).await;
                }
            }
        }
    }

    /// Reads a page and returns the id after its last message.
    ///
    /// # Errors
    /// When the answer is not complete.
    async fn read(&mut self, from: u64, limit: u64, form: ListForm) -> anyhow::Result<u64> {
        let mut read = self.run.lock().history.begin_list(self.node, from, limit);
        let done = self.stream(&mut read, from, limit, form).await;
        let mut state = self.run.lock();
        let next = read.next();
        if let Some(reads) = state.reads.get_mut(self.node) {
            reads.reads += 1;
            reads.messages += next - from;
            reads.failed += u64::from(done.is_err());
        }
        match done {
            Ok(true) => state.history.end_list(read),
            Ok(false) => {
                let seen = format!("{} messages and no end of the list", next - from);
                state.history.malformed_list(self.node, form.expected(), seen);
            }
            Err(error) => return Err(error),
        }
        Ok(next)
    }

    /// Adds a page to the history while it arrives; returns whether the list is complete.
    ///
    /// # Errors
    /// When the node cannot be reached, or the answer ends early.
    async fn stream(
        &mut self,
        read: &mut ListReading,
        from: u64,
        limit: u64,
        form: ListForm,
    ) -> anyhow::Result<bool> {
        let mut body = self.client.list_as(from, limit, form.accept()).await?;
        let mut rows = ListRows::new(form);
        while let Some(piece) = self.client.next_piece(&mut body).await? {
            let history = &mut self.run.lock().history;
            rows.add(&piece, |row| match row {
                Ok(row) => history.row(read, row.id, &row.message),
                Err(text) => {
                    let part: String = String::from_utf8_lossy(text).chars().take(200).collect();
                    let seen = escaped(&part).into_owned();
                    history.malformed_list(self.node, form.expected(), seen);
                }
            })?;
        }
        Ok(rows.is_whole())
    }
}
