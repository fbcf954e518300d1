//! The steps of a scenario, read from lines.

use std::time::Duration;

use acklog_types::NodeName;

use super::action::{Action, AppendStep, FollowStep, StreamStep, WaitStep, waits};
use super::args::StepArgs;
use super::expect::Expectation;
use super::text::{BadLine, TextBlock, Word, blocks};

/// A step. The page of [`scenario`](super) lists how each is written.
#[derive(Clone, Debug)]
pub enum Step {
    /// Title of the scenario.
    Story(String),
    /// Heading of the steps that follow.
    Part(String),
    /// Conclusion of the scenario, at its end.
    Moral(String),
    /// Carries out an action on the cluster.
    Act(Action),
    /// Sends a message; its client waits beside everything else.
    Append(AppendStep),
    /// Sends lines of an append stream; their clients wait beside everything else.
    Stream(StreamStep),
    /// Waits for a stored message.
    Wait(WaitStep),
    /// Lets a reader follow a node, beside everything else.
    Follow(FollowStep),
    /// Sends messages of one size with w=1.
    Fill {
        /// Number of messages.
        count: usize,
        /// Size of each in bytes.
        bytes: usize,
    },
    /// Closes the connection of a client, or of a stream.
    HangUp(String),
    /// Lets time pass.
    Run(Duration),
    /// Starts clients that each send the next message when they have a reply.
    Load(LoadPlan),
    /// Checks the lists of these nodes again and again from here on.
    Watch(Vec<NodeName>),
    /// Shows the messages of each node.
    Logs,
    /// Shows the health of the nodes.
    Health,
    /// Checks a condition, or waits for it.
    Expect(Expectation),
}

/// Plan of the clients of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadPlan {
    /// Number of clients.
    pub clients: usize,
    /// Number of messages that each sends, with w=1, 2, 3 and majority in turn.
    pub each: usize,
    /// Longest time that a client waits for a reply.
    pub timeout: Duration,
    /// Whether a client sends a message again, under its key, until the reply is 201.
    pub retry: bool,
}

/// Longest time that a client of a load waits, if the step gives none.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest message of a `fill` in bytes: the longest one that a master takes.
const FILL_BYTES_MAX: usize = 8 << 20;

/// Most messages of a `fill`, and of each client of a load. More: a mistyped number fills the
/// memory.
const FILL_MESSAGES_MAX: usize = 1_000_000;

/// Most clients of a load: each holds a connection.
const CLIENTS_MAX: usize = 1000;

/// A step with its line.
#[derive(Clone, Debug)]
pub struct ScriptLine {
    /// Number of the line in its file, from 1.
    pub number: usize,
    /// Line as it is written, without white space around it.
    pub text: String,
    /// The step.
    pub step: Step,
}

/// Steps up to a `---` or the end of the file.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) literal: String,
    pub(super) lines: Vec<ScriptLine>,
    pub(super) recorded: Option<String>,
}

/// A scenario whose steps and arguments are checked.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) blocks: Vec<Block>,
}

impl Script {
    /// Parses a scenario.
    ///
    /// # Errors
    /// When a line is no step, with its number.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let blocks = blocks(text)?.into_iter().map(Block::read).collect::<Result<_, _>>()?;
        Ok(Self { blocks })
    }

    /// Returns all lines with steps, in order.
    pub fn lines(&self) -> impl Iterator<Item = &ScriptLine> {
        self.blocks.iter().flat_map(|block| &block.lines)
    }
}

impl Block {
    fn read(block: TextBlock) -> Result<Self, BadLine> {
        let TextBlock { literal, lines, recorded } = block;
        let lines = lines.into_iter().map(|line| {
            let step =
                Step::read(&line.words).map_err(|reason| BadLine { line: line.number, reason })?;
            Ok(ScriptLine { number: line.number, text: line.text, step })
        });
        Ok(Self { literal, lines: lines.collect::<Result<_, _>>()?, recorded })
    }
}

impl Step {
    fn read(words: &[Word]) -> Result<Self, String> {
        let Some((Word::Plain(name), rest)) = words.split_first() else {
            return Err("a line begins with a step's name".to_owned());
        };
        let mut args = StepArgs::new(rest);
        let step = match name.as_str() {
            "story" => Self::Story(args.sentence()?),
            "step" => Self::Part(args.sentence()?),
            "moral" => Self::Moral(args.sentence()?),
            "append" => {
                let texts = args.texts("a text")?;
                let label = args.named("as").or(texts.first().map(String::as_str));
                let label = label.unwrap_or_default().to_owned();
                let (write_concern, timeout) = waits(&mut args)?;
                let key = args.named_as("key")?;
                let expected_end = args.named_as("expected-end")?;
                Self::Append(AppendStep { label, texts, write_concern, timeout, key, expected_end })
            }
            "stream" => {
                let stream = args.text("the name of a stream")?.to_owned();
                let texts = args.texts("a text for each line")?;
                let (write_concern, timeout) = waits(&mut args)?;
                Self::Stream(StreamStep { stream, texts, write_concern, timeout })
            }
            "wait" => {
                let id = args.number("a message's id")?;
                let label = args.named("as").map_or_else(|| format!("wait-{id}"), str::to_owned);
                let (write_concern, timeout) = waits(&mut args)?;
                Self::Wait(WaitStep { id, label, write_concern, timeout })
            }
            "follow" => {
                let reader = args.text("the name of a reader")?.to_owned();
                let (from, concern) = (args.named_as("from")?, args.named_as("r")?);
                Self::Follow(FollowStep { reader, node: args.node()?, from, concern })
            }
            "fill" => {
                let count = args.number("how many messages")?;
                let bytes = args.named_as("bytes")?.ok_or("bytes= must say how large each is")?;
                if bytes > FILL_BYTES_MAX || count > FILL_MESSAGES_MAX {
                    return Err(format!(
                        "at most {FILL_MESSAGES_MAX} messages of {FILL_BYTES_MAX} bytes"
                    ));
                }
                Self::Fill { count, bytes }
            }
            "hang-up" => Self::HangUp(args.text("a message's text")?.to_owned()),
            "run" => Self::Run(args.duration()?),
            "load" => Self::Load(LoadPlan::read(&mut args)?),
            "watch" => Self::Watch(args.nodes()?),
            "logs" => Self::Logs,
            "health" => Self::Health,
            "expect" => Self::Expect(Expectation::read(&mut args)?),
            "wait-until" => Self::Expect(Expectation::read_wait(&mut args)?),
            name => match Action::read(name, &mut args)? {
                Some(action) => Self::Act(action),
                None => return Err(format!("there is no step named {name:?}")),
            },
        };
        args.finish()?;
        Ok(step)
    }
}

impl LoadPlan {
    fn read(args: &mut StepArgs<'_>) -> Result<Self, String> {
        let (clients, each) = (args.number("how many clients")?, args.number("how many each")?);
        let timeout = args.named_duration("timeout")?.unwrap_or(LOAD_TIMEOUT);
        let retry = args.named_as("retry")?.unwrap_or_default();
        if clients == 0 || each == 0 {
            return Err("a load has at least one client, and each sends a message".to_owned());
        }
        if clients > CLIENTS_MAX || each > FILL_MESSAGES_MAX {
            return Err(format!("at most {CLIENTS_MAX} clients with {FILL_MESSAGES_MAX} messages"));
        }
        Ok(Self { clients, each, timeout, retry })
    }
}
