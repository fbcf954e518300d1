//! What a recorded cluster tells.

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_protocol::{Event, MasterHealth, SecondaryHealth};
use acklog_types::{LogEnd, NodeName};

/// Longest time between two states of a node that takes part in the simulation.
const STATE_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Shortest time between two states of a node.
const STATE_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Shortest time between two lists of new messages of a node.
const MESSAGES_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Something that a node tells at a moment of virtual time.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Virtual time.
    pub at: Duration,
    /// Node, by the name that it has in the simulation.
    pub node: NodeName,
    /// What it tells.
    pub told: Told,
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Something happened on it. A frame that the network loses or doubles is told by its sender,
    /// as one that an injected fault does that to.
    Event(Event),
    /// The state of a master.
    Master(MasterHealth),
    /// The state of a secondary.
    Secondary(SecondaryHealth),
    /// The messages that it shows from an id on, in order. Smaller than the end of those before:
    /// its log was cut, or is another one.
    Messages {
        /// The id of the first one.
        from: LogEnd,
        /// Their texts.
        texts: Vec<String>,
    },
    /// It does not run any more.
    Down,
}

impl Told {
    /// Returns the state without what changes all the time.
    fn without_times(&self) -> Self {
        let mut told = self.clone();
        if let Self::Master(health) = &mut told {
            for row in &mut health.secondaries {
                (row.rtt, row.last_seen, row.in_flight) = (None, None, 0);
            }
            health.refused.iter_mut().for_each(|row| row.last_seen = None);
        }
        told
    }
}

/// Records what a cluster tells.
#[derive(Debug, Default)]
pub(crate) struct NewsRecorder {
    pub(crate) news: Vec<News>,
    seen: BTreeMap<NodeName, SeenNode>,
}

/// What is known of a node that runs.
#[derive(Debug)]
struct SeenNode {
    /// Number of its start.
    life: u64,
    state: Told,
    state_at: Duration,
    end: LogEnd,
    messages_at: Duration,
}

/// A node as it is now.
pub(crate) struct NodeNow {
    pub(crate) node: NodeName,
    /// Number of its start.
    pub(crate) life: u64,
    pub(crate) state: Told,
    /// End of the messages that it shows.
    pub(crate) end: LogEnd,
}

impl NewsRecorder {
    pub(crate) fn push(&mut self, at: Duration, node: &NodeName, told: Told) {
        self.news.push(News { at, node: node.clone(), told });
    }

    /// Looks at a node that runs: tells its state if that changed or was not told for long, and
    /// returns the id from which on its messages are to be told, if there are new ones. `at_once`:
    /// even if others were told a moment ago.
    pub(crate) fn look(&mut self, at: Duration, now: NodeNow, at_once: bool) -> Option<LogEnd> {
        let NodeNow { node, life, state, end } = now;
        let known = self.seen.get_mut(&node).filter(|known| known.life == life);
        let Some(known) = known else {
            let seen =
                SeenNode { life, state: state.without_times(), state_at: at, end, messages_at: at };
            self.seen.insert(node.clone(), seen);
            self.push(at, &node, state);
            return Some(LogEnd::ZERO);
        };
        let (state_age, messages_age) = (at - known.state_at, at - known.messages_at);
        let from = known.end.min(end);
        let has_news = known.end != end && (at_once || messages_age >= MESSAGES_INTERVAL_MIN);
        if has_news {
            (known.end, known.messages_at) = (end, at);
        }
        if state_age >= STATE_INTERVAL_MAX
            || (at_once || state_age >= STATE_INTERVAL_MIN) && known.state != state.without_times()
        {
            (known.state, known.state_at) = (state.without_times(), at);
            self.push(at, &node, state);
        }
        has_news.then_some(from)
    }

    /// Tells that nodes are down that ran and are none of these.
    pub(crate) fn look_for_dead(&mut self, at: Duration, runs: impl Fn(&NodeName) -> bool) {
        let dead: Vec<NodeName> = self.seen.keys().filter(|node| !runs(node)).cloned().collect();
        for node in dead {
            self.seen.remove(&node);
            self.push(at, &node, Told::Down);
        }
    }
}
