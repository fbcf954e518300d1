//! Embeds the protocol: a master and a secondary in one thread, without sockets, timers or files.
//!
//! The state machines decide; this program does what they want done. It appends one message with
//! w=2, carries frames from one machine to the other, and prints the answer and what happened on
//! the way. Usage: `embed_protocol [TEXT]`.

use std::env;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, LogWriter, in_memory};
use acklog_protocol::frame::Frame;
use acklog_protocol::{
    Admission, AppendRequest, Detail, Effect, FollowerEffect, FollowerInput, Input, LeaderEffect,
    LeaderInput, Machine, Master, MasterOptions, Outcome, ReadOrder, RestoredMaster,
    RestoredSecondary, STRANGERS_MAX, Secondary, SecondaryOptions, Wait,
};
use acklog_types::{
    Batch, IdRange, InstanceId, LogId, Records, SessionId, WaiterId, WriteConcern, record_bytes,
};

/// The one connection between the two nodes.
const SESSION: SessionId = SessionId::new(1);

fn main() {
    let text = env::args().nth(1).unwrap_or_else(|| "hello".to_owned());
    // A program that waits for real would read a clock, and call `handle_timeout` at
    // `next_deadline`.
    let now = Instant::now();
    let (mut log, reader) = in_memory();
    let mut master = Master::new(now, master_options(), RestoredMaster::default(), reader.clone());
    let (copy, copy_reader) = in_memory();
    let restored = RestoredSecondary::default();
    let secondary = Secondary::new(now, secondary_options(), restored, copy_reader.clone());
    let mut follower = Follower { machine: secondary, log: copy, reader: copy_reader, now };
    master.events().set_detail(Detail::Frames);
    follower.machine.events().set_detail(Detail::Frames);

    let batch = Batch::from(text.as_str());
    let wait = Wait::until(Some(WriteConcern::Nodes(2)), None);
    let (key, bytes) = (None, record_bytes(None, &batch));
    let request = AppendRequest { wait, key, expected_end: None, messages: 1, bytes };
    let admitted = master.append(now, WaiterId::new(1), request);
    assert!(matches!(admitted, Ok(Admission::Append(_))), "{admitted:?}");
    log.append(0, None, &batch);
    log.flush();
    master.step(now, Input::Durable(log.end()));

    let answer = loop {
        follower.act(&mut master);
        if let Some(answer) = lead(now, &mut master, &reader, &mut follower) {
            break answer;
        }
    };
    match answer {
        Outcome::Committed(receipt) => {
            let nodes: Vec<&str> = receipt.acked_by.iter().map(|name| name.as_str()).collect();
            println!("id {}, acked by {}", receipt.id, nodes.join(", "));
        }
        other => println!("{other:?}"),
    }
}

/// Does what the master wants. Returns the client's answer once there is one.
fn lead(
    now: Instant,
    master: &mut Master<LogReader>,
    log: &LogReader,
    follower: &mut Follower,
) -> Option<Outcome> {
    while let Some(effect) = master.poll_effect() {
        while let Some(event) = master.poll_event() {
            println!("master: {}", event.kind());
        }
        match effect {
            Effect::Send { session, frame } => {
                let input = Input::Frame { session, frame: with_records(frame, log) };
                follower.machine.step(now, input);
            }
            Effect::Read { session, order } => {
                let found = Ok(read(log, order));
                master.step(now, Input::Read { session, found });
            }
            // The names of the secondaries that count. Here they need not outlive the program.
            Effect::Role(LeaderEffect::Remember { version, .. }) => {
                master.step(now, LeaderInput::Remembered(version).into());
            }
            Effect::Role(LeaderEffect::Release { outcome, .. }) => return Some(outcome),
            other => panic!("nothing goes wrong here: {other:?}"),
        }
    }
    None
}

/// A secondary with its log.
struct Follower {
    machine: Secondary<LogReader>,
    log: LogWriter,
    reader: LogReader,
    now: Instant,
}

impl Follower {
    /// Does what the secondary wants.
    fn act(&mut self, master: &mut Master<LogReader>) {
        // It dials when the time has come, which is at once.
        self.machine.handle_timeout(self.now);
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Send { session, frame } => {
                    let input = Input::Frame { session, frame: with_records(frame, &self.reader) };
                    master.step(self.now, input);
                }
                Effect::Role(FollowerEffect::Dial) => {
                    let address = "this process".to_owned();
                    let up = LeaderInput::SessionUp { session: SESSION, address };
                    master.step(self.now, up.into());
                    self.machine.step(self.now, FollowerInput::Connected(SESSION).into());
                }
                Effect::Role(FollowerEffect::Append(run)) => {
                    let log = self.machine.log_id().expect("messages come from a log");
                    self.log.append_run(log, &run);
                    self.log.flush();
                    self.machine.step(self.now, Input::Durable(self.log.end()));
                }
                other => panic!("nothing goes wrong here: {other:?}"),
            }
        }
        while let Some(event) = self.machine.poll_event() {
            println!("bonnie: {}", event.kind());
        }
    }
}

/// Puts records in the place of their ids, as a frame has them on the wire.
fn with_records(frame: Frame<IdRange>, log: &LogReader) -> Frame<Records> {
    frame.try_map(|range| log.read_range(range)).expect("what is durable can be read")
}

/// Reads what the master asked for.
fn read(log: &LogReader, order: ReadOrder) -> (IdRange, usize) {
    let records = log.read(order.from, order.until, order.max_bytes);
    let records = records.expect("what is durable can be read");
    (records.range(), records.bytes())
}

fn master_options() -> MasterOptions {
    let second = Duration::from_secs(1);
    MasterOptions {
        name: "master".parse().expect("a name"),
        log: LogId::new(1),
        http_port: None,
        request_timeout: second,
        heartbeat_interval: second,
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Majority,
        quorum: None,
        max_waiting: 1000,
        max_strangers: STRANGERS_MAX,
        idempotency_window: 1000,
        seed: 1,
    }
}

fn secondary_options() -> SecondaryOptions {
    let second = Duration::from_secs(1);
    SecondaryOptions {
        name: "bonnie".parse().expect("a name"),
        instance: InstanceId::new(1),
        http_port: None,
        request_timeout: second,
        reconnect_delay: second,
        seed: 2,
    }
}
