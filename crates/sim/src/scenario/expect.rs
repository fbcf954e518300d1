//! Expectations of a scenario: about replies to clients, messages that nodes show, and health.

use std::time::Duration;

use acklog_types::{DelayRange, NodeName, WriteConcern};

use super::args::{StepArgs, read};
use super::health::Fact;

/// Longest time until an expectation holds, if the step gives none. Shorter: a slow machine fails
/// scenarios that hold. Longer: a scenario that fails takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kind of a reply to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// The write concern holds (201, or 200 for a client that waited again).
    Answered,
    /// The client's timeout passed first (504).
    TimedOut,
    /// The master stopped, or does not know, but named the message's id (503 with an id).
    Unfinished,
    /// Nothing was stored, and the master named the reason.
    Refused,
    /// The connection ended without a reply.
    Lost,
}

impl ReplyKind {
    /// Returns the word for it in steps and stories.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::TimedOut => "timed-out",
            Self::Unfinished => "unfinished",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Details that a reply must have beside its kind. What is not given may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyDetails {
    /// Id of the message.
    pub id: Option<u64>,
    /// Write concern as a number of nodes.
    pub write_concern: Option<u16>,
    /// Nodes that had acked, the master first, the secondaries in any order.
    pub acked: Option<Vec<String>>,
    /// Part of the detail of a refusal.
    pub says: Option<String>,
    /// Time that the client waited for it.
    pub took: Option<DelayRange>,
}

/// A condition that must hold, now or after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Each of these clients gets such a reply.
    Answers {
        /// Kind of the reply.
        kind: ReplyKind,
        /// Labels of the clients.
        labels: Vec<String>,
        /// Details of the reply.
        like: ReplyDetails,
        /// Longest time until it is there.
        within: Duration,
    },
    /// These clients have no reply, and get none for a while.
    Waiting {
        /// Labels of the clients.
        labels: Vec<String>,
        /// Time for which it must hold.
        lasting: Duration,
    },
    /// The health of a node has these facts.
    Health {
        /// The node.
        node: NodeName,
        /// The facts.
        facts: Vec<Fact>,
        /// Longest time until it holds; zero: now.
        within: Duration,
        /// Time for which it must hold from then on.
        lasting: Duration,
    },
    /// These secondaries are healthy and ready for the master.
    Ready {
        /// The secondaries.
        nodes: Vec<NodeName>,
        /// Longest time until it holds.
        within: Duration,
    },
    /// A node shows these messages and no others.
    Messages {
        /// The node.
        node: NodeName,
        /// Read concern.
        concern: WriteConcern,
        /// Texts in order.
        texts: Vec<String>,
        /// Longest time until it holds; zero: now.
        within: Duration,
    },
    /// A reader received these messages, each once and in order, and no others.
    Followed {
        /// Name of the reader.
        reader: String,
        /// Texts in order.
        texts: Vec<String>,
        /// Longest time until it holds.
        within: Duration,
        /// Time for which it must hold from then on.
        lasting: Duration,
    },
    /// Nodes show the same messages under the same ids.
    Same {
        /// The nodes.
        nodes: Vec<NodeName>,
        /// Longest time until it holds.
        within: Duration,
    },
    /// Each node shows a prefix of the master's list, without a gap.
    Prefix(Vec<NodeName>),
    /// Each node shows each of these texts exactly once.
    Once {
        /// The nodes.
        nodes: Vec<NodeName>,
        /// The texts.
        texts: Vec<String>,
    },
    /// Each node shows every message that it acked, none more often than it was sent, and none that
    /// was not sent.
    Kept(Vec<NodeName>),
    /// So many messages of the load are answered; none: all, and with `retry` each with 201 in the
    /// end.
    Load {
        /// Number of messages.
        answered: Option<u64>,
        /// Longest time until it holds.
        within: Duration,
    },
    /// The node refuses to start.
    NoStart {
        /// The node.
        node: NodeName,
        /// Part of its last line.
        says: Option<String>,
    },
    /// A file that `acklog log reset` moved aside holds a text.
    Aside {
        /// The node.
        node: NodeName,
        /// The text.
        text: String,
    },
}

impl Expectation {
    /// Reads the words behind `expect`.
    pub(super) fn read(args: &mut StepArgs<'_>) -> Result<Self, String> {
        let what = args.text("what is expected (answered, waiting, health, messages, same, …)")?;
        let within = args.named_duration("within")?;
        let patience = within.unwrap_or(PATIENCE);
        let kinds = [
            ReplyKind::Answered,
            ReplyKind::TimedOut,
            ReplyKind::Unfinished,
            ReplyKind::Refused,
            ReplyKind::Lost,
        ];
        if let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() == what) {
            let labels = args.texts("a message's text")?;
            return Ok(Self::Answers {
                kind,
                labels,
                like: ReplyDetails::read(args)?,
                within: patience,
            });
        }
        Ok(match what {
            "waiting" => {
                let lasting = args.named_duration("for")?.unwrap_or_default();
                Self::Waiting { labels: args.texts("a message's text")?, lasting }
            }
            "health" => {
                let lasting = args.named_duration("for")?.unwrap_or_default();
                health(args, within.unwrap_or_default(), lasting)?
            }
            "ready" => Self::Ready { nodes: args.nodes()?, within: patience },
            "messages" => {
                let concern = args.named_as("r")?.unwrap_or(WriteConcern::Nodes(1));
                let node = args.node()?;
                let texts = std::iter::from_fn(|| args.next()).map(str::to_owned).collect();
                Self::Messages { node, concern, texts, within: within.unwrap_or_default() }
            }
            "followed" => {
                let lasting = args.named_duration("for")?.unwrap_or_default();
                let reader = args.text("the name of a reader")?.to_owned();
                let texts = std::iter::from_fn(|| args.next()).map(str::to_owned).collect();
                Self::Followed { reader, texts, within: patience, lasting }
            }
            "same" => Self::Same { nodes: args.nodes()?, within: within.unwrap_or_default() },
            "prefix" => Self::Prefix(args.nodes()?),
            "once" => {
                let on = args.named("on").ok_or("on= must name the nodes, as on=master,bonnie")?;
                let nodes = on.split(',').map(|name| read("on", name)).collect::<Result<_, _>>()?;
                Self::Once { nodes, texts: args.texts("a message's text")? }
            }
            "kept" => Self::Kept(args.nodes()?),
            "load" => Self::Load { answered: args.named_as("answered")?, within: patience },
            "no-start" => {
                Self::NoStart { node: args.node()?, says: args.named("says").map(str::to_owned) }
            }
            "aside" => Self::Aside { node: args.node()?, text: args.text("a text")?.to_owned() },
            other => return Err(format!("nobody can expect {other:?}")),
        })
    }

    /// Reads the words behind `wait-until`.
    pub(super) fn read_wait(args: &mut StepArgs<'_>) -> Result<Self, String> {
        let within = args.named_duration("within")?.unwrap_or(PATIENCE);
        health(args, within, Duration::ZERO)
    }
}

fn health(
    args: &mut StepArgs<'_>,
    within: Duration,
    lasting: Duration,
) -> Result<Expectation, String> {
    let node = args.node()?;
    let mut facts = Vec::new();
    while let Some((field, value)) = args.next_named() {
        facts.push(Fact::read(&node, field, value)?);
    }
    if facts.is_empty() {
        return Err("what must it tell, as end=3 or phase=ready?".to_owned());
    }
    Ok(Expectation::Health { node, facts, within, lasting })
}

impl ReplyDetails {
    fn read(args: &mut StepArgs<'_>) -> Result<Self, String> {
        Ok(Self {
            id: args.named_as("id")?,
            write_concern: args.named_as("w")?,
            acked: args.named("acked").map(|names| names.split(',').map(str::to_owned).collect()),
            says: args.named("says").map(str::to_owned),
            took: args.named_as("took")?,
        })
    }
}
