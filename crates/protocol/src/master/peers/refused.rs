//! The secondaries that were refused lately, so that the operator of the master learns of them.

use std::time::{Duration, Instant};

use acklog_types::{LogEnd, NodeName};

use crate::frame::RefusalCode;
use crate::status::RefusedHealth;

/// Time for which a refusal is reported. Shorter: a secondary that dials rarely would be missing
/// between two attempts. Longer: one that was mended long ago would still be reported.
const TOLD_FOR: Duration = Duration::from_secs(5 * 60);

/// Most refused secondaries that are reported. Fewer: one of a misconfigured cluster would be
/// missing. More: whoever invents names would take more memory.
const ROWS_MAX: usize = 16;

/// A secondary that was refused.
#[derive(Clone, Debug)]
pub(super) struct RefusedRow {
    /// Its name; none where the handshake could not be read, since it is of another version.
    pub(super) name: Option<NodeName>,
    pub(super) code: RefusalCode,
    pub(super) log_end: Option<LogEnd>,
    /// It has messages that are not this log's.
    pub(super) has_other_messages: bool,
    /// The reason, for its operator.
    pub(super) detail: String,
}

/// The last refusal of each secondary.
#[derive(Debug, Default)]
pub(super) struct RefusedRows(Vec<(Instant, RefusedRow)>);

impl RefusedRows {
    /// Notes a refusal, in place of the one before of this name. Returns whether it is another one.
    pub(super) fn insert(&mut self, now: Instant, refused: RefusedRow) -> bool {
        let before = self.0.iter().position(|(_, other)| other.name == refused.name);
        let before = before.map(|at| self.0.remove(at).1.detail);
        let is_news = before.as_ref() != Some(&refused.detail);
        if self.0.len() >= ROWS_MAX {
            // Those with messages are kept for longer: on them it depends whether the node is
            // ready.
            let first =
                |(_, (at, row)): &(usize, &(Instant, RefusedRow))| (row.has_other_messages, *at);
            if let Some((oldest, _)) = self.0.iter().enumerate().min_by_key(first) {
                self.0.remove(oldest);
            }
        }
        self.0.push((now, refused));
        is_news
    }

    /// Removes the row of a secondary that was admitted.
    pub(super) fn remove(&mut self, name: &NodeName) {
        self.0.retain(|(_, row)| row.name.as_ref() != Some(name));
    }

    /// Returns whether a secondary with messages that are not this log's was refused lately.
    pub(super) fn has_other_messages(&self, now: Instant) -> bool {
        self.lately(now).any(|(_, row)| row.has_other_messages)
    }

    /// Returns a row for each secondary that was refused lately, the last one first.
    pub(super) fn health(&self, now: Instant) -> Vec<RefusedHealth> {
        let row = |(ago, row): (Duration, &RefusedRow)| RefusedHealth {
            name: row.name.clone(),
            code: row.code,
            log_end: row.log_end,
            last_seen: Some(ago),
        };
        self.lately(now).map(row).collect()
    }

    fn lately(&self, now: Instant) -> impl Iterator<Item = (Duration, &RefusedRow)> {
        let ago = move |(at, row)| (now.saturating_duration_since(at), row);
        let rows = self.0.iter().rev().map(move |(at, row)| ago((*at, row)));
        rows.filter(|(ago, _)| *ago < TOLD_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, has_other_messages: bool) -> RefusedRow {
        let (name, log_end) = (Some(name.parse().unwrap()), Some(LogEnd::new(3)));
        let detail = "it has 3 messages".to_owned();
        RefusedRow { name, code: RefusalCode::OtherLog, log_end, has_other_messages, detail }
    }

    fn names(rows: &RefusedRows, now: Instant) -> Vec<String> {
        let rows = rows.health(now);
        rows.into_iter().filter_map(|row| row.name).map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_refusal_is_told_for_five_minutes_and_until_the_secondary_is_let_in() {
        let (mut rows, start) = (RefusedRows::default(), Instant::now());
        assert!(rows.insert(start, refused("bonnie", true)));
        assert!(rows.insert(start + Duration::from_secs(1), refused("clyde", false)));
        assert!(!rows.insert(start + Duration::from_secs(2), refused("bonnie", true)));
        assert_eq!(names(&rows, start + Duration::from_secs(300)), ["bonnie", "clyde"]);
        assert_eq!(names(&rows, start + Duration::from_secs(301)), ["bonnie"]);
        assert!(rows.has_other_messages(start + Duration::from_secs(301)));
        assert!(!rows.has_other_messages(start + Duration::from_secs(302)));
        rows.remove(&"bonnie".parse().unwrap());
        assert_eq!(names(&rows, start + Duration::from_secs(3)), ["clyde"]);
    }

    #[test]
    fn invented_names_leave_sixteen_rows_and_none_less_that_tells_of_messages() {
        let (mut rows, start) = (RefusedRows::default(), Instant::now());
        rows.insert(start, refused("bonnie", true));
        for n in 0..1000 {
            assert!(rows.insert(start, refused(&format!("x{n}"), false)));
        }
        let told = names(&rows, start);
        assert_eq!(told.len(), ROWS_MAX);
        assert!(told.contains(&"bonnie".to_owned()) && told.contains(&"x999".to_owned()));
    }
}
