//! What a scenario expects: of answers, of what nodes show, and of what they tell about themselves.

use std::time::Duration;

use acklog_types::{DelayRange, NodeName};

use super::args::{Args, read};
use super::health::Fact;

/// How long an expectation may take to come true where the step does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// How an answer to a client must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The write concern holds (201, or 200 for one who waited again).
    Answered,
    /// The client's time passed first (504).
    TimedOut,
    /// The master stopped, or cannot tell, but named the message's id (503 with an id).
    Unfinished,
    /// Nothing was stored, and the master says why.
    Refused,
    /// The connection ended without an answer.
    Lost,
}

impl Kind {
    /// Returns its word, as steps and stories have it.
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

/// What an answer must say beside its kind. What is not given may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Like {
    /// The message's id.
    pub id: Option<u64>,
    /// The write concern as a number of nodes.
    pub write_concern: Option<u16>,
    /// The nodes that had acked, the master first, the secondaries in any order.
    pub acked: Option<Vec<String>>,
    /// A part of what a refusal says.
    pub says: Option<String>,
    /// How long the client waited for it.
    pub took: Option<DelayRange>,
}

/// What a scenario expects to come true, or to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Each of these clients gets such an answer.
    Answers {
        /// How the answer is.
        kind: Kind,
        /// Which clients.
        labels: Vec<String>,
        /// What it says.
        like: Like,
        /// How long that may take.
        within: Duration,
    },
    /// These clients have no answer, and get none for a while.
    Waiting {
        /// Which.
        labels: Vec<String>,
        /// For how long.
        lasting: Duration,
    },
    /// A node tells these facts about itself.
    Health {
        /// Which.
        node: NodeName,
        /// What it tells.
        facts: Vec<Fact>,
        /// Until when it must; zero: now.
        within: Duration,
        /// For how long it must go on to.
        lasting: Duration,
    },
    /// The master counts on these secondaries: they are healthy and ready.
    Ready {
        /// Which.
        nodes: Vec<NodeName>,
        /// Until when.
        within: Duration,
    },
    /// A node shows these messages and no others.
    Messages {
        /// Which.
        node: NodeName,
        /// Their texts in order.
        texts: Vec<String>,
    },
    /// Nodes show the same messages under the same ids.
    Same {
        /// Which.
        nodes: Vec<NodeName>,
        /// Until when.
        within: Duration,
    },
    /// Each node shows a beginning of the master's list, without a gap.
    Prefix(Vec<NodeName>),
    /// Each node shows each of these texts exactly once.
    Once {
        /// Which nodes.
        nodes: Vec<NodeName>,
        /// The texts.
        texts: Vec<String>,
    },
    /// Each node shows all that was answered with its name, and nothing twice or that nobody sent.
    Kept(Vec<NodeName>),
    /// So many messages of the load are answered; none: all, and each in the end with 201 where
    /// the load retries.
    Load {
        /// How many.
        answered: Option<u64>,
        /// Until when.
        within: Duration,
    },
    /// The node refuses to start.
    NoStart {
        /// Which.
        node: NodeName,
        /// A part of its last line.
        says: Option<String>,
    },
    /// What `log reset` moved aside holds a text.
    Aside {
        /// Whose.
        node: NodeName,
        /// The text.
        text: String,
    },
}

impl Expectation {
    /// Reads what stands behind `expect`.
    pub(super) fn read(args: &mut Args<'_>) -> Result<Self, String> {
        let what = args.text("what is expected (answered, waiting, health, messages, same, …)")?;
        let within = args.named_duration("within")?;
        let patience = within.unwrap_or(PATIENCE);
        let kinds = [Kind::Answered, Kind::TimedOut, Kind::Unfinished, Kind::Refused, Kind::Lost];
        if let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() == what) {
            let labels = args.texts("a message's text")?;
            return Ok(Self::Answers { kind, labels, like: Like::read(args)?, within: patience });
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
                let node = args.node()?;
                let texts = std::iter::from_fn(|| args.next()).map(str::to_owned).collect();
                Self::Messages { node, texts }
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

    /// Reads what stands behind `wait-until`: what is expected to come true in a while.
    pub(super) fn read_wait(args: &mut Args<'_>) -> Result<Self, String> {
        let within = args.named_duration("within")?.unwrap_or(PATIENCE);
        health(args, within, Duration::ZERO)
    }
}

fn health(args: &mut Args<'_>, within: Duration, lasting: Duration) -> Result<Expectation, String> {
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

impl Like {
    fn read(args: &mut Args<'_>) -> Result<Self, String> {
        Ok(Self {
            id: args.named_as("id")?,
            write_concern: args.named_as("w")?,
            acked: args.named("acked").map(|names| names.split(',').map(str::to_owned).collect()),
            says: args.named("says").map(str::to_owned),
            took: args.named_as("took")?,
        })
    }
}
