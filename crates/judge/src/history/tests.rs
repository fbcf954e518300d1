//! Each kind of violation is found, and nothing else is.

mod answers;
mod batches;
mod claims;
mod following;
mod lies;
mod reading;

use std::time::Duration;

use acklog_types::WriteConcern;

use super::*;
use crate::answer::{AckReceipt, AppendOutcome, AppendTerms, RunEnding};
use crate::texts::TextOrigin;
use crate::violation::ViolationKind;

const MASTER: usize = 0;
const BONNIE: usize = 1;
const CLYDE: usize = 2;

/// Texts that tell their numbers; one of them has more than digits.
#[derive(Debug)]
struct Numbered;

impl MadeTexts for Numbered {
    fn text(&self, number: u64) -> String {
        format!("check x {number}{}", if number == 7 { " 日本語" } else { "" })
    }

    fn origin(&self, text: &str) -> TextOrigin {
        let Some(rest) = text.strip_prefix("check x ") else { return TextOrigin::Foreign };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(number) if text == self.text(number) => TextOrigin::Ours(number),
            Ok(number) => TextOrigin::Changed(number),
            Err(_) => TextOrigin::Foreign,
        }
    }
}

fn texts() -> Box<dyn MadeTexts> {
    Box::new(Numbered)
}

/// A history of three nodes in which this many messages were sent.
fn history(sent: u64) -> History {
    let nodes = ["master", "bonnie", "clyde"].map(|name| (name.to_owned(), 0));
    let mut history = History::of_cluster(texts(), nodes, 0);
    (0..sent).for_each(|_| {
        history.sent(1);
    });
    history
}

/// A node's list, read from `from` on to its end.
fn see(history: &mut History, node: usize, from: u64, rows: &[(u64, &str)]) {
    let mut read = history.begin_list(node, from, 1000);
    rows.iter().for_each(|(id, text)| history.row(&mut read, *id, text));
    history.end_list(read);
}

/// A node has these messages, as they are seen from inside.
fn look(history: &mut History, node: usize, texts: &[&str]) {
    let Some(mut list) = history.look_at(node, texts.len() as u64) else { return };
    let from = usize::try_from(list.next()).unwrap();
    for (id, text) in (0..).zip(texts.iter()).skip(from) {
        history.row(&mut list, id, text);
    }
    history.end_look(&list);
}

fn receipt(id: u64, write_concern: u64, names: &[&str]) -> AckReceipt {
    let acked_by = names.iter().map(|name| (*name).to_owned()).collect();
    AckReceipt { id, write_concern, acked_by, timed_out: false }
}

/// Asks without a time limit, and is answered at once.
fn asked(concern: Option<WriteConcern>) -> AppendTerms {
    AppendTerms { concern, timeout: None, took: Duration::ZERO, floor: 0 }
}

/// 201 for a message that asked for as many nodes as acked.
fn commit(history: &mut History, number: u64, id: u64, names: &[&str]) {
    let nodes = names.len() as u64;
    let outcome = AppendOutcome::Committed(receipt(id, nodes, names));
    history.answered(number..number + 1, asked(Some(WriteConcern::Nodes(nodes))), outcome);
}

/// All nodes could show that many messages in time.
fn ending(target: u64) -> RunEnding {
    let (target, master_end) = (Some(target), Some(target));
    let (cluster_size, cluster_size_max) = (3, 3);
    RunEnding {
        target,
        in_time: true,
        without_faults: true,
        master_end,
        cluster_size,
        cluster_size_max,
    }
}

fn finish(history: &mut History, target: u64) {
    history.finish(ending(target));
}

/// Returns what was found: kind, id and node of each.
fn found(history: &History) -> Vec<(ViolationKind, Option<u64>, &str)> {
    let violations = history.violations().first().iter();
    violations.map(|it| (it.kind, it.id, it.node.as_str())).collect()
}

#[track_caller]
fn finds(history: &History, kind: ViolationKind, id: u64, node: &str) {
    assert_eq!(found(history), [(kind, Some(id), node)]);
}

const TWO: [(u64, &str); 2] = [(0, "check x 0"), (1, "check x 1")];

#[test]
fn what_is_true_passes() {
    let mut history = history(6);
    commit(&mut history, 0, 1, &["master", "clyde"]);
    let list = [(0, "before"), (1, "check x 0"), (2, "check x 2"), (3, "check x 1")];
    see(&mut history, MASTER, 0, &list);
    see(&mut history, BONNIE, 0, &list[..2]);
    see(&mut history, CLYDE, 0, &list);
    see(&mut history, CLYDE, 3, &list[3..]);
    let all = Some(WriteConcern::All);
    history.answered(1..2, asked(all), AppendOutcome::Stored(receipt(3, 3, &["master", "clyde"])));
    history.answered(2..3, asked(all), AppendOutcome::Nothing);
    history.answered(3..4, asked(None), AppendOutcome::Refused);
    history.answered(4..5, asked(None), AppendOutcome::Unknown(receipt(4, 2, &[])));
    see(&mut history, BONNIE, 1, &list[1..]);
    finish(&mut history, 4);
    assert!(found(&history).is_empty(), "{:?}", history.violations());
}

#[test]
fn ids_that_do_not_follow_each_other_are_found() {
    let lists: [(&[(u64, &str)], u64); 4] = [
        (&[(0, "a"), (2, "c")], 1),
        (&[(0, "a"), (0, "a"), (1, "b")], 1),
        (&[(1, "b"), (0, "a")], 0),
        (&[(7, "a")], 0),
    ];
    for (list, id) in lists {
        let mut history = history(0);
        see(&mut history, BONNIE, 0, list);
        finds(&history, ViolationKind::Order, id, "bonnie");
    }
}

#[test]
fn other_content_under_an_id_is_found() {
    let mut history = history(2);
    see(&mut history, MASTER, 0, &TWO);
    see(&mut history, BONNIE, 0, &[(0, "check x 0"), (1, "check x 0")]);
    finds(&history, ViolationKind::Content, 1, "bonnie");
    see(&mut history, CLYDE, 0, &[(0, "check x 00")]);
    assert_eq!(found(&history)[1..], [(ViolationKind::Content, Some(0), "clyde")]);
}

#[test]
fn a_text_that_changes_later_is_found() {
    let mut history = history(0);
    see(&mut history, BONNIE, 0, &[(0, "a"), (1, "b")]);
    see(&mut history, BONNIE, 0, &[(0, "a"), (1, "c")]);
    finds(&history, ViolationKind::Content, 1, "bonnie");
}

#[test]
fn a_list_that_becomes_shorter_is_found_also_from_its_last_message_on() {
    let mut history = history(2);
    see(&mut history, BONNIE, 0, &TWO);
    see(&mut history, BONNIE, 1, &[]);
    finds(&history, ViolationKind::Shrunk, 1, "bonnie");
    // It is looked at anew from its beginning.
    assert_eq!(history.end(BONNIE), 0);
    see(&mut history, BONNIE, 0, &TWO);
    assert_eq!((history.end(BONNIE), history.violations().count()), (2, 1));
}

#[test]
fn a_list_that_is_short_because_of_its_limit_passes() {
    let mut history = history(2);
    see(&mut history, BONNIE, 0, &TWO);
    let mut read = history.begin_list(BONNIE, 0, 1);
    history.row(&mut read, 0, "check x 0");
    history.end_list(read);
    assert!(found(&history).is_empty());
}

#[test]
fn an_ack_of_a_node_that_does_not_show_the_message_is_found() {
    let mut history = history(1);
    commit(&mut history, 0, 0, &["master", "bonnie"]);
    see(&mut history, CLYDE, 0, &[]);
    see(&mut history, BONNIE, 0, &[]);
    finds(&history, ViolationKind::Ack, 0, "bonnie");
}

#[test]
fn a_list_that_was_asked_for_before_the_ack_may_lack_it() {
    let mut history = history(1);
    let read = history.begin_list(BONNIE, 0, 9);
    commit(&mut history, 0, 0, &["master", "bonnie"]);
    history.end_list(read);
    assert!(found(&history).is_empty());
}

#[test]
fn a_message_under_two_ids_is_found() {
    let mut history = history(1);
    see(&mut history, MASTER, 0, &[(0, "check x 0"), (1, "check x 0")]);
    finds(&history, ViolationKind::Twice, 1, "master");
}

#[test]
fn an_answer_with_another_id_is_found_whichever_comes_first() {
    let mut history = history(2);
    commit(&mut history, 0, 1, &["master"]);
    see(&mut history, CLYDE, 0, &[(0, "check x 0")]);
    finds(&history, ViolationKind::AnswerId, 1, "clyde");

    let mut history = self::history(2);
    see(&mut history, MASTER, 0, &[(0, "check x 0")]);
    commit(&mut history, 0, 1 << 40, &["master"]);
    finds(&history, ViolationKind::AnswerId, 1 << 40, "master");

    let mut history = self::history(2);
    see(&mut history, MASTER, 0, &[(0, "before")]);
    commit(&mut history, 0, 0, &["master"]);
    finds(&history, ViolationKind::AnswerId, 0, "master");

    let mut history = self::history(2);
    commit(&mut history, 0, 0, &["master"]);
    see(&mut history, MASTER, 0, &[(0, "before")]);
    finds(&history, ViolationKind::AnswerId, 0, "master");
}

#[test]
fn one_id_for_two_messages_is_found() {
    let mut history = history(2);
    commit(&mut history, 0, 5, &["master"]);
    commit(&mut history, 1, 5, &["master"]);
    finds(&history, ViolationKind::AnswerId, 5, "master");
}

#[test]
fn acks_that_are_too_few_doubled_or_not_the_master_s_are_found() {
    let wrong: [&[&str]; 4] =
        [&["master"], &["master", "master"], &["bonnie", "master"], &["bonnie", "clyde"]];
    for names in wrong {
        let mut history = history(1);
        let outcome = AppendOutcome::Committed(receipt(0, 2, names));
        history.answered(0..1, asked(Some(WriteConcern::Nodes(2))), outcome);
        finds(&history, ViolationKind::WriteConcern, 0, "master");
    }
}

#[test]
fn a_write_concern_that_is_lowered_is_found() {
    let mut history = history(1);
    let said = || AppendOutcome::Committed(receipt(0, 1, &["master"]));
    history.answered(0..1, asked(Some(WriteConcern::Nodes(2))), said());
    finds(&history, ViolationKind::WriteConcern, 0, "master");
    for (word, is_wrong) in
        [(Some(WriteConcern::Majority), true), (Some(WriteConcern::All), true), (None, false)]
    {
        let mut history = self::history(1);
        history.answered(0..1, asked(word), said());
        see(&mut history, MASTER, 0, &TWO[..1]);
        assert!(found(&history).is_empty());
        history.finish(RunEnding { master_end: Some(1), ..ending(0) });
        let expected = [(ViolationKind::WriteConcern, Some(0), "master")];
        assert_eq!(found(&history), if is_wrong { &expected[..] } else { &[] }, "{word:?}");
    }
}

#[test]
fn a_refused_message_that_is_there_is_found_whichever_comes_first() {
    let mut history = history(1);
    history.answered(0..1, asked(None), AppendOutcome::Refused);
    see(&mut history, CLYDE, 0, &TWO[..1]);
    finds(&history, ViolationKind::Refused, 0, "clyde");
    let mut history = self::history(1);
    see(&mut history, CLYDE, 0, &TWO[..1]);
    history.answered(0..1, asked(None), AppendOutcome::Refused);
    finds(&history, ViolationKind::Refused, 0, "master");
}

#[test]
fn a_message_that_was_never_sent_is_found() {
    let mut history = history(1);
    see(&mut history, CLYDE, 0, &[(0, "check x 1")]);
    finds(&history, ViolationKind::Invented, 0, "clyde");
}

#[test]
fn an_answered_message_that_is_nowhere_is_found_and_a_doubtful_one_may_be_missing() {
    let mut history = history(3);
    commit(&mut history, 0, 2, &["master"]);
    history.answered(1..2, asked(None), AppendOutcome::Unknown(receipt(3, 2, &[])));
    history.answered(2..3, asked(None), AppendOutcome::Nothing);
    // Only then it is known that nothing more comes.
    finish(&mut history, 0);
    finds(&history, ViolationKind::Lost, 2, "master");
}

#[test]
fn an_answer_that_lacks_something_is_found() {
    let mut history = history(1);
    history.answered(0..1, asked(None), AppendOutcome::Malformed("201 without an id".to_owned()));
    assert_eq!(found(&history), [(ViolationKind::Malformed, None, "master")]);
}

#[test]
fn nodes_that_stay_behind_or_get_ahead_are_found() {
    let mut history = history(2);
    see(&mut history, MASTER, 0, &TWO);
    see(&mut history, BONNIE, 0, &TWO[..1]);
    see(&mut history, CLYDE, 0, &[(0, TWO[0].1), (1, TWO[1].1), (2, "more")]);
    finish(&mut history, 2);
    let expected =
        [(ViolationKind::NotConverged, None, "bonnie"), (ViolationKind::Ahead, None, "clyde")];
    assert_eq!(found(&history), expected);
}

#[test]
fn nodes_that_come_too_late_and_a_master_that_is_gone_are_found() {
    let expected = [(ViolationKind::NotConverged, None, "master")];
    for (target, in_time) in [(Some(0), false), (None, false)] {
        let mut history = history(0);
        history.finish(RunEnding { target, in_time, master_end: None, ..ending(0) });
        assert_eq!(found(&history), expected);
    }
}

#[test]
fn a_sender_that_waits_although_all_have_its_message_is_found() {
    let mut history = history(2);
    for node in [MASTER, BONNIE, CLYDE] {
        see(&mut history, node, 0, &TWO);
    }
    commit(&mut history, 1, 1, &["master"]);
    history.finish(RunEnding { cluster_size: 4, ..ending(2) });
    assert!(found(&history).is_empty(), "a fourth node may be the one that it waits for");
    history.finish(RunEnding { without_faults: false, ..ending(2) });
    assert!(found(&history).is_empty(), "an error after storing acks nothing");
    finish(&mut history, 2);
    finds(&history, ViolationKind::Unanswered, 0, "master");
}
