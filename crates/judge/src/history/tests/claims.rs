//! Answers without ids and names are judged by lists that were asked for afterwards.

use super::*;

fn basic(sent: u64) -> History {
    history(sent).with_claims(3)
}

fn accept(history: &mut History, number: u64, nodes: u64) {
    history.answered(number..number + 1, asked(None), AppendOutcome::Accepted { nodes });
}

#[test]
fn as_many_nodes_as_told_have_the_message() {
    for (nodes, is_wrong) in [(1, false), (2, false), (3, true)] {
        let mut history = basic(1);
        accept(&mut history, 0, nodes);
        see(&mut history, MASTER, 0, &TWO[..1]);
        see(&mut history, BONNIE, 0, &TWO[..1]);
        see(&mut history, CLYDE, 0, &[]);
        let expected: &[_] = if is_wrong { &[(ViolationKind::Ack, None, "clyde")] } else { &[] };
        assert_eq!(found(&history), expected, "{nodes}");
        // It comes later, and is looked at once.
        see(&mut history, CLYDE, 0, &TWO[..1]);
        finish(&mut history, 1);
        assert_eq!(found(&history), expected, "{nodes}");
    }
}

#[test]
fn a_list_that_was_asked_for_before_the_answer_proves_nothing() {
    let mut history = basic(1);
    let read = history.begin_list(CLYDE, 0, u64::MAX);
    accept(&mut history, 0, 3);
    history.end_list(read);
    see(&mut history, CLYDE, 0, &TWO[..1]);
    assert!(found(&history).is_empty(), "{:?}", history.violations());
}

#[test]
fn nodes_that_are_not_watched_may_have_it() {
    let mut history = history(1).with_claims(4);
    accept(&mut history, 0, 2);
    for node in [BONNIE, CLYDE] {
        see(&mut history, node, 0, &[]);
    }
    assert!(found(&history).is_empty());
    see(&mut history, MASTER, 0, &[]);
    finds_claim(&history, ViolationKind::Ack, "master");
}

#[track_caller]
fn finds_claim(history: &History, kind: ViolationKind, node: &str) {
    assert_eq!(found(history), [(kind, None, node)]);
}

#[test]
fn an_accepted_message_that_is_nowhere_is_lost() {
    let mut history = basic(2);
    accept(&mut history, 0, 1);
    assert_eq!((history.accepted_count(), history.answer_count()), (1, 1));
    finish(&mut history, 0);
    finds_claim(&history, ViolationKind::Lost, "master");
}
