//! Followers: each has one place in the log, over all its connections.

use super::History;
use crate::follower::{FollowedRow, Follower};
use crate::invariants::following;

impl History {
    /// Adds a follower of a node, which begins with the message `from`. Returns its number.
    pub fn add_follower(&mut self, node: usize, from: u64) -> usize {
        let follower = Follower { node, next: from, resume: from, end: from, is_broken: false };
        self.followers.push(follower);
        self.followers.len() - 1
    }

    /// Returns a follower.
    pub fn follower(&self, number: usize) -> Option<&Follower> {
        self.followers.get(number)
    }

    /// Notes that a follower connects: it goes on behind the last message that it can resume from.
    pub fn follower_connects(&mut self, number: usize) {
        if let Some(follower) = self.followers.get_mut(number) {
            follower.next = follower.resume;
        }
    }

    /// Notes that a follower connects to this node, where it goes on as it does on the one before.
    pub fn follower_goes_to(&mut self, number: usize, node: usize) {
        if let Some(follower) = self.followers.get_mut(number) {
            follower.node = node;
        }
        self.follower_connects(number);
    }

    /// Judges a message that a follower receives.
    pub fn followed(&mut self, number: usize, row: FollowedRow<'_>) {
        let Some(follower) = self.followers.get_mut(number).filter(|it| !it.is_broken) else {
            return;
        };
        if !following::goes_on(&self.facts, follower, row.id, &mut self.found) {
            follower.is_broken = true;
            return;
        }
        let node = follower.node;
        let content = self.show(node, row.id, row.text);
        let Some(follower) = self.followers.get_mut(number) else { return };
        following::resumes_whole(&self.facts, follower, content, row, &mut self.found);
        follower.next += 1;
        follower.end = follower.end.max(follower.next);
        if row.is_resume_point {
            follower.resume = follower.next;
        }
    }

    /// Adds that a follower was told that the messages before `to` are gone, where none is.
    pub fn follower_missed(&mut self, number: usize, to: u64) {
        if let Some(follower) = self.followers.get_mut(number).filter(|it| !it.is_broken) {
            following::no_gap(&self.facts, follower, to, &mut self.found);
            follower.is_broken = true;
        }
    }

    /// Adds that a node refused a follower for good, or sent it no stream.
    pub fn follower_refused(&mut self, number: usize, why: String) {
        if let Some(follower) = self.followers.get_mut(number).filter(|it| !it.is_broken) {
            following::not_refused(&self.facts, follower, why, &mut self.found);
            follower.is_broken = true;
        }
    }

    /// Judges that all followers received the messages before `target`, which their nodes have.
    pub fn finish_followers(&mut self, target: u64) {
        let (facts, found) = (&self.facts, &mut self.found);
        // What is wrong with a broken one is known, and a node that lacks messages, too.
        let whole = self.followers.iter().filter(|it| !it.is_broken);
        for follower in whole.filter(|it| facts.end(it.node) >= target) {
            following::received_all(facts, follower, target, found);
        }
    }
}
