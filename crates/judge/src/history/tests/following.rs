//! Followers receive each message once, and what they receive counts as shown.

use super::*;
use crate::follower::FollowedRow;
use crate::lies::{BATCH, Lie, TRUTH};

fn row(id: u64, text: &str) -> FollowedRow<'_> {
    FollowedRow { id, text, batch: None, is_resume_point: true }
}

/// A history with a follower of bonnie.
fn followed(sent: u64) -> (History, usize) {
    let mut history = history(sent);
    let follower = history.add_follower(BONNIE, 0);
    history.follower_connects(follower);
    (history, follower)
}

/// A follower of bonnie receives these messages, and can resume behind each that is no part of a
/// batch and behind these.
pub(super) fn follow(history: &mut History, follower: usize, ids: &[usize], torn: &[usize]) {
    for &at in ids {
        let is_inside = BATCH.contains(&at) && at + 1 < BATCH.end;
        let batch = BATCH.contains(&at).then_some(BATCH.start as u64);
        let is_resume_point = !is_inside || torn.contains(&at);
        let row = FollowedRow { id: at as u64, text: TRUTH[at], batch, is_resume_point };
        history.followed(follower, row);
    }
}

/// Lies to a follower of bonnie.
pub(super) fn lie_to_follower(history: &mut History, lie: Lie) -> ViolationKind {
    let follower = history.add_follower(BONNIE, 0);
    history.follower_connects(follower);
    match lie {
        Lie::HiddenFromFollower => follow(history, follower, &[0, 2], &[]),
        Lie::ToldFollowerTwice => {
            follow(history, follower, &[0, 1], &[]);
            history.follower_connects(follower);
            follow(history, follower, &[1], &[]);
        }
        Lie::TornResume => follow(history, follower, &[0, 1, 2, 3], &[3]),
        Lie::FalseGap => history.follower_missed(follower, 4),
        Lie::FollowerLeftBehind => {
            follow(history, follower, &[0, 1], &[]);
            let all: Vec<_> = (0..).zip(TRUTH).collect();
            see(history, CLYDE, 0, &all);
            finish(history, 6);
        }
        lie => panic!("{lie:?} is told to no follower"),
    }
    ViolationKind::Follower
}

#[test]
fn what_a_follower_receives_is_compared_with_the_lists() {
    let (mut history, follower) = followed(2);
    see(&mut history, MASTER, 0, &TWO);
    history.followed(follower, row(0, "check x 0"));
    history.followed(follower, row(1, "check x 0"));
    finds(&history, ViolationKind::Content, 1, "bonnie");
    // And the other way round.
    let (mut history, follower) = followed(2);
    history.followed(follower, row(0, "check x 1"));
    see(&mut history, MASTER, 0, &TWO[..1]);
    finds(&history, ViolationKind::Content, 0, "master");
}

#[test]
fn what_a_follower_received_may_not_be_missing_in_a_list() {
    let (mut history, follower) = followed(2);
    history.followed(follower, row(0, "check x 0"));
    see(&mut history, BONNIE, 0, &[]);
    finds(&history, ViolationKind::Shrunk, 0, "bonnie");
}

#[test]
fn a_message_that_comes_again_after_another_connection_is_compared_too() {
    let (mut history, follower) = followed(2);
    history.followed(follower, FollowedRow { is_resume_point: false, ..row(0, "somebody's") });
    history.follower_connects(follower);
    history.followed(follower, row(0, "another's"));
    finds(&history, ViolationKind::Content, 0, "bonnie");
}

#[test]
fn a_member_that_does_not_name_its_batch_is_found() {
    for batch in [None, Some(1)] {
        let mut history = history(0);
        history.sent(2);
        let follower = history.add_follower(BONNIE, 0);
        let inside = FollowedRow { batch: Some(0), is_resume_point: false, ..row(0, "check x 0") };
        history.followed(follower, inside);
        history.followed(follower, FollowedRow { batch, ..row(1, "check x 1") });
        finds(&history, ViolationKind::Follower, 1, "bonnie");
    }
}

#[test]
fn a_message_without_a_place_to_resume_from_is_found() {
    let (mut history, follower) = followed(1);
    history.followed(follower, FollowedRow { is_resume_point: false, ..row(0, "check x 0") });
    finds(&history, ViolationKind::Follower, 0, "bonnie");
}

#[test]
fn a_follower_that_is_refused_is_found_once_and_the_rest_of_it_tells_nothing() {
    let (mut history, follower) = followed(2);
    see(&mut history, BONNIE, 0, &TWO);
    history.follower_refused(follower, "another log".to_owned());
    history.follower_missed(follower, 2);
    history.followed(follower, row(1, "check x 1"));
    see(&mut history, MASTER, 0, &TWO);
    see(&mut history, CLYDE, 0, &TWO);
    finish(&mut history, 2);
    let of_follower = found(&history).into_iter().filter(|it| it.0 == ViolationKind::Follower);
    assert_eq!(of_follower.count(), 1);
}

#[test]
fn a_follower_of_a_node_that_lacks_messages_is_not_blamed() {
    let (mut history, follower) = followed(2);
    see(&mut history, MASTER, 0, &TWO);
    see(&mut history, CLYDE, 0, &TWO);
    history.followed(follower, row(0, "check x 0"));
    assert_eq!(history.follower(follower).map(|it| it.end()), Some(1));
    finish(&mut history, 2);
    assert_eq!(found(&history), [(ViolationKind::NotConverged, None, "bonnie")]);
}
