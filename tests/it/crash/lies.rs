//! Every lie that nodes can tell to the crash runs is found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use acklog_judge::lies::{Lie, TRUTH, truth};
use acklog_judge::{AckReceipt, AppendOutcome, AppendTerms};
use acklog_types::WriteConcern;

use super::ledger::Ledger;

const MASTER: usize = 0;
const BONNIE: usize = 1;
const CLYDE: usize = 2;

fn terms(nodes: u64) -> AppendTerms {
    let (concern, timeout) = (Some(WriteConcern::Nodes(nodes)), Some(Duration::from_secs(9)));
    AppendTerms { concern, timeout, took: Duration::ZERO, floor: 0 }
}

fn receipt(id: u64, write_concern: u64, names: &[&str]) -> AckReceipt {
    let acked_by = names.iter().map(|name| (*name).to_owned()).collect();
    AckReceipt { id, write_concern, acked_by, timed_out: false }
}

fn committed(id: u64, names: &[&str]) -> AppendOutcome {
    AppendOutcome::Committed(receipt(id, names.len() as u64, names))
}

/// Sends a message with this outcome.
fn send(ledger: &Ledger, text: &str, nodes: u64, outcome: AppendOutcome) {
    let numbers = ledger.sends(&text.into());
    ledger.answered(numbers, terms(nodes), outcome, true);
}

fn show(ledger: &Ledger, node: usize, texts: &[&str]) {
    ledger.hold_to(node, || texts.iter().map(|text| (*text).to_owned()).collect());
}

/// Fills a ledger in which the truth was sent, and was acked by the master, which shows it.
fn with_truth(ledger: Ledger) -> Ledger {
    for (id, batch) in truth() {
        let numbers = ledger.sends(&batch);
        ledger.answered(numbers, terms(1), committed(id, &["master"]), true);
    }
    show(&ledger, MASTER, &TRUTH);
    ledger
}

/// Returns the word of the violation that a lie is; none if nodes cannot tell it to the crash runs.
fn word(lie: Lie) -> Option<&'static str> {
    Some(match lie {
        // The master showed it before.
        Lie::LostMessage | Lie::ShrunkLog => "shrunk",
        Lie::DoubledMessage => "twice",
        Lie::ReorderedMessages | Lie::Gap => "content",
        Lie::ChangedText | Lie::InventedMessage => "invented",
        Lie::FalseAck => "ack",
        Lie::TornBatch => "batch",
        Lie::IdGivenTwice => "answer-id",
        // The second response to it has another id.
        Lie::KeyStoredTwice => "answer-id",
        Lie::AheadOfMaster => "ahead",
        Lie::LeftBehind => "not-converged",
        Lie::RefusedButThere => "refused",
        Lie::UnknownButAcked => "outcome",
        Lie::TooFewNamed => "write-concern",
        Lie::EarlyTimeout => "early",
        Lie::KeptWaiting => "unanswered",
        // Clients have one request under way, do not read messages by their ids, and ignore
        // incomplete responses.
        Lie::AnsweredTwice | Lie::HalfAnswer | Lie::OtherByItself => return None,
        // Lists are read, and nobody follows.
        Lie::HiddenFromFollower
        | Lie::ToldFollowerTwice
        | Lie::TornResume
        | Lie::FalseGap
        | Lie::FollowerLeftBehind => return None,
        // Lists are read under no read concern.
        Lie::ReadTooEarly | Lie::ReadTooLate | Lie::ShrunkRead => return None,
        // Nodes name the nodes that have a message.
        Lie::FalseClaim => return None,
    })
}

fn tell(ledger: &Ledger, lie: Lie) {
    match lie {
        Lie::LostMessage | Lie::DoubledMessage => show(ledger, MASTER, &lie.list().unwrap()),
        Lie::ShrunkLog => {
            show(ledger, BONNIE, &TRUTH);
            show(ledger, BONNIE, &lie.list().unwrap());
        }
        Lie::FalseAck => {
            send(ledger, "g", 2, committed(6, &["master", "bonnie"]));
            show(ledger, BONNIE, &TRUTH);
        }
        Lie::IdGivenTwice => send(ledger, "g", 1, committed(0, &["master"])),
        Lie::KeyStoredTwice => {
            let numbers = ledger.sends(&"g".into());
            let stored = AppendOutcome::Stored(receipt(6, 2, &["master"]));
            ledger.answered(numbers.clone(), terms(2), stored, true);
            ledger.sends_again(numbers.clone());
            ledger.answered(numbers, terms(1), committed(7, &["master"]), false);
        }
        Lie::AheadOfMaster => {
            ledger.note_end(BONNIE, 7);
            show(ledger, MASTER, &TRUTH);
        }
        Lie::LeftBehind => {
            show(ledger, BONNIE, &TRUTH[..2]);
            ledger.hold_to_the_end();
        }
        Lie::RefusedButThere => {
            send(ledger, "g", 1, AppendOutcome::Refused);
            show(ledger, MASTER, &[&TRUTH[..], &["g"]].concat());
        }
        Lie::UnknownButAcked => {
            send(ledger, "g", 2, AppendOutcome::Unknown(receipt(6, 2, &["master"])));
        }
        Lie::TooFewNamed => {
            send(ledger, "g", 2, AppendOutcome::Committed(receipt(6, 2, &["master"])));
        }
        Lie::EarlyTimeout => {
            let timed_out = AckReceipt { timed_out: true, ..receipt(6, 2, &["master"]) };
            send(ledger, "g", 2, AppendOutcome::Stored(timed_out));
        }
        Lie::KeptWaiting => {
            ledger.sends(&"g".into());
            for node in [MASTER, BONNIE, CLYDE] {
                show(ledger, node, &[&TRUTH[..], &["g"]].concat());
            }
            ledger.hold_to_the_end();
        }
        lie => show(ledger, BONNIE, &lie.list().unwrap()),
    }
}

#[test]
fn every_lie_that_nodes_can_tell_is_found() {
    for lie in Lie::ALL {
        let Some(word) = word(lie) else { continue };
        let ledger = with_truth(Ledger::of_lies());
        let told = catch_unwind(AssertUnwindSafe(|| tell(&ledger, lie)));
        let panic = told.expect_err("it is found").downcast_ref::<String>().cloned();
        assert!(panic.as_ref().is_some_and(|it| it.starts_with(word)), "{lie:?}: {panic:?}");
    }
}

#[test]
fn what_is_true_passes() {
    let ledger = with_truth(Ledger::default());
    let numbers = ledger.sends(&"g".into());
    ledger.answered(numbers.clone(), terms(2), AppendOutcome::Refused, true);
    ledger.sends_again(numbers.clone());
    show(&ledger, MASTER, &[&TRUTH[..], &["g"]].concat());
    ledger.answered(numbers.clone(), terms(2), AppendOutcome::Nothing, false);
    ledger.sends_again(numbers.clone());
    ledger.answered(numbers, terms(2), committed(6, &["master", "clyde"]), false);
    ledger.note_end(CLYDE, 7);
    for node in [BONNIE, CLYDE] {
        show(&ledger, node, &[&TRUTH[..], &["g"]].concat());
    }
    ledger.hold_to_the_end();
    let told = ledger.told();
    assert_eq!((told.acked, told.batches, told.refused, told.retried), (7, 1, 1, 2));
}
