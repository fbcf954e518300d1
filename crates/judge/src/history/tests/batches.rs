//! Batches are there as a whole or not at all.

use super::*;

/// Three nodes, and messages sent one, three, and one at a time.
fn with_batch() -> History {
    let mut history = history(1);
    assert_eq!((history.sent(3), history.sent(1)), (1..4, 4..5));
    history
}

const WITH_BATCH: [(u64, &str); 5] =
    [(0, "check x 0"), (1, "check x 1"), (2, "check x 2"), (3, "check x 3"), (4, "check x 4")];

#[test]
fn a_batch_that_is_there_as_a_whole_passes_and_a_limit_may_cut_it() {
    let mut history = with_batch();
    let outcome = AppendOutcome::Committed(receipt(1, 1, &["master"]));
    history.answered(1..4, asked(Some(WriteConcern::Nodes(1))), outcome);
    see(&mut history, MASTER, 0, &WITH_BATCH);
    see(&mut history, BONNIE, 0, &WITH_BATCH[..1]);
    for limit in 1..4 {
        let mut read = history.begin_list(CLYDE, 0, limit);
        WITH_BATCH[..limit as usize].iter().for_each(|(id, text)| {
            history.row(&mut read, *id, text);
        });
        history.end_list(read);
    }
    assert!(found(&history).is_empty(), "{:?}", history.violations());
}

#[test]
fn a_list_that_ends_inside_a_batch_is_found_also_where_others_showed_all_of_it() {
    for is_seen_elsewhere in [false, true] {
        for end in 2..4 {
            let mut history = with_batch();
            if is_seen_elsewhere {
                see(&mut history, MASTER, 0, &WITH_BATCH);
            }
            see(&mut history, BONNIE, 0, &WITH_BATCH[..end]);
            finds(&history, ViolationKind::Batch, end as u64, "bonnie");
        }
    }
}

#[test]
fn a_batch_with_something_else_in_it_or_in_another_order_is_found() {
    let lists: [(&[&str], u64); 4] = [
        (&["check x 1", "check x 2", "check x 0", "check x 3"], 2),
        (&["check x 1", "check x 3", "check x 2"], 1),
        (&["check x 0", "check x 2", "check x 3"], 1),
        (&["check x 1", "somebody else's"], 1),
    ];
    for (texts, id) in lists {
        let mut history = with_batch();
        let rows: Vec<_> = (0..).zip(texts.iter().copied()).collect();
        see(&mut history, CLYDE, 0, &rows);
        assert_eq!(found(&history)[0], (ViolationKind::Batch, Some(id), "clyde"), "{texts:?}");
    }
}

#[test]
fn a_batch_of_which_a_part_was_lost_or_that_was_refused_is_found() {
    let mut history = with_batch();
    let outcome = AppendOutcome::Committed(receipt(1, 1, &["master"]));
    history.answered(1..4, asked(Some(WriteConcern::Nodes(1))), outcome);
    see(&mut history, MASTER, 0, &WITH_BATCH[..2]);
    assert_eq!(
        found(&history),
        [(ViolationKind::Batch, Some(2), "master"), (ViolationKind::Ack, Some(3), "master")]
    );

    let mut history = with_batch();
    history.answered(1..4, asked(None), AppendOutcome::Refused);
    see(&mut history, MASTER, 0, &WITH_BATCH);
    let refused = [1, 2, 3].map(|id| (ViolationKind::Refused, Some(id), "master"));
    assert_eq!(found(&history), refused);
}
