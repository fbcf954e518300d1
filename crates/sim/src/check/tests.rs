//! Every lie that a simulated cluster can tell is found, and the truth passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use acklog_judge::ShownEnds;
use acklog_judge::lies::{Lie, TRUTH, truth};
use acklog_log::{LogWriter, in_memory};

use super::*;

const LOG: LogId = LogId::new(7);

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn wait(id: u64) -> AckWait {
    let (since, timeout) = (Duration::ZERO, Some(Duration::from_secs(9)));
    AckWait { id, nodes: 2, since, timeout }
}

/// Takes a batch in, from a client with the number of its first message.
fn take(checker: &mut Checker, id: u64, batch: &Batch, key: &str) {
    let key: IdempotencyKey = key.parse().unwrap();
    checker.accepted(WaiterId::new(id), wait(id), batch, Some(&key));
}

/// Creates a checker that saw the master take the truth in and show it.
fn checker() -> Checker {
    let mut checker = Checker::new(100);
    checker.master_started(&name("master"), LOG, LogEnd::ZERO);
    for (id, batch) in truth() {
        take(&mut checker, id, &batch, &format!("key-{id}"));
    }
    look(&mut checker, "master", &TRUTH);
    checker
}

fn log(texts: &[&str]) -> (LogWriter, LogReader) {
    let (mut writer, reader) = in_memory();
    texts.iter().for_each(|text| {
        writer.append(0, None, &(*text).into());
    });
    writer.flush();
    (writer, reader)
}

fn look(checker: &mut Checker, node: &str, texts: &[&str]) {
    checker.look_at(&name(node), &name(node), Some(LOG), &log(texts).1);
}

fn receipt(id: u64, write_concern: u16, nodes: &[&str]) -> Receipt {
    let acked_by = nodes.iter().map(|node| name(node)).collect();
    Receipt {
        id: MessageId::new(id),
        messages: 1,
        write_concern,
        acked_by,
        stored: true,
        replayed: false,
        copies: None,
    }
}

/// Answers the client of the first message after a second.
fn release(checker: &mut Checker, outcome: Outcome) {
    checker.released(Duration::from_secs(1), WaiterId::new(0), &outcome, |_| false);
}

fn committed(nodes: &[&str]) -> Outcome {
    Outcome::Committed(receipt(0, 2, nodes))
}

/// Judges the waiting clients while so many secondaries have everything.
fn judge_waits(checker: &mut Checker, secondaries: u64) {
    checker.judge_waits(&MasterMoment {
        now: Duration::from_secs(1),
        durable_end: 6,
        secondaries_at: &|_| secondaries,
        stood_still_since: &|_| false,
        disk_failed: false,
        is_stopping: false,
    });
}

/// The master of two nodes, which has everything, shows the messages before `end` under `majority`
/// and `all`. Bonnie acked those before `told`.
fn shows(checker: &mut Checker, told: u64, end: u64) {
    checker.master_shows(&HeldMoment {
        cluster_size: 2,
        durable_end: 6,
        told: &[("bonnie", told)],
        liars: 0,
        shown: ShownEnds { majority: end, all: end },
        held_end: &|nodes| if nodes < 2 { 6 } else { end },
    });
}

/// Returns the word of the violation that a lie is; none if no simulated cluster can tell it.
fn word(lie: Lie) -> Option<&'static str> {
    Some(match lie {
        Lie::LostMessage => "shrunk",
        Lie::DoubledMessage => "twice",
        Lie::ReorderedMessages | Lie::Gap => "content",
        Lie::FalseAck => "ack",
        Lie::TornBatch => "batch",
        Lie::IdGivenTwice => "answer-id",
        Lie::KeyStoredTwice => "key",
        Lie::ShrunkLog => "shrunk",
        Lie::InventedMessage | Lie::ChangedText => "invented",
        Lie::AheadOfMaster => "ahead",
        Lie::UnknownButAcked => "outcome",
        Lie::TooFewNamed => "write-concern",
        Lie::EarlyTimeout => "early",
        Lie::KeptWaiting => "unanswered",
        Lie::AnsweredTwice => "answered-twice",
        Lie::ReadTooEarly | Lie::ReadTooLate | Lie::ShrunkRead => "read",
        // A schedule waits until all nodes have everything.
        Lie::LeftBehind => return None,
        // The cluster judges refusals by the master's state.
        Lie::RefusedButThere => return None,
        // There is no HTTP.
        Lie::HalfAnswer | Lie::OtherByItself | Lie::FalseClaim => return None,
        // Nobody follows a log.
        Lie::HiddenFromFollower
        | Lie::ToldFollowerTwice
        | Lie::TornResume
        | Lie::FalseGap
        | Lie::FollowerLeftBehind => return None,
    })
}

fn report(checker: &mut Checker, lie: Lie) {
    match lie {
        Lie::LostMessage => checker.master_started(&name("master"), LOG, LogEnd::new(5)),
        Lie::DoubledMessage | Lie::InventedMessage => {
            look(checker, "master", &lie.list().unwrap());
        }
        Lie::ShrunkLog => {
            look(checker, "bonnie", &TRUTH);
            look(checker, "bonnie", &lie.list().unwrap());
        }
        Lie::FalseAck => release(checker, committed(&["master", "bonnie"])),
        Lie::IdGivenTwice => take(checker, 0, &"g".into(), "key-g"),
        Lie::KeyStoredTwice => take(checker, 6, &"g".into(), "key-0"),
        Lie::AheadOfMaster => {
            take(checker, 6, &"g".into(), "key-g");
            look(checker, "bonnie", &[&TRUTH[..], &["g"]].concat());
        }
        Lie::UnknownButAcked => {
            let unknown = Receipt { stored: false, ..receipt(0, 2, &["master"]) };
            release(checker, Outcome::ShuttingDown(unknown));
        }
        Lie::TooFewNamed => release(checker, committed(&["master"])),
        Lie::EarlyTimeout => release(checker, Outcome::TimedOut(receipt(0, 2, &["master"]))),
        Lie::KeptWaiting => judge_waits(checker, 1),
        Lie::ReadTooEarly => shows(checker, 6, 3),
        Lie::ReadTooLate => {
            look(checker, "bonnie", &TRUTH);
            shows(checker, 6, 0);
        }
        Lie::ShrunkRead => {
            look(checker, "bonnie", &TRUTH);
            shows(checker, 6, 6);
            for end in [6, 5] {
                let shown = ShownEnds { majority: end, all: end };
                let (own_end, cluster_size, held_end) = (6, 0, &|_| 0);
                let moment = ShownMoment { own_end, shown, cluster_size, held_end };
                checker.secondary_shows(&name("bonnie"), LOG, &moment);
            }
        }
        Lie::AnsweredTwice => {
            look(checker, "bonnie", &TRUTH);
            release(checker, committed(&["master", "bonnie"]));
            release(checker, committed(&["master", "bonnie"]));
        }
        lie => look(checker, "bonnie", &lie.list().unwrap()),
    }
}

/// Returns what the judge says when something is wrong.
fn panic_of(report: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(report)).expect_err("it is found");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn every_lie_is_found() {
    for lie in Lie::ALL {
        let Some(word) = word(lie) else { continue };
        let mut checker = checker();
        let panic = panic_of(|| report(&mut checker, lie));
        assert!(panic.starts_with(&format!("{word}: ")), "{lie:?}: {panic}");
    }
}

#[test]
fn what_is_true_passes() {
    let mut checker = checker();
    look(&mut checker, "bonnie", &TRUTH[..1]);
    judge_waits(&mut checker, 0);
    release(&mut checker, committed(&["master", "bonnie"]));
    assert_eq!((checker.released_count(), checker.waiting_count()), (1, 3));
    look(&mut checker, "bonnie", &TRUTH);
    checker.came_back(&name("bonnie"), LogEnd::new(6));
    look(&mut checker, "bonnie", &TRUTH);
    checker.begin_again();
    look(&mut checker, "master", &TRUTH);
    checker.master_started(&name("master"), LOG, LogEnd::new(6));
    assert_eq!((checker.accepted_count(), checker.waiting_count()), (6, 0));
}

#[test]
fn a_master_put_back_to_an_older_copy_gives_ids_again() {
    let mut checker = checker();
    look(&mut checker, "bonnie", &TRUTH);
    release(&mut checker, committed(&["master", "bonnie"]));
    checker.put_back(&name("master"));
    checker.master_started(&name("master"), LOG, LogEnd::ZERO);
    take(&mut checker, 0, &"other".into(), "key-0");
    look(&mut checker, "master", &["other"]);
    // What another node still has of before is not what the master has now.
    checker.came_back(&name("bonnie"), LogEnd::new(6));
    assert!(panic_of(|| look(&mut checker, "bonnie", &TRUTH)).starts_with("content: "));
}

#[test]
fn what_a_liar_acked_is_not_judged() {
    let mut checker = checker();
    let outcome = committed(&["master", "stray"]);
    let is_liar = |name: &str| name == "stray";
    checker.released(Duration::from_secs(1), WaiterId::new(0), &outcome, is_liar);
    assert_eq!(checker.released_count(), 1);
}
