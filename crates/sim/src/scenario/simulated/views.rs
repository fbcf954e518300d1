//! What the simulated master says, as scenarios compare it.

use acklog_protocol::Outcome;
use acklog_types::LogEnd;

use crate::scenario::backend::{Reply, ReplyReceipt};
use crate::scenario::health::{MasterView, MemberView};

/// Returns an outcome as a reply.
pub(super) fn answer(outcome: Outcome) -> Reply {
    let receipt = |receipt: acklog_protocol::Receipt| ReplyReceipt {
        id: receipt.id.get(),
        write_concern: receipt.write_concern,
        acked_by: receipt.acked_by.iter().map(ToString::to_string).collect(),
    };
    match outcome {
        Outcome::Committed(it) => Reply::Stored(receipt(it)),
        Outcome::TimedOut(it) => Reply::TimedOut(receipt(it)),
        Outcome::ShuttingDown(it) => Reply::Unfinished(receipt(it), "stopping".to_owned()),
        Outcome::DiskFailed(it, fault) => Reply::Unfinished(receipt(it), fault.to_string()),
        Outcome::TooManyWaiting(it) => {
            Reply::Unfinished(receipt(it), "too many wait already".to_owned())
        }
        Outcome::Refused(refusal) => Reply::Refused(refusal.to_string()),
    }
}

/// Returns the health of the master as steps compare it.
pub(super) fn master_view(health: &acklog_protocol::MasterHealth) -> MasterView {
    let row = |row: &acklog_protocol::MemberHealth| MemberView {
        name: row.name.to_string(),
        status: row.status.as_str().to_owned(),
        phase: row.phase.as_str().to_owned(),
        acked: row.acked_end.map(LogEnd::get),
        lag: row.lag,
        retries: row.retries,
    };
    let refused = health.refused.iter().map(|row| {
        let name = row.name.as_ref().map(ToString::to_string);
        (name, row.code.as_str().to_owned(), row.log_end.map(LogEnd::get))
    });
    MasterView {
        end: health.log_end.get(),
        cluster_size: health.cluster_size,
        waiting: health.waiting_senders as u64,
        read_only: health.read_only,
        ready: health.is_ready(),
        secondaries: health.secondaries.iter().map(row).collect(),
        refused: refused.collect(),
    }
}
