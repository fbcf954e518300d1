//! Frames of a peer that may be broken or hostile, made of bytes. Each is one that a peer can send:
//! what the decoder refuses never reaches a machine.

use std::time::Duration;

use acklog_protocol::frame::{
    ErrorCode, Frame, Handshake, NodeFacts, Positions, ProtocolVersion, RefusalCode, Request,
    Response, Welcome,
};
use acklog_types::{
    Checksum, Epoch, HEARTBEAT_INTERVAL_MAX, IdRange, InBatch, InstanceId, LogEnd, LogId, LogView,
    NodeName, Records, RequestId, encode_record,
};

use crate::bytes_in::BytesIn;

/// The log that a node of the targets has.
pub(crate) const LOG: LogId = LogId::new(7);

/// Names of peers; the first one is the node's own where it is a master.
pub(crate) const NAMES: [&str; 5] = ["master", "bonnie", "clyde", "stray", "d"];

/// Returns one of the names.
pub(crate) fn some_name(input: &mut BytesIn<'_>) -> NodeName {
    input.one_of(NAMES).parse().expect("a name")
}

/// Returns a message's text: the same wherever it comes from, so that logs can be alike.
pub(crate) fn text_of(id: u64) -> String {
    format!("Msg{id}")
}

/// The facts that a peer can know of a node.
pub(crate) struct Known<'a, L> {
    /// The node's log.
    pub(crate) log: &'a L,
    /// The log's end.
    pub(crate) end: LogEnd,
    /// Positions that matter.
    pub(crate) positions: &'a [u64],
    /// Numbers of its requests.
    pub(crate) requests: &'a [RequestId],
}

/// Returns a frame.
pub(crate) fn some_frame<L: LogView>(
    known: &Known<'_, L>,
    input: &mut BytesIn<'_>,
) -> Frame<Records> {
    let kind = input.below(13);
    let id = some_request(known.requests, input);
    let mut end = || LogEnd::new(input.position(known.positions));
    let request = |request| Frame::Request(id, request);
    let response = |response| Frame::Response(id, response);
    match kind {
        0 => request(Request::from(some_handshake(known, input))),
        1 => {
            let version = u16::from(input.byte());
            let is_spoken = ProtocolVersion::spoken(version).is_some();
            request(Request::HandshakeOfVersion(if is_spoken { 0 } else { version }))
        }
        2 => request(Request::GetMessages { from: end(), again: input.flag() }),
        3 => request(Request::SecondaryNodeReady { end: end() }),
        4 => {
            let run = some_run(known.positions, input);
            let positions = positions_at(run.range().end());
            request(Request::AddMessage { run, positions })
        }
        5 => {
            let log_end = end();
            request(Request::Heartbeat { log_end, positions: positions_at(log_end) })
        }
        6 => response(Response::from(Welcome {
            log_end: end(),
            master: some_name(input),
            log: if input.below(8) == 0 { LogId::new(8) } else { LOG },
            epoch: Epoch::FIRST,
            heartbeat_interval: input.one_of([
                Duration::from_secs(1),
                Duration::from_millis(1),
                HEARTBEAT_INTERVAL_MAX,
                Duration::from_secs(366 * 24 * 3600),
            ]),
            node: NodeFacts::default(),
            positions: Positions::default(),
        })),
        7 => response(Response::Refused { code: some_refusal(input), detail: "no".to_owned() }),
        8 => {
            let log_end = end();
            let run = some_run(known.positions, input);
            response(Response::Page { run, log_end, positions: positions_at(log_end) })
        }
        9 => response(Response::ReadyNoted),
        10 => response(Response::Added { contiguous_end: end() }),
        11 => response(Response::Alive),
        _ => {
            let code = input.one_of([ErrorCode::Internal, ErrorCode::NoRoom]);
            response(Response::Failed { code, detail: "no".to_owned() })
        }
    }
}

/// Returns the positions of a master that claims that all nodes hold its log up to `end`.
fn positions_at(end: LogEnd) -> Positions {
    Positions {
        committed_end: Some(end),
        all_end: end,
        cluster_size: Some(3),
        ..Positions::default()
    }
}

fn some_request(known: &[RequestId], input: &mut BytesIn<'_>) -> RequestId {
    let choice = input.byte();
    match choice {
        0..=191 => {
            let at = usize::from(choice) % known.len().max(1);
            known.get(at).copied().unwrap_or(RequestId::new(0))
        }
        192..=247 => RequestId::new(u64::from(choice % 8)),
        _ => RequestId::new(input.number()),
    }
}

fn some_handshake<L: LogView>(known: &Known<'_, L>, input: &mut BytesIn<'_>) -> Handshake {
    let (name, instance) = (some_name(input), InstanceId::new(input.below(3).into()));
    let log = input.one_of([Some(LOG), None, Some(LOG), Some(LogId::new(8))]);
    let end = LogEnd::new(input.position(known.positions));
    let checksum = match input.below(4) {
        0 => None,
        2.. if end <= known.end => known.log.checksum_below(end).ok().flatten(),
        _ => Some(Checksum::new(input.byte().into())),
    };
    Handshake { log, end, checksum, ..Handshake::new(name, instance) }
}

fn some_refusal(input: &mut BytesIn<'_>) -> RefusalCode {
    input.one_of([
        RefusalCode::Version,
        RefusalCode::NameTaken,
        RefusalCode::ClusterFull,
        RefusalCode::OtherLog,
        RefusalCode::LongerLog,
        RefusalCode::OtherRecord,
        RefusalCode::NotListed,
        RefusalCode::Epoch,
    ])
}

/// Returns a run of messages, some of them long, some of them batches.
fn some_run(positions: &[u64], input: &mut BytesIn<'_>) -> Records {
    let (first, bits) = (input.position(positions), input.byte());
    let count = u64::from(bits % 5).min(u64::MAX - first);
    let mut bytes = Vec::new();
    for (nth, id) in (first..first + count).enumerate() {
        let in_batch = match bits & 0x40 {
            0 => InBatch::Last,
            _ => InBatch::at(nth, count as usize),
        };
        let text = if bits & 0x80 == 0 { text_of(id) } else { "x".repeat(70_000) };
        encode_record(&mut bytes, LogEnd::new(id).next_id(), 1, None, &text, in_batch);
    }
    let range = IdRange::new(LogEnd::new(first), LogEnd::new(first + count));
    Records::check(range, bytes.into()).expect("records that were just encoded")
}
