//! The answers to the lines of an append stream, as lines.

use std::collections::HashMap;

use acklog_api::MessageCopy;
use acklog_protocol::{Outcome, Receipt};

use super::committed;
use crate::contract::json::write_number;
use crate::server::http::accepted::{Accepted, RequestKind, write_acks};
use crate::server::http::problem::RequestProblem;
use crate::server::http::receipt::write_copies;
use crate::server::node::LineOutcome;

/// What a line's answer depends on, besides its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineKind {
    /// Whether it has an idempotency key.
    pub(super) is_keyed: bool,
    /// The number of messages; none where it has a single one, and not as a batch.
    pub(super) count: Option<usize>,
}

/// An answer that is to show the copies.
pub(super) struct ReceiptAnswer {
    pub(super) line: u64,
    pub(super) accepted: Accepted,
}

/// The kinds of the lines that wait for their answers, without those of plain ones.
#[derive(Debug, Default)]
pub(super) struct LineKinds(HashMap<u64, LineKind>);

impl LineKinds {
    /// Notes the kind of a line.
    pub(super) fn note(&mut self, line: u64, kind: LineKind) {
        if kind != LineKind::default() {
            self.0.insert(line, kind);
        }
    }

    /// Returns whether these lines in a row are plain ones.
    fn are_plain(&self, first: u64, count: u64) -> bool {
        self.0.is_empty() || (first..first + count).all(|line| !self.0.contains_key(&line))
    }

    /// Returns the kind of a line, which is answered now.
    fn take(&mut self, line: u64) -> LineKind {
        if self.0.is_empty() {
            LineKind::default()
        } else {
            self.0.remove(&line).unwrap_or_default()
        }
    }
}

/// Appends the answers to lines, until `out` has `bytes_max` bytes; those that are to show the
/// copies go to `receipts` instead. Returns the rest of them; none if all are there.
pub(super) fn write_answers(
    out: &mut Vec<u8>,
    receipts: &mut Vec<ReceiptAnswer>,
    answered: LineOutcome,
    kinds: &mut LineKinds,
    bytes_max: usize,
) -> Option<LineOutcome> {
    let LineOutcome { line, count, outcome } = answered;
    if let (Outcome::Committed(receipt), 2..) = (&outcome, count)
        && kinds.are_plain(line, count)
    {
        let written = write_series(out, line, count, receipt, bytes_max);
        let rest = LineOutcome { line: line + written, count: count - written, outcome };
        return (rest.count > 0)
            .then(|| LineOutcome { outcome: rest.outcome.nth(written), ..rest });
    }
    for n in 0..count {
        let (line, outcome) = (line + n, outcome.clone().nth(n));
        let LineKind { is_keyed, count } = kinds.take(line);
        match committed(outcome, count) {
            Ok(accepted) if accepted.receipt.copies.is_some() => {
                receipts.push(ReceiptAnswer { line, accepted });
            }
            Ok(accepted) => write_accepted(out, line, &accepted, None),
            Err(problem) => write_problem(out, line, &problem, is_keyed),
        }
    }
    None
}

/// Appends the answer to a line that is not appended.
pub(super) fn write_problem(
    out: &mut Vec<u8>,
    line: u64,
    problem: &RequestProblem,
    is_keyed: bool,
) {
    out.extend_from_slice(&problem.line(line, RequestKind::Append { keyed: is_keyed }));
}

/// Appends the answer to a line whose write concern holds, with the copies where it is to show
/// them.
pub(super) fn write_accepted(
    out: &mut Vec<u8>,
    line: u64,
    accepted: &Accepted,
    copies: Option<&[MessageCopy]>,
) {
    out.extend_from_slice(b"{\"line\":");
    write_number(out, line);
    out.push(b',');
    accepted.write(out);
    write_copies(out, copies);
    out.extend_from_slice(b"}\n");
}

/// Appends the answers to lines in a row, which differ in their numbers alone. Returns how many.
fn write_series(
    out: &mut Vec<u8>,
    line: u64,
    count: u64,
    receipt: &Receipt,
    bytes_max: usize,
) -> u64 {
    let mut acks = vec![b','];
    write_acks(&mut acks, receipt);
    acks.extend_from_slice(b"}\n");
    for n in 0..count {
        if out.len() >= bytes_max && n > 0 {
            return n;
        }
        out.extend_from_slice(b"{\"line\":");
        write_number(out, line + n);
        out.extend_from_slice(b",\"id\":");
        write_number(out, receipt.id.get() + n);
        out.extend_from_slice(&acks);
    }
    count
}
