//! The parsers of what clients send, as plain functions: for fuzz targets, which call them without
//! a node. Errors are the `detail` of the answer.

use acklog_protocol::Wait;
use acklog_types::{Batch, Faults};

use super::append::{self, ParsedAppend};
use super::problem::RequestProblem;
use super::read::ListingSelection;
use super::{faults, query};

/// Parses the body of `POST /newMessage`. Each message has at most `message_bytes_max` bytes.
///
/// # Errors
/// When the body is not one.
pub fn append_body(body: &[u8], message_bytes_max: usize) -> Result<(Batch, Wait), String> {
    let parsed = append::parse(body, message_bytes_max).map_err(detail)?;
    let ParsedAppend { batch, count: _, wait, receipt: _ } = parsed;
    Ok((batch, wait))
}

/// Parses the body of `PUT /faults`.
///
/// # Errors
/// When the body is not one.
pub fn faults_body(body: &[u8]) -> Result<Faults, String> {
    faults::parse(body).map_err(detail)
}

/// Parses the query of `GET /messages`. Returns the first id and the most messages that are shown.
///
/// # Errors
/// When the query is not one.
pub fn listing_query(query: Option<&str>) -> Result<(u64, u64), String> {
    let ListingSelection { from, limit } = query::selection(query).map_err(detail)?;
    Ok((from, limit))
}

/// Parses the query of `GET /messages/<id>`. Returns what to wait for before the message is shown;
/// none if there is nothing to wait for.
///
/// # Errors
/// When the query is not one.
pub fn wait_query(query: Option<&str>) -> Result<Option<Wait>, String> {
    query::wait(query).map_err(detail)
}

fn detail(problem: RequestProblem) -> String {
    problem.to_string()
}
