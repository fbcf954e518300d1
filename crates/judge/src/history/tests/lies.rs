//! Every lie of the table is found, from outside and, where it can be told there, from inside; the
//! truth passes.

use acklog_types::{Batch, WaiterId};

use super::following::{follow, lie_to_follower};
use super::reading::lie_in_reads;
use super::*;
use crate::answer::{AckWait, MasterMoment};
use crate::lies::{BATCH, Lie, TRUTH};

const NAMES: [&str; 3] = ["master", "bonnie", "clyde"];

/// The batches in which the truth was sent, each with the id of its first message.
fn batches() -> Vec<(u64, Batch)> {
    let mut batches: Vec<(u64, Batch)> = Vec::new();
    for (id, text) in TRUTH.into_iter().enumerate() {
        match batches.last_mut() {
            Some((_, batch)) if BATCH.contains(&id) && id > BATCH.start => batch.push(text),
            _ => batches.push((id as u64, text.into())),
        }
    }
    batches
}

/// A cluster that only its own senders use, to which the truth was sent. Nothing is answered yet.
fn outside() -> (History, Vec<Range<u64>>) {
    let mut history = History::of_own_cluster(NAMES);
    let numbers = batches().iter().map(|(_, batch)| history.sent_batch(batch)).collect();
    (history, numbers)
}

fn committed(id: u64, names: &[&str]) -> AppendOutcome {
    AppendOutcome::Committed(receipt(id, names.len() as u64, names))
}

fn nodes(count: u64) -> AppendTerms {
    asked(Some(WriteConcern::Nodes(count)))
}

fn rows(texts: &[&'static str]) -> Vec<(u64, &'static str)> {
    (0..).zip(texts.iter().copied()).collect()
}

/// Everything was answered by the master alone, and the master and bonnie show it. With the number
/// of the last message.
fn told() -> (History, Range<u64>) {
    let (mut history, numbers) = outside();
    for ((id, _), numbers) in batches().into_iter().zip(&numbers) {
        history.answered(numbers.clone(), nodes(1), committed(id, &["master"]));
    }
    [MASTER, BONNIE].into_iter().for_each(|node| see(&mut history, node, 0, &rows(&TRUTH)));
    (history, numbers.last().cloned().unwrap())
}

/// The violation that the list of a lie is.
fn kind_of_list(lie: Lie) -> Option<ViolationKind> {
    Some(match lie {
        Lie::DoubledMessage => ViolationKind::Twice,
        Lie::ReorderedMessages | Lie::Gap | Lie::ChangedText => ViolationKind::Content,
        Lie::TornBatch => ViolationKind::Batch,
        Lie::ShrunkLog => ViolationKind::Shrunk,
        Lie::InventedMessage => ViolationKind::Invented,
        _ => return None,
    })
}

/// An answer to the sender of a message, who asked for two nodes, that tells a lie, and the
/// violation that it is.
fn untrue_answer(lie: Lie, id: u64) -> Option<(AppendOutcome, ViolationKind)> {
    let one = receipt(id, 2, &["master"]);
    Some(match lie {
        Lie::KeyStoredTwice => (AppendOutcome::KeyReused, ViolationKind::Key),
        Lie::UnknownButAcked => (AppendOutcome::Unknown(one), ViolationKind::Outcome),
        Lie::TooFewNamed => (AppendOutcome::Committed(one), ViolationKind::WriteConcern),
        Lie::EarlyTimeout => {
            let timed_out = AckReceipt { timed_out: true, ..one };
            (AppendOutcome::Stored(timed_out), ViolationKind::Early)
        }
        Lie::HalfAnswer => (AppendOutcome::Malformed("{}".to_owned()), ViolationKind::Malformed),
        _ => return None,
    })
}

/// The last message was answered, and the master's log has only the first at the end.
fn lost() -> Option<History> {
    let (mut history, numbers) = outside();
    let (first, last) = (numbers.first().cloned()?, numbers.last().cloned()?);
    history.answered(last, nodes(1), committed(5, &["master"]));
    history.answered(first, nodes(1), committed(0, &["master"]));
    finish(&mut history, 0);
    Some(history)
}

/// One more message is sent, and answered.
fn send_more(history: &mut History, outcome: AppendOutcome) {
    let more = history.sent_batch(&"g".into());
    history.answered(more, nodes(1), outcome);
}

/// One more message is sent and comes to all nodes, and its sender is not answered.
fn keep_waiting(history: &mut History) -> ViolationKind {
    history.sent_batch(&"g".into());
    let all = rows(&[&TRUTH[..], &["g"]].concat());
    [MASTER, BONNIE, CLYDE].iter().for_each(|node| see(history, *node, 0, &all));
    finish(history, 7);
    ViolationKind::Unanswered
}

/// A node shows the list of a lie.
fn show_list(history: &mut History, node: usize, lie: Lie) -> Option<ViolationKind> {
    see(history, node, 0, &rows(&lie.list()?));
    kind_of_list(lie)
}

/// The master shows a message that it refused.
fn show_refused(history: &mut History) -> ViolationKind {
    send_more(history, AppendOutcome::Refused);
    see(history, MASTER, 6, &[(6, "g")]);
    ViolationKind::Refused
}

/// Tells a lie about a cluster that is watched from outside.
fn tell_outside(lie: Lie) -> Option<(History, ViolationKind)> {
    let (mut history, last) = told();
    let kind = match lie {
        Lie::LostMessage => {
            history = lost()?;
            ViolationKind::Lost
        }
        Lie::ShrunkLog => show_list(&mut history, BONNIE, lie)?,
        Lie::DoubledMessage
        | Lie::ReorderedMessages
        | Lie::Gap
        | Lie::ChangedText
        | Lie::TornBatch
        | Lie::InventedMessage => show_list(&mut history, CLYDE, lie)?,
        Lie::FalseAck => {
            history.repeated(last, nodes(2), committed(5, &["master", "clyde"]));
            see(&mut history, CLYDE, 0, &rows(&TRUTH[..1]));
            ViolationKind::Ack
        }
        Lie::IdGivenTwice => {
            send_more(&mut history, committed(0, &["master"]));
            ViolationKind::AnswerId
        }
        Lie::AheadOfMaster => {
            history.compared_with_master(5);
            ViolationKind::Ahead
        }
        Lie::LeftBehind => {
            see(&mut history, CLYDE, 0, &rows(&TRUTH[..2]));
            finish(&mut history, 6);
            ViolationKind::NotConverged
        }
        Lie::RefusedButThere => show_refused(&mut history),
        Lie::KeyStoredTwice
        | Lie::UnknownButAcked
        | Lie::TooFewNamed
        | Lie::EarlyTimeout
        | Lie::HalfAnswer => {
            let (outcome, kind) = untrue_answer(lie, 5)?;
            history.repeated(last, nodes(2), outcome);
            kind
        }
        Lie::KeptWaiting => keep_waiting(&mut history),
        Lie::OtherByItself => {
            history.looked_up(BONNIE, 1, 6, &LookupAnswer::Message(1, "a".to_owned()));
            ViolationKind::Single
        }
        Lie::FalseClaim => {
            history = history.with_claims(3);
            history.answered(last, nodes(3), AppendOutcome::Accepted { nodes: 3 });
            see(&mut history, CLYDE, 0, &rows(&TRUTH[..1]));
            ViolationKind::Ack
        }
        Lie::AnsweredTwice | Lie::ReadTooEarly | Lie::ReadTooLate | Lie::ShrunkRead => return None,
        // The rest is told to followers.
        lie => lie_to_follower(&mut history, lie),
    };
    Some((history, kind))
}

/// A cluster of which all is seen: the master took the truth in, has it, and has answered nobody.
fn inside() -> History {
    let mut history = History::from_inside(9);
    NAMES.into_iter().for_each(|name| history.add_node(name));
    for (id, batch) in batches() {
        history.taken(&batch, id, Some(&format!("key {id}")));
        let waiter = WaiterId::new(id);
        let (nodes, timeout) = (2, Some(Duration::from_secs(9)));
        history.begins_to_wait(waiter, AckWait { id, nodes, timeout, since: Duration::ZERO });
    }
    look(&mut history, MASTER, &TRUTH);
    history
}

fn release(history: &mut History, id: u64, outcome: &AppendOutcome) {
    history.released(Duration::from_secs(1), WaiterId::new(id), outcome, &|_| false);
}

/// Tells a lie about a cluster that is seen from inside.
fn tell_inside(lie: Lie) -> Option<(History, ViolationKind)> {
    let mut history = inside();
    let kind = match lie {
        Lie::LostMessage => {
            look(&mut history, BONNIE, &TRUTH);
            release(&mut history, 5, &committed(5, &["master", "bonnie"]));
            history.look_anew(MASTER);
            history.master_started(5, false);
            ViolationKind::Lost
        }
        Lie::DoubledMessage | Lie::InventedMessage => {
            look(&mut history, MASTER, &lie.list()?);
            kind_of_list(lie)?
        }
        Lie::ReorderedMessages | Lie::Gap | Lie::ChangedText | Lie::TornBatch => {
            look(&mut history, BONNIE, &lie.list()?);
            kind_of_list(lie)?
        }
        Lie::ShrunkLog => {
            look(&mut history, BONNIE, &TRUTH);
            look(&mut history, BONNIE, &lie.list()?);
            kind_of_list(lie)?
        }
        Lie::FalseAck => {
            release(&mut history, 0, &committed(0, &["master", "bonnie"]));
            ViolationKind::Ack
        }
        Lie::IdGivenTwice => {
            history.taken(&"g".into(), 0, None);
            ViolationKind::AnswerId
        }
        Lie::KeyStoredTwice => {
            history.taken(&"g".into(), 6, Some("key 0"));
            ViolationKind::Key
        }
        Lie::AheadOfMaster => {
            history.taken(&"g".into(), 6, None);
            look(&mut history, BONNIE, &[&TRUTH[..], &["g"]].concat());
            ViolationKind::Ahead
        }
        Lie::UnknownButAcked | Lie::TooFewNamed | Lie::EarlyTimeout => {
            let (outcome, kind) = untrue_answer(lie, 0)?;
            release(&mut history, 0, &outcome);
            kind
        }
        Lie::KeptWaiting => {
            history.judge_waits(&MasterMoment { durable_end: 6, ..moment(&|_| 1) });
            ViolationKind::Unanswered
        }
        Lie::AnsweredTwice => {
            look(&mut history, BONNIE, &TRUTH);
            release(&mut history, 0, &committed(0, &["master", "bonnie"]));
            release(&mut history, 0, &committed(0, &["master", "bonnie"]));
            ViolationKind::AnsweredTwice
        }
        Lie::ReadTooEarly | Lie::ReadTooLate | Lie::ShrunkRead => lie_in_reads(&mut history, lie),
        Lie::LeftBehind
        | Lie::RefusedButThere
        | Lie::HalfAnswer
        | Lie::OtherByItself
        | Lie::HiddenFromFollower
        | Lie::ToldFollowerTwice
        | Lie::TornResume
        | Lie::FalseGap
        | Lie::FollowerLeftBehind
        | Lie::FalseClaim => return None,
    };
    Some((history, kind))
}

/// A second after the beginning, of a master that runs and has nothing durable.
fn moment(secondaries_at: &dyn Fn(u64) -> u64) -> MasterMoment<'_> {
    MasterMoment {
        now: Duration::from_secs(1),
        durable_end: 0,
        secondaries_at,
        stood_still_since: &|_| false,
        disk_failed: false,
        is_stopping: false,
    }
}

#[test]
fn the_truth_passes() {
    let (mut history, _) = told();
    see(&mut history, CLYDE, 0, &rows(&TRUTH));
    let follower = history.add_follower(BONNIE, 0);
    // The connection breaks within the batch, which is then received as a whole.
    for ids in [&[0, 1, 2, 3][..], &[2], &[2, 3, 4, 5]] {
        history.follower_connects(follower);
        follow(&mut history, follower, ids, &[]);
    }
    finish(&mut history, 6);
    assert_eq!(found(&history), []);
    let mut history = inside();
    look(&mut history, BONNIE, &TRUTH);
    history.judge_waits(&moment(&|_| 1));
    release(&mut history, 0, &committed(0, &["master", "bonnie"]));
    history.came_back(BONNIE, 6);
    history.master_started(6, false);
    assert_eq!(found(&history), []);
}

#[test]
fn every_lie_is_found() {
    for lie in Lie::ALL {
        let told = [tell_outside(lie), tell_inside(lie)];
        assert!(told.iter().any(Option::is_some), "{lie:?}");
        for (history, kind) in told.into_iter().flatten() {
            let found = found(&history);
            assert!(found.iter().any(|(found, ..)| *found == kind), "{lie:?}: {found:?}");
        }
    }
}

#[test]
fn whoever_must_be_answered_is() {
    let late = Duration::from_secs(10);
    for (moment, kind) in [
        (MasterMoment { now: late, ..moment(&|_| 0) }, Some(ViolationKind::Late)),
        (MasterMoment { now: late, stood_still_since: &|_| true, ..moment(&|_| 0) }, None),
        (MasterMoment { disk_failed: true, ..moment(&|_| 0) }, Some(ViolationKind::Unanswered)),
        (MasterMoment { is_stopping: true, ..moment(&|_| 0) }, None),
        (
            MasterMoment { is_stopping: true, durable_end: 1, ..moment(&|_| 0) },
            Some(ViolationKind::Unanswered),
        ),
    ] {
        let mut history = inside();
        history.judge_waits(&moment);
        assert_eq!(found(&history).first().map(|it| it.0), kind);
    }
}

#[test]
fn an_earlier_life_of_a_name_counts_for_its_acks_and_another_name_does_not() {
    let mut history = inside();
    look(&mut history, CLYDE, &TRUTH);
    history.registered(CLYDE, "bonnie");
    release(&mut history, 0, &committed(0, &["master", "clyde"]));
    assert_eq!(found(&history), []);
    release(&mut history, 1, &committed(1, &["master", "bonnie"]));
    assert_eq!(found(&history), [(ViolationKind::Ack, Some(1), "bonnie")]);
}

#[test]
fn a_key_out_of_the_window_may_be_stored_again() {
    let mut history = History::from_inside(1);
    history.add_node("master");
    history.taken(&"a".into(), 0, Some("first"));
    history.taken(&"b".into(), 1, Some("second"));
    assert_eq!((history.message_of("first"), history.message_of("second")), (None, Some(1)));
    history.taken(&"c".into(), 2, Some("first"));
    assert_eq!(found(&history), []);
    // What the master lost, it forgot.
    history.master_started(2, false);
    let keys = ["first", "second"].map(|key| history.message_of(key));
    assert_eq!((keys, history.given_end()), ([None, Some(1)], 2));
}

#[test]
fn what_only_a_master_can_get_wrong_is_found() {
    type Told<'a> = (&'a dyn Fn(&mut History), ViolationKind);
    let wrong: [Told<'_>; 5] = [
        (&|history| history.master_started(7, false), ViolationKind::Invented),
        (&|history| history.came_back(MASTER, 5), ViolationKind::Shrunk),
        (&|history| release(history, 0, &AppendOutcome::Refused), ViolationKind::Outcome),
        (
            &|history| release(history, 0, &committed(1, &["master", "bonnie"])),
            ViolationKind::AnswerId,
        ),
        (
            &|history| history.look_at(BONNIE, 2).iter().for_each(|list| history.end_look(list)),
            ViolationKind::Order,
        ),
    ];
    for (tell, kind) in wrong {
        let mut history = inside();
        tell(&mut history);
        assert_eq!(found(&history).first().map(|it| it.0), Some(kind));
    }
}
