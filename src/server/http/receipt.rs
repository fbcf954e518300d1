//! `GET /messages/<id>/receipt`: which nodes have a message, and since when.

use std::time::{Duration, SystemTime};

use acklog_api::{MessageCopy, MessageReceipt, Storage};
use acklog_log::{LogReader, ReadError};
use acklog_protocol::CopyStatus;
use acklog_types::{self as types, Epoch, MessageId, rfc3339};
use hyper::Response;

use super::accepted::Accepted;
use super::health::millis_with_fraction;
use super::problem::RequestProblem;
use super::response::{ResponseBody, json_response};
use crate::server::node::MasterHandle;

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
        copies: copies.iter().map(row).collect(),
    }))
}

/// Returns the copies that an answer shows; none where the client asked for none.
pub(super) fn copies_of(accepted: &Accepted) -> Option<Vec<MessageCopy>> {
    let copies = accepted.receipt.copies.as_deref()?;
    Some(copies.iter().map(row).collect())
}

/// Appends the member that shows copies, behind others; nothing without copies.
pub(super) fn write_copies(out: &mut Vec<u8>, copies: Option<&[MessageCopy]>) {
    let Some(copies) = copies else { return };
    out.extend_from_slice(b",\"copies\":");
    serde_json::to_writer(out, copies).expect("numbers and strings always have a JSON form");
}

fn row(copy: &CopyStatus) -> MessageCopy {
    let storage = |storage| match storage {
        types::Storage::Memory => Storage::Memory,
        types::Storage::Disk => Storage::Disk,
    };
    MessageCopy {
        node: copy.node.to_string(),
        held: copy.held,
        storage: copy.storage.map(storage),
        after_ms: copy.after.map(millis_with_fraction),
        attempts: copy.attempts.map(u64::from),
    }
}
