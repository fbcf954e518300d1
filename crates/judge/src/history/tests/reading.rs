//! What nodes show under read concerns.

use super::*;
use crate::answer::{HeldMoment, ShownEnds, ShownMoment};
use crate::lies::{Lie, TRUTH};

/// A log of six messages, which all three nodes have by now.
fn six() -> History {
    let mut history = History::from_inside(9);
    ["master", "bonnie", "clyde"].into_iter().for_each(|name| history.add_node(name));
    for (id, text) in (0..).zip(TRUTH) {
        history.taken(&text.into(), id, None);
    }
    [MASTER, BONNIE, CLYDE].into_iter().for_each(|node| look(&mut history, node, &TRUTH));
    history
}

/// The master shows what 1, 2 and 3 nodes hold, and what a majority and all of `size` hold.
fn show(history: &mut History, size: u64, told: &[(&str, u64)], liars: u64, ends: [u64; 3]) {
    let held_end = |nodes: u64| ends[nodes as usize - 1];
    let shown = ShownEnds { majority: held_end(size / 2 + 1), all: held_end(size) };
    let durable_end = 6;
    history.master_shows(&HeldMoment {
        cluster_size: size,
        durable_end,
        told,
        liars,
        shown,
        held_end: &held_end,
    });
}

fn hears(history: &mut History, node: usize, own_end: u64, majority: u64, all: u64) {
    let shown = ShownEnds { majority, all };
    let held_end: &dyn Fn(u64) -> u64 = &|_| 0;
    history.secondary_shows(node, &ShownMoment { own_end, shown, cluster_size: 0, held_end });
}

/// The node shows what 2 and 3 nodes hold.
fn counts(history: &mut History, node: usize, own_end: u64, ends: [u64; 2]) {
    let (shown, cluster_size) = (ShownEnds::default(), 3);
    let held_end: &dyn Fn(u64) -> u64 = &|nodes| ends[nodes as usize - 2];
    history.secondary_shows(node, &ShownMoment { own_end, shown, cluster_size, held_end });
}

/// Tells a lie about what nodes show of six messages, when the master has them. Returns the kind
/// of the violation.
pub(super) fn lie_in_reads(history: &mut History, lie: Lie) -> ViolationKind {
    look(history, BONNIE, &TRUTH);
    let told = [("bonnie", 6), ("clyde", 0)];
    show(history, 3, &told, 0, [6, 6, 0]);
    hears(history, BONNIE, 6, 6, 0);
    assert!(found(history).is_empty(), "that is true");
    match lie {
        Lie::ReadTooEarly => show(history, 3, &told, 0, [6, 6, 6]),
        Lie::ReadTooLate => show(history, 3, &told, 0, [6, 0, 0]),
        _ => hears(history, BONNIE, 6, 5, 0),
    }
    ViolationKind::Read
}

#[test]
fn what_so_many_nodes_hold_is_shown_and_no_more_and_no_less() {
    let told = [("bonnie", 4), ("clyde", 2)];
    for (ends, is_true) in
        [([6, 4, 2], true), ([6, 5, 2], false), ([6, 4, 3], false), ([6, 3, 2], false)]
    {
        let mut history = six();
        show(&mut history, 3, &told, 0, ends);
        assert_eq!(found(&history).is_empty(), is_true, "{ends:?}");
    }
}

#[test]
fn an_ack_of_more_than_a_node_ever_had_does_not_count() {
    let mut history = History::from_inside(9);
    ["master", "bonnie"].into_iter().for_each(|name| history.add_node(name));
    show(&mut history, 2, &[("bonnie", 4)], 0, [6, 4, 0]);
    assert_eq!(found(&history), [(ViolationKind::Read, None, "master")]);
}

#[test]
fn a_liar_may_have_everything_or_nothing() {
    let mut history = six();
    show(&mut history, 3, &[("bonnie", 4)], 1, [6, 4, 4]);
    assert!(found(&history).is_empty(), "all that it says is true");
    show(&mut history, 3, &[("bonnie", 4)], 1, [6, 6, 4]);
    assert!(found(&history).is_empty(), "it says that it has everything");
    show(&mut history, 3, &[("bonnie", 4)], 1, [6, 4, 0]);
    assert!(found(&history).is_empty(), "it has nothing");
    show(&mut history, 3, &[("bonnie", 4)], 1, [6, 6, 6]);
    assert_eq!(found(&history), [(ViolationKind::Read, None, "master")]);
}

#[test]
fn a_secondary_shows_what_was_held_at_some_moment_and_never_more() {
    let mut history = six();
    show(&mut history, 3, &[("bonnie", 4), ("clyde", 2)], 0, [6, 4, 2]);
    // Clyde came back empty, and bonnie is forgotten.
    show(&mut history, 2, &[("clyde", 0)], 0, [6, 0, 0]);
    hears(&mut history, BONNIE, 6, 4, 2);
    hears(&mut history, CLYDE, 3, 3, 2);
    assert!(found(&history).is_empty());
    hears(&mut history, CLYDE, 6, 5, 2);
    assert_eq!(found(&history), [(ViolationKind::Read, None, "clyde")]);
}

#[test]
fn a_secondary_shows_no_more_than_it_has_and_no_less_than_before_in_one_life() {
    let mut history = six();
    show(&mut history, 3, &[("bonnie", 6), ("clyde", 6)], 0, [6, 6, 6]);
    hears(&mut history, CLYDE, 4, 4, 4);
    history.look_anew(CLYDE);
    hears(&mut history, CLYDE, 4, 0, 0);
    assert!(found(&history).is_empty(), "it is told again after its start");
    hears(&mut history, CLYDE, 4, 5, 0);
    assert_eq!(found(&history), [(ViolationKind::Read, None, "clyde")]);

    let mut history = six();
    show(&mut history, 3, &[("bonnie", 6), ("clyde", 6)], 0, [6, 6, 6]);
    hears(&mut history, CLYDE, 6, 6, 6);
    hears(&mut history, CLYDE, 6, 6, 5);
    assert_eq!(found(&history), [(ViolationKind::Read, None, "clyde")]);
}

#[test]
fn a_secondary_shows_for_a_number_no_more_than_so_many_held_at_some_moment() {
    // Of two nodes, two were a majority and all.
    let grown = || {
        let mut history = six();
        show(&mut history, 2, &[("bonnie", 5)], 0, [6, 5, 0]);
        show(&mut history, 3, &[("bonnie", 5), ("clyde", 2)], 0, [6, 5, 2]);
        history
    };
    for (own_end, ends, is_true) in [
        (6, [5, 2], true),
        (3, [3, 2], true),
        (6, [0, 0], true),
        (6, [6, 2], false),
        (6, [5, 5], false),
        (3, [4, 2], false),
    ] {
        let mut history = grown();
        counts(&mut history, BONNIE, own_end, ends);
        assert_eq!(found(&history).is_empty(), is_true, "{own_end} {ends:?}");
    }
}

#[test]
fn what_a_master_lost_was_held_by_nobody_and_is_shown_only_by_who_showed_it() {
    let hears = |history: &mut History, node, own_end, [majority, all]: [u64; 2]| {
        hears(history, node, own_end, majority, all);
    };
    for tells in [hears, counts] {
        for (node, own_end, ends, is_true) in [
            (BONNIE, 6, [6, 6], true),
            (CLYDE, 2, [2, 2], true),
            (CLYDE, 6, [3, 2], false),
            (CLYDE, 6, [2, 3], false),
        ] {
            let mut history = six();
            show(&mut history, 3, &[("bonnie", 6), ("clyde", 6)], 0, [6, 6, 6]);
            tells(&mut history, BONNIE, 6, [6, 6]);
            tells(&mut history, CLYDE, 1, [1, 1]);
            history.master_started(2, true);
            tells(&mut history, node, own_end, ends);
            assert_eq!(found(&history).is_empty(), is_true, "{node} {own_end} {ends:?}");
        }
    }
}
