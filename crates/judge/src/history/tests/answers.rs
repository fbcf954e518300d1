//! Answers that lie, and logs that were long before.

use super::*;

#[test]
fn a_name_that_no_node_has_is_found_where_all_nodes_are_watched() {
    let mut history = history(1);
    commit(&mut history, 0, 0, &["master", "ghost"]);
    // It may be that of a node that joined.
    assert_eq!(history.violations().count(), 0);
    for node in [MASTER, BONNIE, CLYDE] {
        see(&mut history, node, 0, &TWO[..1]);
    }
    let (mut joined, ending) = (history, ending(1));
    joined.finish(RunEnding { cluster_size_max: 4, ..ending });
    assert_eq!(joined.violations().count(), 0);
    let mut history = self::history(1);
    commit(&mut history, 0, 0, &["master", "ghost"]);
    for node in [MASTER, BONNIE, CLYDE] {
        see(&mut history, node, 0, &TWO[..1]);
    }
    history.finish(ending);
    finds(&history, ViolationKind::WriteConcern, 0, "master");
}

#[test]
fn a_message_said_to_be_stored_on_too_few_nodes_though_enough_are_named_is_found() {
    for names in [&["master", "bonnie"][..], &[]] {
        let mut history = history(1);
        history.answered(
            0..1,
            asked(Some(WriteConcern::Nodes(2))),
            AppendOutcome::Stored(receipt(0, 2, names)),
        );
        finds(&history, ViolationKind::WriteConcern, 0, "master");
    }
}

#[test]
fn another_write_concern_than_asked_for_is_found_in_every_answer() {
    let (stored, unknown) = (receipt(0, 2, &["master"]), receipt(0, 2, &[]));
    for outcome in [AppendOutcome::Stored(stored), AppendOutcome::Unknown(unknown)] {
        let mut history = history(1);
        history.answered(0..1, asked(Some(WriteConcern::Nodes(3))), outcome);
        finds(&history, ViolationKind::WriteConcern, 0, "master");
    }
}

#[test]
fn a_time_limit_that_passes_too_early_is_found() {
    let late = |id| AckReceipt { timed_out: true, ..receipt(id, 2, &["master"]) };
    let limit = Duration::from_millis(20);
    for (timeout, took, is_wrong) in [
        (Some(limit), limit, false),
        (Some(limit), limit - Duration::from_micros(1), true),
        (Some(Duration::ZERO), Duration::ZERO, false),
        (None, Duration::from_secs(5), true),
    ] {
        let question = AppendTerms { timeout, took, ..asked(Some(WriteConcern::Nodes(2))) };
        let expected: &[_] =
            if is_wrong { &[(ViolationKind::Early, Some(0), "master")] } else { &[] };
        for outcome in [
            AppendOutcome::Stored(late(0)),
            AppendOutcome::Unknown(AckReceipt { acked_by: vec![], ..late(0) }),
        ] {
            let mut history = history(1);
            history.answered(0..1, question, outcome);
            assert_eq!(found(&history), expected, "{timeout:?} {took:?}");
        }
        let mut history = history(1);
        history.waited(0, question, &AppendOutcome::Stored(late(0)), None);
        assert_eq!(found(&history), expected);
    }
    // A node that stops need not wait for it.
    let mut history = history(1);
    let question = AppendTerms { timeout: Some(limit), ..asked(None) };
    history.answered(0..1, question, AppendOutcome::Stored(receipt(0, 2, &["master"])));
    assert!(found(&history).is_empty());
}

#[test]
fn an_unknown_outcome_of_a_message_that_somebody_acked_is_found() {
    let mut history = history(1);
    history.answered(0..1, asked(None), AppendOutcome::Unknown(receipt(0, 2, &["master"])));
    finds(&history, ViolationKind::Outcome, 0, "master");
}

#[test]
fn an_id_of_unknown_outcome_may_come_to_be_another_messages() {
    // The master ended before its disk had the first, and began again without it.
    let mut history = history(2);
    history.answered(0..1, asked(None), AppendOutcome::Unknown(receipt(0, 2, &[])));
    commit(&mut history, 1, 0, &["master"]);
    history.repeated(0..1, asked(None), AppendOutcome::Committed(receipt(1, 1, &["master"])));
    for node in [MASTER, BONNIE, CLYDE] {
        see(&mut history, node, 0, &[(0, TWO[1].1), (1, TWO[0].1)]);
    }
    finish(&mut history, 2);
    assert_eq!(found(&history), []);
    // Behind a promise another id is wrong, whatever the outcome is now.
    let mut history = self::history(2);
    commit(&mut history, 0, 0, &["master"]);
    history.repeated(0..1, asked(None), AppendOutcome::Unknown(receipt(1, 2, &[])));
    finds(&history, ViolationKind::AnswerId, 1, "master");
}

#[test]
fn a_key_stands_for_one_message() {
    let mut history = history(3);
    commit(&mut history, 0, 0, &["master"]);
    let again = |id| AppendOutcome::Committed(receipt(id, 1, &["master"]));
    history.repeated(0..1, asked(None), again(0));
    // What is refused is the repeat.
    history.repeated(0..1, asked(None), AppendOutcome::Refused);
    history.reused_key(1, asked(None), AppendOutcome::KeyReused);
    see(&mut history, MASTER, 0, &[TWO[0], (1, "somebody else's")]);
    finish(&mut history, 2);
    let behind = [
        (ViolationKind::NotConverged, None, "bonnie"),
        (ViolationKind::NotConverged, None, "clyde"),
    ];
    assert_eq!(found(&history), behind);

    let mut history = self::history(3);
    commit(&mut history, 0, 0, &["master"]);
    history.repeated(0..1, asked(None), again(1));
    finds(&history, ViolationKind::AnswerId, 1, "master");
    let mut history = self::history(3);
    commit(&mut history, 0, 0, &["master"]);
    history.repeated(0..1, asked(None), AppendOutcome::KeyReused);
    finds(&history, ViolationKind::Key, 0, "master");
    let mut history = self::history(3);
    commit(&mut history, 0, 0, &["master"]);
    history.reused_key(1, asked(None), again(0));
    finds(&history, ViolationKind::Key, 0, "master");
    let mut history = self::history(3);
    history.reused_key(1, asked(None), AppendOutcome::KeyReused);
    see(&mut history, MASTER, 0, &[(0, "check x 1")]);
    finds(&history, ViolationKind::Refused, 0, "master");
}

#[test]
fn a_repeat_settles_an_answer_that_was_lost() {
    let mut history = history(2);
    history.answered(0..1, asked(None), AppendOutcome::Nothing);
    history.repeated(0..1, asked(None), AppendOutcome::Committed(receipt(0, 1, &["master"])));
    finish(&mut history, 0);
    finds(&history, ViolationKind::Lost, 0, "master");
}

#[test]
fn an_id_below_one_that_was_answered_before_is_found() {
    let mut history = history(2);
    see(&mut history, MASTER, 0, &[TWO[0], (1, "x")]);
    assert_eq!(history.floor(), 0);
    commit(&mut history, 0, 0, &["master"]);
    assert_eq!(history.floor(), 1);
    let question = AppendTerms { floor: history.floor(), ..asked(None) };
    history.answered(1..2, question, AppendOutcome::Committed(receipt(0, 1, &["master"])));
    assert_eq!(found(&history)[0], (ViolationKind::AnswerId, Some(0), "master"));
    // Also where the answer comes first.
    let mut history = self::history(1);
    commit(&mut history, 0, 0, &["master"]);
    see(&mut history, MASTER, 0, &TWO[..1]);
    assert_eq!(history.floor(), 1);
}

#[test]
fn bad_requests_are_refused() {
    let mut history = history(0);
    history.bad_request("{", 400, &AppendOutcome::Refused);
    history.bad_request("{", 503, &AppendOutcome::Refused);
    history.bad_request("{", 0, &AppendOutcome::Nothing);
    assert!(found(&history).is_empty());
    history.bad_request("{", 201, &AppendOutcome::Committed(receipt(0, 1, &["master"])));
    assert_eq!(found(&history), [(ViolationKind::Malformed, None, "master")]);
    for (status, said) in
        [(422, AppendOutcome::Refused), (400, AppendOutcome::Malformed("x".to_owned()))]
    {
        let mut history = self::history(0);
        history.bad_request("{", status, &said);
        assert_eq!(found(&history), [(ViolationKind::Malformed, None, "master")]);
    }
}

#[test]
fn a_text_that_comes_back_changed_is_found_also_where_all_agree() {
    let mut history = history(10);
    let cut = history.text(7).replace('日', "?");
    see(&mut history, MASTER, 0, &[(0, &cut)]);
    finds(&history, ViolationKind::Content, 0, "master");
}

#[test]
fn a_message_asked_for_by_its_id_is_the_one_in_the_lists() {
    let shown = || {
        let mut history = history(2);
        see(&mut history, MASTER, 0, &TWO);
        see(&mut history, BONNIE, 0, &TWO[..1]);
        commit(&mut history, 1, 1, &["master", "clyde"]);
        history
    };
    let message = |id, text: &str| LookupAnswer::Message(id, text.to_owned());
    let mut history = shown();
    assert_eq!([0, 1, 2].map(|node| history.known_end(node)), [2, 1, 2]);
    history.looked_up(CLYDE, 1, 2, &message(1, "check x 1"));
    history.looked_up(BONNIE, 1, 1, &LookupAnswer::Absent);
    history.looked_up(CLYDE, 1, 2, &LookupAnswer::Nothing);
    assert!(found(&history).is_empty());
    for (answer, id) in [
        (message(0, "check x 1"), 1),
        (message(1, "check x 0"), 1),
        (LookupAnswer::Absent, 1),
        (LookupAnswer::Malformed("x".to_owned()), 1),
    ] {
        let mut history = shown();
        history.looked_up(CLYDE, 1, 2, &answer);
        finds(&history, ViolationKind::Single, id, "clyde");
    }
}

#[test]
fn a_wait_for_more_nodes_is_judged_as_an_answer() {
    let two = asked(Some(WriteConcern::Nodes(2)));
    let enough = || AppendOutcome::Committed(receipt(0, 2, &["master", "clyde"]));
    let (right, text) = (Some("check x 0"), "another text".to_owned());
    let wrong = [
        (AppendOutcome::Committed(receipt(0, 2, &["master"])), right, ViolationKind::WriteConcern),
        (AppendOutcome::Committed(receipt(0, 1, &["master"])), right, ViolationKind::WriteConcern),
        (
            AppendOutcome::Committed(receipt(1, 2, &["master", "clyde"])),
            right,
            ViolationKind::Single,
        ),
        (enough(), Some(text.as_str()), ViolationKind::Single),
        (enough(), None, ViolationKind::Malformed),
        (AppendOutcome::Malformed("x".to_owned()), None, ViolationKind::Malformed),
    ];
    for (said, text, kind) in wrong {
        let mut history = history(1);
        commit(&mut history, 0, 0, &["master"]);
        history.waited(0, two, &said, text);
        assert_eq!(found(&history)[0].0, kind, "{said:?}");
    }
    let mut history = history(1);
    history.waited(0, two, &enough(), right);
    assert!(found(&history).is_empty());
    see(&mut history, CLYDE, 0, &[]);
    finds(&history, ViolationKind::Ack, 0, "clyde");
}

#[test]
fn a_log_that_was_long_before_is_read_from_its_end() {
    let base = 1 << 40;
    let nodes = [("master", base), ("bonnie", base - 5), ("clyde", base + 7)];
    let nodes = nodes.map(|(name, end)| (name.to_owned(), end));
    let mut history = History::of_cluster(texts(), nodes, base);
    history.sent(1);
    assert_eq!([0, 1, 2].map(|node| history.end(node)), [base, base - 5, base]);
    // Somebody else sends as well.
    let list = [(base, "theirs"), (base + 1, "check x 0"), (base + 2, "theirs")];
    see(&mut history, BONNIE, base, &[]);
    see(&mut history, MASTER, base, &list);
    see(&mut history, CLYDE, base - 1, &[&[(base - 1, "old")], &list[..]].concat());
    commit(&mut history, 0, base + 1, &["master", "clyde"]);
    see(&mut history, BONNIE, base, &list);
    see(&mut history, BONNIE, base - 1, &[&[(base - 1, "old")], &list[..]].concat());
    finish(&mut history, base + 3);
    assert!(found(&history).is_empty(), "{:?}", history.violations());
    // What was there before is the same everywhere, and stays.
    see(&mut history, MASTER, base - 1, &[&[(base - 1, "other")], &list[..]].concat());
    finds(&history, ViolationKind::Content, base - 1, "master");
    see(&mut history, CLYDE, base - 1, &[]);
    assert_eq!(found(&history)[1], (ViolationKind::Shrunk, Some(base - 1), "clyde"));
}

#[test]
fn an_id_from_before_the_run_is_found() {
    let nodes = [("master".to_owned(), 100)];
    let mut history = History::of_cluster(texts(), nodes, 100);
    history.sent(1);
    let question = AppendTerms { floor: history.floor(), ..asked(None) };
    history.answered(0..1, question, AppendOutcome::Committed(receipt(99, 1, &["master"])));
    finds(&history, ViolationKind::AnswerId, 99, "master");
}

#[test]
fn a_master_that_comes_back_with_less_is_found() {
    let mut history = history(0);
    history.restarted(5, 5);
    assert!(found(&history).is_empty());
    history.restarted(4, 5);
    finds(&history, ViolationKind::Lost, 4, "master");
}
