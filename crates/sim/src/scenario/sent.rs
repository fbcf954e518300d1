//! The messages that a scenario sent, compared with the replies and with what nodes show.

use std::collections::BTreeMap;

use acklog_types::NodeName;

use super::action::AppendStep;
use super::backend::{Backend, Reply, Shown, Ticket};

/// All messages that were sent, in order.
#[derive(Debug, Default)]
pub(super) struct SentMessages {
    all: Vec<(AppendStep, Ticket)>,
    /// Last request under each label.
    labels: BTreeMap<String, Ticket>,
}

impl SentMessages {
    pub(super) fn note(&mut self, append: AppendStep, ticket: Ticket) {
        self.labels.insert(append.label.clone(), ticket);
        self.all.push((append, ticket));
    }

    pub(super) fn note_wait(&mut self, label: &str, ticket: Ticket) {
        self.labels.insert(label.to_owned(), ticket);
    }

    /// Returns the appends behind the first `from` ones, in order.
    pub(super) fn appends_from(&self, from: usize) -> impl Iterator<Item = &AppendStep> {
        self.all.iter().skip(from).map(|(append, _)| append)
    }

    /// Returns the last request under a label.
    pub(super) fn ticket(&self, label: &str) -> Option<Ticket> {
        self.labels.get(label).copied()
    }

    /// Compares what a node shows with what was sent and answered.
    ///
    /// # Errors
    /// When a message is missing that was answered with the node's name, or has another id, or
    /// something is shown more often than it was sent.
    pub(super) fn judge(
        &self,
        node: &NodeName,
        shown: &Shown,
        backend: &mut impl Backend,
    ) -> Result<(), String> {
        for (append, ticket) in &self.all {
            let Some(answered) = backend.answer(*ticket) else { continue };
            let (Reply::Stored(receipt) | Reply::TimedOut(receipt)) = answered.answer else {
                continue;
            };
            if !receipt.acked_by.iter().any(|name| name == node.as_str()) {
                continue;
            }
            for (id, text) in (receipt.id..).zip(&append.texts) {
                let is_it = |(its, shown): &&(u64, String)| *its == id && shown == text;
                if !shown.iter().any(|message| is_it(&message)) {
                    let seen = shown.iter().find(|(its, _)| *its == id);
                    let seen = seen.map_or("nothing", |(_, text)| text);
                    return Err(format!(
                        "{node} acked {text:?} as message {id}, and shows {seen:?} there"
                    ));
                }
            }
        }
        self.judge_counts(node, shown)
    }

    fn judge_counts(&self, node: &NodeName, shown: &Shown) -> Result<(), String> {
        let (mut sent, mut keys) = (BTreeMap::<&str, usize>::new(), Vec::new());
        for (append, _) in &self.all {
            // What was sent again under its key is one message.
            if let Some(key) = &append.key {
                if keys.contains(&key) {
                    continue;
                }
                keys.push(key);
            }
            for text in &append.texts {
                *sent.entry(text).or_default() += 1;
            }
        }
        for (_, text) in shown {
            match sent.get_mut(text.as_str()) {
                Some(left @ 1..) => *left -= 1,
                Some(_) => {
                    return Err(format!("{node} shows {text:?} more often than it was sent"));
                }
                None => return Err(format!("{node} shows {text:?}, which nobody sent")),
            }
        }
        Ok(())
    }
}

/// Returns whether ids are 0, 1, 2, … without a gap or a repetition.
pub(super) fn is_dense(shown: &Shown) -> bool {
    shown.iter().enumerate().all(|(at, (id, _))| *id == at as u64)
}

/// Formats a list for the report of a failure.
pub(super) fn list(shown: &Shown) -> String {
    const MESSAGES_MAX: usize = 40;
    let texts: Vec<String> = shown
        .iter()
        .take(MESSAGES_MAX)
        .map(|(id, text)| format!("{id} {}", text.chars().take(40).collect::<String>()))
        .collect();
    let more = shown.len().saturating_sub(MESSAGES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("[{}{more}]", texts.join(", "))
}
