//! `GET /messages/<id>/receipt`: which nodes have a message, and since when.

use std::time::{Duration, SystemTime};

use acklog_api::{MessageCopy, MessageReceipt, Storage};
use acklog_log::{LogReader, ReadError};
use acklog_protocol::CopyStatus;
use acklog_types::{self as types, Epoch, MessageId, rfc3339};
use hyper::Response;

use super::accepted::Accepted;
use super::problem::RequestProblem;
use super::response::{ResponseBody, json_response};
use crate::contract::millis_with_fraction;
use crate::server::node::{MasterHandle, wall_clock_ms_at};

/// Answers with the receipt of a message, or of the batch that it belongs to.
///
/// # Errors
/// When the node does not show a message of that id, or cannot read it.
pub(super) async fn receipt(
    master: &MasterHandle,
    id: u64,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let end = master.reader().durable_end();
    if id >= end.get() {
        return Err(RequestProblem::NoMessage { end });
    }
    let find = move |log: &LogReader| {
        let ids = log.batch_of(MessageId::new(id))?;
        Ok::<_, ReadError>((ids, log.accepted_ms(ids.start())?))
    };
    let (ids, accepted_ms) = master.reader().aside(find).await.map_err(ReadError::from)??;
    let copies = master.copies(ids.end()).await?;
    let accepted = SystemTime::UNIX_EPOCH + Duration::from_millis(accepted_ms);
    Ok(json_response(&MessageReceipt {
        id: ids.start().get(),
        count: ids.len(),
        epoch: Epoch::FIRST.get(),
        accepted_at: rfc3339(accepted),
        held_by: copies.iter().filter(|copy| copy.held).count() as u64,
        copies: copies.iter().map(|copy| row(copy, Some(accepted_ms))).collect(),
    }))
}

/// Returns the copies that an answer shows; none where the client asked for none.
pub(super) async fn copies_of(log: &LogReader, accepted: &Accepted) -> Option<Vec<MessageCopy>> {
    let copies = accepted.receipt.copies.as_deref()?;
    let at = accepted.receipt.id.before();
    // What the log tells is rarely needed, and may lie on a disk.
    let accepted_ms = match copies.iter().any(lacks_acceptance) {
        true => log.aside(move |log| log.accepted_ms(at)).await.ok().and_then(Result::ok),
        false => None,
    };
    Some(copies.iter().map(|copy| row(copy, accepted_ms)).collect())
}

/// Appends the member that shows copies, behind others; nothing without copies.
pub(super) fn write_copies(out: &mut Vec<u8>, copies: Option<&[MessageCopy]>) {
    let Some(copies) = copies else { return };
    out.extend_from_slice(b",\"copies\":");
    serde_json::to_writer(out, copies).expect("numbers and strings always have a JSON form");
}

/// Returns whether a copy was acked at a time that is known, and the moment at which its message
/// was accepted is forgotten.
fn lacks_acceptance(copy: &CopyStatus) -> bool {
    copy.acked_at.is_some() && copy.after.is_none()
}

/// Returns the row of a copy, of a message that was accepted at this time by the wall clock, which
/// stands in for the moment where that is forgotten.
fn row(copy: &CopyStatus, accepted_ms: Option<u64>) -> MessageCopy {
    let storage = |storage| match storage {
        types::Storage::Memory => Storage::Memory,
        types::Storage::Disk => Storage::Disk,
    };
    let by_wall_clock = || {
        let acked_ms = wall_clock_ms_at(copy.acked_at?);
        Some(acked_ms.saturating_sub(accepted_ms?) as f64)
    };
    MessageCopy {
        node: copy.node.to_string(),
        held: copy.held,
        storage: copy.storage.map(storage),
        after_ms: copy.after.map(millis_with_fraction).or_else(by_wall_clock),
        attempts: copy.attempts.map(u64::from),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn where_the_moment_of_acceptance_is_forgotten_the_wall_clock_stands_in_for_it() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let accepted_ms = now.as_millis() as u64 - 60_000;
        let copy = |acked_at, after| CopyStatus {
            node: "bonnie".parse().unwrap(),
            held: true,
            storage: None,
            acked_at,
            after,
            attempts: None,
        };
        let after = |copy, accepted_ms| row(&copy, accepted_ms).after_ms;
        let acked = Instant::now().checked_sub(Duration::from_secs(20));
        let known = Some(Duration::from_micros(1500));
        assert_eq!(after(copy(acked, known), Some(accepted_ms)), Some(1.5));
        let told = after(copy(acked, None), Some(accepted_ms)).unwrap();
        assert!((39_000.0..=41_000.0).contains(&told) && told.fract() == 0.0, "{told}");
        assert_eq!(after(copy(acked, None), Some(u64::MAX)), Some(0.0), "the clock went back");
        assert_eq!(after(copy(acked, None), None), None);
        assert_eq!(after(copy(None, None), Some(accepted_ms)), None, "it is not acked");
    }
}
