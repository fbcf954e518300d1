//! The messages that `acklog post` sends.

use std::io::{self, BufRead, BufReader, Read};
use std::slice;

use acklog_types::{BATCH_BYTES_MAX, MESSAGE_BYTES_LIMIT};
use anyhow::{Context, bail};

/// Iterates over the messages: those on the command line, and the lines of standard input in place
/// of a `-`.
pub(super) struct InputTexts<'a, R> {
    named: slice::Iter<'a, String>,
    /// Number of the last of these.
    argument: usize,
    stdin: &'a mut R,
    /// Number of the last line while lines are read.
    line: Option<u64>,
}

impl<'a, R: BufRead> InputTexts<'a, R> {
    pub(super) fn new(named: &'a [String], stdin: &'a mut R) -> Self {
        Self { named: named.iter(), argument: 0, stdin, line: None }
    }
}

impl<R> InputTexts<'_, R> {
    /// Returns where the last message came from, for people.
    pub(super) fn place(&self) -> String {
        match self.line {
            Some(line) => format!("line {line} of standard input"),
            None => format!("TEXT {}", self.argument),
        }
    }
}

impl<R: Read> InputTexts<'_, BufReader<R>> {
    /// Returns whether the next message can be read without waiting.
    pub(super) fn is_buffered(&self) -> bool {
        self.line.is_none() || self.stdin.buffer().contains(&b'\n')
    }
}

impl<R: BufRead> Iterator for InputTexts<'_, R> {
    type Item = anyhow::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(number) = &mut self.line {
                *number += 1;
                match next_line(self.stdin).transpose() {
                    Some(line) => return Some(line),
                    None => self.line = None,
                }
            }
            self.argument += 1;
            match self.named.next()?.as_str() {
                "-" => self.line = Some(0),
                text => return Some(Ok(text.to_owned())),
            }
        }
    }
}

/// Collects the messages of a batch.
///
/// # Errors
/// When they are longer than any node takes: endless input must not fill the memory.
pub(super) fn one_batch(mut texts: InputTexts<'_, impl BufRead>) -> anyhow::Result<Vec<String>> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    while let Some(text) = texts.next() {
        let text = text.with_context(|| texts.place())?;
        bytes += text.len().max(1);
        if bytes > BATCH_BYTES_MAX {
            bail!("the batch is longer than {BATCH_BYTES_MAX} bytes, more than any node takes");
        }
        all.push(text);
    }
    Ok(all)
}

/// Returns whether no more input can be read, in contrast to a line that is no message.
pub(super) fn is_unreadable(error: &anyhow::Error) -> bool {
    error.is::<io::Error>()
}

/// Returns the next line without its end, `None` at the end of input.
///
/// # Errors
/// When the line is longer than any node takes or is not UTF-8: then the next call goes on behind
/// it. When the input cannot be read.
fn next_line(input: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    // Enough for the longest message and its line end; input without line ends must not fill the
    // memory.
    let limit = MESSAGE_BYTES_LIMIT as u64 + 2;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == limit && line.last() != Some(&b'\n') {
        // The rest of it is no message of its own.
        input.skip_until(b'\n')?;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > MESSAGE_BYTES_LIMIT {
        bail!("longer than {MESSAGE_BYTES_LIMIT} bytes, more than any node takes");
    }
    String::from_utf8(line).map(Some).context("no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_no_node_would_take_is_refused() {
        assert!(next_line(&mut &b"\xff\n"[..]).is_err());
        let long = vec![b'x'; MESSAGE_BYTES_LIMIT + 3];
        let mut two: &[u8] = &[&long[..], b"\na\r\n"].concat();
        assert!(next_line(&mut two).is_err());
        assert_eq!(next_line(&mut two).unwrap().as_deref(), Some("a"));
        let long = &long[2..];
        assert!(next_line(&mut &long[..]).is_err());
        assert!(next_line(&mut &long[1..]).unwrap().is_some());
        assert!(next_line(&mut &b""[..]).unwrap().is_none());
    }
}
