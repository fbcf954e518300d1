//! Posts lines over one stream of appends, and prints their answers in the order of the lines.

use std::future::ready;
use std::io::{self, BufReader, Read, Write};
use std::time::Duration;

use acklog_api::{Appended, Outcome, paths};
use acklog_client::{
    AppendOptions, AppendStream, AppendStreamOptions, Cause, Client, Error, PendingAppend,
};
use acklog_threads::ThreadPool;
use acklog_types::escaped;
use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::input::{InputTexts, is_unreadable};
use super::{PostArgs, QUIET_TIME, acked_line, waiting_line};
use crate::cli::client::ToolClients;

/// Time without a node that takes the lines, after which the command ends. Shorter: a restart of
/// the master ends it. Longer: the user waits in vain.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that are handed over at once, as far as they are there.
const LINES_AT_ONCE: usize = 1024;

/// Bytes of standard input that are read at once. Fewer: more system calls. More: they wait longer.
const INPUT_BYTES: usize = 64 * 1024;

/// Lines whose answers are not printed yet: as many as wait at a node.
const UNPRINTED_MAX: usize = 16_384;

/// A message of the input.
struct InputText {
    place: String,
    text: anyhow::Result<String>,
}

/// A message that was sent, or cannot be.
struct SentText {
    place: String,
    answer: Result<PendingAppend, String>,
}

/// Posts the messages, goes on behind those that are refused, and prints the answers.
///
/// # Errors
/// At the end, when some were refused; at once when no node takes them any more.
pub(super) async fn post_lines(
    args: &PostArgs,
    stdin: impl Read + Send + 'static,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> anyhow::Result<()> {
    let (reader, mut input) = mpsc::channel(1);
    let (pool, texts) = (ThreadPool::new("input", 1), args.texts.clone());
    // Standard input blocks its reader.
    let reading = pool.run(move || read(&texts, stdin, &reader));
    let Some(first) = input.recv().await else {
        return reading.await.context("cannot read standard input");
    };
    // A node that is not there is told at once.
    ToolClients::new(&args.target.urls).get(paths::HEALTH).await?;
    let options = AppendStreamOptions { timeout: args.timeout, retries: false, patience: PATIENCE };
    let stream = Client::of(args.target.urls.clone()).append_stream(options);
    let (sent, answers) = mpsc::channel(UNPRINTED_MAX);
    let mut printer = Printer { args, out, notes, refused: 0, count: 0, has_noted: false };
    let sending = async {
        send_all(args, stream, first, input, sent).await;
        Ok(())
    };
    let posted = tokio::try_join!(printer.print_all(answers), sending);
    printer.out.flush()?;
    posted?;
    match printer.refused {
        0 => Ok(()),
        refused => bail!("{refused} of {} messages were refused", printer.count),
    }
}

/// Reads the input, and hands over what is there at once.
fn read(texts: &[String], stdin: impl Read, reader: &mpsc::Sender<Vec<InputText>>) {
    let mut stdin = BufReader::with_capacity(INPUT_BYTES, stdin);
    let mut texts = InputTexts::new(texts, &mut stdin);
    let mut is_over = false;
    while !is_over {
        let mut at_once = Vec::new();
        while at_once.is_empty() || (at_once.len() < LINES_AT_ONCE && texts.is_buffered()) {
            let Some(text) = texts.next() else {
                is_over = true;
                break;
            };
            is_over = text.as_ref().is_err_and(is_unreadable);
            at_once.push(InputText { place: texts.place(), text });
            if is_over {
                break;
            }
        }
        // The command may have ended.
        if !at_once.is_empty() && reader.blocking_send(at_once).is_err() {
            return;
        }
    }
}

/// Sends all messages and ends the stream, while their answers are printed.
async fn send_all(
    args: &PostArgs,
    stream: AppendStream,
    first: Vec<InputText>,
    mut input: mpsc::Receiver<Vec<InputText>>,
    sent: mpsc::Sender<SentText>,
) {
    let options = AppendOptions { write_concern: args.write_concern, ..AppendOptions::default() };
    let mut next = Some(first);
    while let Some(texts) = next {
        for InputText { place, text } in texts {
            let answer = match text {
                Ok(text) => stream.send(&text, &options).await.map_err(|error| error.to_string()),
                Err(error) => Err(format!("{error:#}")),
            };
            // Whoever prints the answers ends the command.
            let _ = sent.send(SentText { place, answer }).await;
        }
        next = input.recv().await;
    }
    drop(sent);
    stream.finish().await;
}

/// Prints answers.
struct Printer<'a, O, N> {
    args: &'a PostArgs,
    out: &'a mut O,
    notes: &'a mut N,
    refused: u64,
    count: u64,
    /// Whether the user knows that the answers are slow to come.
    has_noted: bool,
}

impl<O: Write, N: Write> Printer<'_, O, N> {
    /// Prints the answers in the order in which the messages were sent, until there are no more.
    ///
    /// # Errors
    /// When no node takes messages any more, or the output is closed.
    async fn print_all(&mut self, mut answers: mpsc::Receiver<SentText>) -> anyhow::Result<()> {
        loop {
            let sent = tokio::select! {
                biased;
                sent = answers.recv() => sent,
                // Nothing more is there for now.
                () = ready(()) => {
                    self.out.flush()?;
                    answers.recv().await
                }
            };
            let Some(SentText { place, answer }) = sent else { return Ok(()) };
            self.count += 1;
            match answer {
                Ok(answer) => match self.answered(answer).await? {
                    Ok(appended) => self.print(&appended)?,
                    Err(error) => self.failed(&place, error)?,
                },
                Err(why) => self.refused(&place, &why),
            }
        }
    }

    /// Waits for an answer, and reports once if it is slow to come.
    async fn answered(&mut self, mut answer: PendingAppend) -> io::Result<Result<Appended, Error>> {
        tokio::select! {
            biased;
            answered = &mut answer => return Ok(answered),
            () = ready(()) => self.out.flush()?,
        }
        if !self.has_noted {
            match timeout(QUIET_TIME, &mut answer).await {
                Ok(answered) => return Ok(answered),
                Err(_) => self.note(&waiting_line(self.args)),
            }
            self.has_noted = true;
        }
        Ok(answer.await)
    }

    fn print(&mut self, appended: &Appended) -> anyhow::Result<()> {
        if self.args.json {
            serde_json::to_writer(&mut *self.out, appended)?;
            writeln!(self.out)?;
        } else {
            writeln!(self.out, "{}", acked_line(appended))?;
        }
        Ok(())
    }

    /// Tells a refusal, or ends the command where no node takes messages.
    fn failed(&mut self, place: &str, error: Error) -> anyhow::Result<()> {
        let Cause::Problem(problem) = &error.cause else {
            let advice = match error.outcome {
                Outcome::Refused => "it is not in the log, nor is what comes behind it",
                _ => "it may be in the log, and some of what comes behind it",
            };
            bail!("{place}: {error}; {advice}: look with `acklog messages`");
        };
        if self.args.json {
            serde_json::to_writer(&mut *self.out, problem)?;
            writeln!(self.out)?;
        }
        self.refused(place, &escaped(&problem.detail));
        Ok(())
    }

    fn refused(&mut self, place: &str, why: &str) {
        self.refused += 1;
        self.note(&format!("{place}: {why}"));
    }

    fn note(&mut self, line: &str) {
        // A closed output is no reason to fail.
        let _ = writeln!(self.notes, "acklog: {line}");
    }
}

#[cfg(test)]
mod tests;
