//! The parts with a budget, each alone: its cost for a message of 100 bytes. `cargo bench` prints
//! them.
//!
//! A budget is the most that a part may cost on a machine of about 3 GHz. An append at w=3 in
//! memory takes some 9 µs of one core on the master (110,000 messages a second), most of it in
//! system calls; the parts below may take a tenth of that together, so that nobody ever has to look
//! for the time here.

use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use acklog::server::http::{ListingForm, ListingRoom, MessageStream};
use acklog_log::{LogReader, LogWriter, in_memory};
use acklog_protocol::frame::{Frame, Request, decode, encode};
use acklog_protocol::{
    AppendRequest, GapBuffer, Input, Machine, Master, MasterOptions, RestoredMaster, STRANGERS_MAX,
    Wait,
};
use acklog_types::{
    Batch, IdRange, InBatch, LogEnd, LogId, MessageId, Records, RequestId, WaiterId, WriteConcern,
    encode_record,
};
use bytes::BytesMut;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

/// Bytes of a message.
const TEXT_BYTES: usize = 100;

/// Messages in an append batch: one, some, and about the 256 KiB that a batch may have.
const RUNS: [u64; 3] = [1, 64, 2048];

fn main() {
    divan::main();
}

fn text() -> String {
    "m".repeat(TEXT_BYTES)
}

fn range(from: u64, until: u64) -> IdRange {
    IdRange::new(LogEnd::new(from), LogEnd::new(until))
}

fn run(from: u64, messages: u64) -> Records {
    let (mut bytes, text) = (Vec::new(), text());
    for id in from..from + messages {
        encode_record(&mut bytes, MessageId::new(id), 0, None, &text, InBatch::Last);
    }
    Records::check(range(from, from + messages), bytes.into()).expect("what was just encoded")
}

/// Budget: 60 ns a message. Runs once for each message, on the thread that orders all of them: 60
/// ns are 16 million a second.
#[divan::bench(args = RUNS)]
fn encode_records(bencher: Bencher<'_, '_>, messages: u64) {
    let text = text();
    let mut out = Vec::with_capacity(run(0, messages).bytes());
    bencher.counter(ItemsCount::new(messages)).bench_local(|| {
        out.clear();
        for id in 0..messages {
            encode_record(&mut out, MessageId::new(id), 0, None, black_box(&text), InBatch::Last);
        }
        black_box(&out);
    });
}

/// Budget: 60 ns a message, or 2 GB/s. Runs once for each message on each secondary, and whenever a
/// file is read: a tenth of the time in which a loopback connection carries the same bytes would be
/// 250 ns.
#[divan::bench(args = RUNS)]
fn check_records(bencher: Bencher<'_, '_>, messages: u64) {
    let records = run(0, messages);
    bencher
        .counter(ItemsCount::new(messages))
        .counter(BytesCount::new(records.bytes()))
        .bench(|| Records::check(records.range(), black_box(records.as_bytes()).clone()));
}

/// Creates a master alone, whose clients wait for its own log.
fn master(senders: usize) -> (Master<LogReader>, LogWriter) {
    let (writer, reader) = in_memory();
    let options = MasterOptions {
        name: "master".parse().expect("a name"),
        log: LogId::new(7),
        request_timeout: Duration::from_secs(1),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Nodes(1),
        quorum: None,
        max_waiting: senders,
        max_strangers: STRANGERS_MAX,
        idempotency_window: 1,
        seed: 1,
    };
    (Master::new(Instant::now(), options, RestoredMaster::default(), reader), writer)
}

/// Lets clients wait, then releases all of them with one position. Budget: 500 ns a message for
/// both, whatever number waits: more cores do not help with the order, and half a microsecond
/// allows 2 million a second.
#[divan::bench(args = [64, 1024, 65_536])]
fn gate_release(bencher: Bencher<'_, '_>, senders: u64) {
    let (mut master, _writer) = master(senders as usize);
    let (now, mut next) = (Instant::now(), 0);
    bencher.counter(ItemsCount::new(senders)).bench_local(|| {
        for _ in 0..senders {
            let (wait, key, expected_end) = (Wait::default(), None, None);
            let request = AppendRequest { wait, key, expected_end, messages: 1, bytes: 64 };
            let taken = master.append(now, WaiterId::new(next), request);
            assert!(taken.is_ok(), "there is room for all of them");
            next += 1;
        }
        master.step(now, Input::Durable(LogEnd::new(next)));
        let released = std::iter::from_fn(|| master.poll_effect()).count();
        assert_eq!(released as u64, senders);
    });
}

/// Batches that arrive in reverse, so that all but the last wait, and then leave in order. Budget:
/// 300 ns a batch: as much as the head of its frame costs.
#[divan::bench(args = [16, 256])]
fn gap_buffer(bencher: Bencher<'_, '_>, runs: u64) {
    let all = run(0, runs * 8);
    let parts: Vec<Records> = (0..runs).map(|n| all.slice(range(n * 8, n * 8 + 8))).collect();
    bencher.counter(ItemsCount::new(runs)).bench(|| {
        let mut buffer = GapBuffer::new();
        for part in parts.iter().rev() {
            buffer.insert(part.clone());
        }
        let mut end = LogEnd::ZERO;
        while let Some(run) = buffer.pop(end) {
            end = run.range().end();
        }
        assert_eq!(end, all.range().end());
    });
}

fn add_message(messages: u64) -> Frame<Records> {
    Frame::Request(RequestId::new(1), Request::AddMessage { run: run(0, messages) })
}

/// Budget: 300 ns a frame, however long its batch is: the records are not copied.
#[divan::bench(args = RUNS)]
fn encode_frame(bencher: Bencher<'_, '_>, messages: u64) {
    let frame = add_message(messages);
    bencher.counter(ItemsCount::new(messages)).bench(|| encode(black_box(&frame)));
}

/// Budget: 300 ns a frame, plus the budget of `check_records`.
#[divan::bench(args = RUNS)]
fn decode_frame(bencher: Bencher<'_, '_>, messages: u64) {
    let encoded = encode(&add_message(messages));
    // The frame without the length before it.
    let mut bytes = BytesMut::from(encoded.head.as_ref()).split_off(4);
    bytes.extend_from_slice(&encoded.records);
    let bytes = bytes.freeze();
    bencher
        .counter(ItemsCount::new(messages))
        .counter(BytesCount::new(bytes.len()))
        .bench(|| decode(black_box(&bytes).clone()));
}

/// A listing of 100,000 messages, as JSON. Budget: 40 ns a message, or 3 GB/s: the time in which a
/// connection on this machine carries the bytes, so that a listing is at least half as fast as
/// ready-made bytes.
#[divan::bench(args = ["array", "lines"], sample_count = 30)]
fn json_streaming(bencher: Bencher<'_, '_>, form: &str) {
    const MESSAGES: u64 = 100_000;
    let form = if form == "lines" { ListingForm::LINES } else { ListingForm::ARRAY };
    let (mut writer, reader) = in_memory();
    let text = Batch::new(text());
    for _ in 0..MESSAGES {
        writer.append(0, None, &text);
    }
    writer.flush();
    let bytes = stream(&reader, MESSAGES, &form);
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .counter(BytesCount::new(bytes))
        .bench(|| stream(&reader, MESSAGES, &form));
}

/// Takes a listing as fast as it comes, and returns its bytes.
fn stream(log: &LogReader, messages: u64, form: &ListingForm) -> usize {
    let mut stream =
        MessageStream::new(log.clone(), ListingRoom::default(), range(0, messages), form.clone());
    let mut context = Context::from_waker(Waker::noop());
    let mut bytes = 0;
    loop {
        match stream.poll_chunk(&mut context) {
            Poll::Ready(Some(chunk)) => bytes += chunk.map_or(0, |chunk| black_box(chunk).len()),
            Poll::Ready(None) => return bytes,
            Poll::Pending => {}
        }
    }
}
