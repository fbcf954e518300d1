//! `acklog post`: appends messages, one request after the other, as one batch or as a stream of
//! lines, and prints which nodes acked each.

mod input;
mod lines;

use std::future::pending;
use std::io::{BufReader, BufWriter, Read, Write};
use std::slice;
use std::time::Duration;

use acklog_api::{AppendRequest, Appended, paths};
use acklog_client::Answer;
use acklog_types::escaped;
use acklog_types::{IdempotencyKey, WriteConcern, parse_duration_with_unit};
use anyhow::{Context, anyhow, bail};
use clap::{ArgAction, Args};
use hyper::{Method, StatusCode};
use tokio::sync::watch;
use tokio::time::sleep;

use self::input::{InputTexts, one_batch};
use super::TargetArgs;
use super::client::{ToolClients, is_unreachable};

/// Time that the network may take on top of `--timeout` before the node counts as silent.
const NETWORK_MARGIN: Duration = Duration::from_secs(5);

/// Time after which a line reports that the answer is waited for. Shorter: the line is printed for
/// answers that come anyway. Longer: the user presses Ctrl-C without knowing what that does.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// The error of an answer of something else than a node.
const NO_MESSAGE: &str = "the answer does not tell of a message: is this a node?";

/// Flags of `acklog post`.
#[derive(Clone, Debug, Args)]
pub(super) struct PostArgs {
    /// Messages; a - reads messages from standard input, one a line
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,

    /// How many nodes must have each message: a number, majority or all [default: the node's]
    #[arg(long, short, env = "ACKLOG_WRITE_CONCERN", value_name = "W")]
    write_concern: Option<WriteConcern>,

    /// How long to wait for these nodes, as 250ms or 1.5s [default: as long as it takes]
    #[arg(long, env = "ACKLOG_TIMEOUT", value_name = "DURATION")]
    #[arg(value_parser = parse_duration_with_unit)]
    timeout: Option<Duration>,

    /// Append all messages as one batch: with consecutive ids, together or not at all
    #[arg(long, env = "ACKLOG_BATCH", action = ArgAction::SetTrue, value_parser = batch)]
    batch: bool,

    /// Key of the message or batch, 1 to 128 visible ASCII characters: sent again, it is stored
    /// once [default: none]
    #[arg(long, env = "ACKLOG_KEY", value_name = "KEY")]
    key: Option<IdempotencyKey>,

    /// Print the node's answers as JSON, one a line
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    #[command(flatten)]
    target: TargetArgs,
}

/// Reads `ACKLOG_BATCH`, which `acklog bench` reads as well.
fn batch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| {
        "it must be true or false (a number is for `acklog bench`, which has a --batch, too)"
            .to_owned()
    })
}

/// Posts all messages.
///
/// # Errors
/// At the first failure; the messages after it are not sent. Lines of standard input go on behind
/// one that is refused.
pub(super) async fn run(args: &PostArgs, out: &mut impl Write) -> anyhow::Result<()> {
    run_with(args, std::io::stdin(), out, &mut std::io::stderr()).await
}

impl PostArgs {
    /// Returns why the flags are unusable together; `None` if they are usable.
    pub(super) fn unusable(&self) -> Option<String> {
        let one = matches!(self.texts.as_slice(), [text] if text != "-");
        (self.key.is_some() && !one && !self.batch).then(|| {
            "--key names one message: give it with one TEXT, which is not -, or with --batch"
                .to_owned()
        })
    }

    /// Returns the word for the content of one request.
    fn noun(&self) -> &'static str {
        if self.batch { "batch" } else { "message" }
    }
}

async fn run_with(
    args: &PostArgs,
    stdin: impl Read + Send + 'static,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> anyhow::Result<()> {
    if !args.batch && args.texts.iter().any(|text| text == "-") {
        // Buffered: a long input has many short answers.
        return lines::post_lines(args, stdin, &mut BufWriter::new(out), notes).await;
    }
    let mut poster =
        Poster { args, clients: ToolClients::new(&args.target.urls), notes: Some(notes) };
    if args.batch {
        let mut stdin = BufReader::new(stdin);
        let texts = InputTexts::new(&args.texts, &mut stdin);
        return poster.post(&one_batch(texts)?, out).await;
    }
    for text in &args.texts {
        poster.post(slice::from_ref(text), out).await?;
    }
    Ok(())
}

/// Posts one request after the other.
struct Poster<'a, N> {
    args: &'a PostArgs,
    clients: ToolClients,
    /// Output for the line that reports the waiting; `None` once it was printed.
    notes: Option<&'a mut N>,
}

impl<N: Write> Poster<'_, N> {
    async fn post(&mut self, texts: &[String], out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer(texts).await?;
        let created = answer.status == StatusCode::CREATED;
        if self.args.json {
            // Refusals too: a 504 carries the id of a message that is in the log.
            writeln!(out, "{}", answer.json_line()?)?;
        } else if created {
            let appended = answer.parsed().context(NO_MESSAGE)?;
            writeln!(out, "{}", acked_line(&appended))?;
        }
        // Flushed after each line, also where standard output is a pipe.
        out.flush()?;
        if !created {
            bail!(answer.detail());
        }
        Ok(())
    }

    /// Returns the node's answer. Reports once if it is slow to come.
    ///
    /// # Errors
    /// When no node can be reached, or the answer is lost.
    async fn answer(&mut self, texts: &[String]) -> anyhow::Result<Answer> {
        let args = self.args;
        let answer_timeout = args.timeout.map(|timeout| timeout + NETWORK_MARGIN);
        let body = serde_json::to_vec(&request_body(args, texts))?.into();
        let key = args.key.as_ref().map(IdempotencyKey::as_str);
        let is_waiting = self.clients.is_waiting();
        let call = self.clients.call(Method::POST, paths::MESSAGES, key, body, answer_timeout);
        tokio::pin!(call);
        let answer = tokio::select! {
            answer = &mut call => answer,
            () = waits_long(is_waiting), if self.notes.is_some() => {
                if let Some(notes) = self.notes.take() {
                    // A closed output is no reason to fail.
                    let _ = writeln!(notes, "acklog: {}", waiting_line(args));
                }
                call.await
            }
        };
        answer.map_err(anyhow::Error::from).map_err(|error| match is_unreachable(&error) {
            true => error,
            false => anyhow!("{error:#}; {}", lost_answer(args)),
        })
    }
}

/// Waits until a node has had a request for [`QUIET_TIME`] without an answer; connecting does not
/// count.
async fn waits_long(mut is_waiting: watch::Receiver<bool>) {
    while is_waiting.wait_for(|is_waiting| *is_waiting).await.is_ok() {
        tokio::select! {
            () = sleep(QUIET_TIME) => return,
            _ = is_waiting.wait_for(|is_waiting| !is_waiting) => {}
        }
    }
    pending().await
}

fn waiting_line(args: &PostArgs) -> String {
    let nodes_have = match args.write_concern {
        Some(WriteConcern::Nodes(0 | 1)) => "the master has".to_owned(),
        Some(WriteConcern::Nodes(nodes)) => format!("{nodes} nodes have"),
        Some(WriteConcern::Majority) => "a majority of the nodes has".to_owned(),
        Some(WriteConcern::All) => "all nodes have".to_owned(),
        None => "as many nodes as the default asks for have".to_owned(),
    };
    format!(
        "waiting until {nodes_have} the {noun}; Ctrl-C ends the waiting only: \
         the {noun} stays in the log",
        noun = args.noun()
    )
}

/// Returns the advice for a request whose answer is lost.
fn lost_answer(args: &PostArgs) -> String {
    let noun = args.noun();
    let advice = match args.key {
        Some(_) => "send it again with the same --key, then it is stored once",
        None => {
            "look with `acklog messages` before sending it again; with --key trying again is safe"
        }
    };
    format!("the {noun} may be in the log: {advice}")
}

fn request_body<'a>(args: &PostArgs, texts: &'a [String]) -> AppendRequest<'a> {
    // Rounded up: 0 would mean not to wait at all.
    let millis = |timeout: Duration| timeout.as_nanos().div_ceil(1_000_000);
    let request = match texts {
        [text] if !args.batch => AppendRequest::message(text.as_str()),
        texts => AppendRequest::batch(texts),
    };
    AppendRequest {
        timeout_ms: args.timeout.map(|it| u64::try_from(millis(it)).unwrap_or(u64::MAX)),
        write_concern: args.write_concern,
        ..request
    }
}

fn acked_line(appended: &Appended) -> String {
    let id = appended.id;
    let ids = match appended.count {
        Some(count) if count > 1 => format!("ids {id} to {}", id.saturating_add(count - 1)),
        _ => format!("id {id}"),
    };
    format!("{ids}, acked by {}", escaped(&appended.acked_by.join(", ")))
}

#[cfg(test)]
mod tests;
