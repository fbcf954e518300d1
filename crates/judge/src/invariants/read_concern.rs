//! Read concern: a node shows under it only the messages that so many nodes hold. The master shows
//! all of them, and a secondary never shows less than before.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::answer::{HeldMoment, ShownEnds, ShownMoment};
use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// The names of the two read concerns that each node knows, beside 1.
const WORDS: [&str; 2] = ["majority", "all"];

/// The ends that were shown and could be shown so far.
#[derive(Debug, Default)]
pub(crate) struct ReadConcerns {
    /// The highest ends that a majority and all held at some moment. Nodes may be forgotten, and a
    /// cluster may grow; what was shown before stays shown.
    most: ShownEnds,
    /// The highest end that so many nodes held at some moment.
    most_of: BTreeMap<u64, u64>,
    /// The ends that each secondary showed last, in its present life.
    shown: BTreeMap<usize, ShownBefore>,
}

/// The ends that a secondary showed last.
#[derive(Debug, Default)]
struct ShownBefore {
    words: ShownEnds,
    /// Those of 2, 3, … nodes.
    numbers: Vec<u64>,
}

impl ShownEnds {
    const fn each(self) -> [u64; 2] {
        [self.majority, self.all]
    }
}

/// Returns the highest end that `nodes` nodes hold, when each holds its messages before these ends.
fn held_by(nodes: u64, mut ends: Vec<u64>) -> u64 {
    ends.sort_unstable_by_key(|end| Reverse(*end));
    let index = usize::try_from(nodes.saturating_sub(1)).unwrap_or(usize::MAX);
    ends.get(index).copied().unwrap_or_default()
}

/// Returns the ends between which the one must be that the master shows for `nodes` nodes: the
/// higher one where liars hold everything and the acks of the others are true, the lower one where
/// liars hold nothing.
fn bounds(facts: &Facts, moment: &HeldMoment<'_>, nodes: u64) -> (u64, u64) {
    let master = [moment.durable_end];
    let told = moment.told.iter().map(|(_, end)| *end);
    let had = moment.told.iter().map(|(name, end)| facts.held_end(name).min(*end));
    let liars = (0..moment.liars).map(|_| moment.durable_end);
    let least = held_by(nodes, master.into_iter().chain(told).collect());
    let most = held_by(nodes, master.into_iter().chain(had).chain(liars).collect());
    (least, most)
}

fn add(facts: &Facts, node: usize, concern: &str, ends: (String, u64), found: &mut Violations) {
    let (expected, seen) = ends;
    let expected = format!("{expected} under read concern {concern}");
    let seen = format!("the messages before id {seen}");
    found.add(ViolationKind::Read, facts.name(node), None, expected, seen);
}

impl ReadConcerns {
    /// Judges that the master shows for each number of nodes just what so many hold.
    pub(crate) fn master_shows(
        &mut self,
        facts: &Facts,
        moment: &HeldMoment<'_>,
        found: &mut Violations,
    ) {
        let size = moment.cluster_size;
        let words = [size / 2 + 1, size];
        let shown = moment.shown.each();
        let by_word = words.into_iter().zip(WORDS.map(str::to_owned)).zip(shown);
        let numbers =
            (1..=size).map(|nodes| ((nodes, nodes.to_string()), (moment.held_end)(nodes)));
        for ((nodes, concern), seen) in by_word.chain(numbers) {
            let (least, most) = bounds(facts, moment, nodes);
            let most_of = self.most_of.entry(nodes).or_default();
            *most_of = most.max(*most_of);
            if seen > most {
                let expected = format!("the messages before id {most} at most");
                add(facts, 0, &concern, (expected, seen), found);
            }
            if seen < least {
                let expected = format!("the messages before id {least} at least");
                add(facts, 0, &concern, (expected, seen), found);
            }
        }
        let [majority, all] = words.map(|nodes| bounds(facts, moment, nodes).1);
        let most = &mut self.most;
        (most.majority, most.all) = (most.majority.max(majority), most.all.max(all));
    }

    /// Judges that a secondary shows no more than it has and so many nodes held at some moment, and
    /// under a word no less than before. What it showed before it may go on showing: its master may
    /// have come back with less.
    pub(crate) fn secondary_shows(
        &mut self,
        facts: &Facts,
        node: usize,
        moment: &ShownMoment<'_>,
        found: &mut Violations,
    ) {
        let &ShownMoment { own_end, shown, cluster_size, held_end } = moment;
        let numbers: Vec<u64> = (2..=cluster_size).map(held_end).collect();
        let now = ShownBefore { words: shown, numbers: numbers.clone() };
        let before = self.shown.insert(node, now).unwrap_or_default();
        let of_words = shown.each().into_iter().zip(before.words.each()).zip(self.most.each());
        let of_words = WORDS.map(str::to_owned).into_iter().zip(of_words);
        let of_numbers = (2..).zip(numbers).map(|(nodes, seen)| {
            let before = before.numbers.get(nodes as usize - 2).copied();
            let most = self.most_of.get(&nodes).copied();
            (nodes.to_string(), ((seen, before.unwrap_or_default()), most.unwrap_or_default()))
        });
        for (concern, ((seen, before), most)) in of_words.clone().chain(of_numbers) {
            let most = most.min(own_end).max(before);
            if seen > most {
                let expected = format!("the messages before id {most} at most");
                add(facts, node, &concern, (expected, seen), found);
            }
        }
        for (concern, ((seen, least), _)) in of_words {
            if seen < least {
                let expected = format!("the messages before id {least} at least, as before");
                add(facts, node, &concern, (expected, seen), found);
            }
        }
    }

    /// Forgets that nodes held what stood at `end` and behind it: those ids are given again.
    pub(crate) fn cut(&mut self, end: u64) {
        let ShownEnds { majority, all } = &mut self.most;
        for most in self.most_of.values_mut().chain([majority, all]) {
            *most = end.min(*most);
        }
    }

    /// Notes that a node begins another life: it has to be told again what others hold.
    pub(crate) fn begins_anew(&mut self, node: usize) {
        self.shown.remove(&node);
    }
}
