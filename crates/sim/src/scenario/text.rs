//! The syntax of a scenario file: lines of words, and a recorded trace below `---`.

use thiserror::Error;

/// Line between the steps of a block and their recorded trace.
const SEPARATOR: &str = "---";

/// A line of a scenario that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct BadLine {
    /// Number of the line, from 1.
    pub line: usize,
    /// Reason, and what is expected instead.
    pub reason: String,
}

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `Msg1` or `"one message"`
    Plain(String),
    /// `w=3`
    Named(String, String),
}

/// A line with at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextLine {
    pub(super) number: usize,
    /// Line as it is written, without the white space around it.
    pub(super) text: String,
    pub(super) words: Vec<Word>,
}

/// Lines up to a separator or the end of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextBlock {
    /// All of the block as it is written, with comments, without the separator.
    pub(super) literal: String,
    pub(super) lines: Vec<TextLine>,
    /// Trace that is recorded below the separator; none without a separator.
    pub(super) recorded: Option<String>,
}

/// Splits a file into its blocks.
///
/// # Errors
/// When a quote is not closed, or nothing stands before a separator.
pub(super) fn blocks(text: &str) -> Result<Vec<TextBlock>, BadLine> {
    let mut blocks = Vec::new();
    let mut block = TextBlock::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        if line != SEPARATOR {
            let words = words(line).map_err(|reason| BadLine { line: number, reason })?;
            block.literal.push_str(line);
            block.literal.push('\n');
            if !words.is_empty() {
                block.lines.push(TextLine { number, text: line.trim().to_owned(), words });
            }
            continue;
        }
        if block.lines.is_empty() {
            let reason = "there is no step before this separator".to_owned();
            return Err(BadLine { line: number, reason });
        }
        let recorded = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.is_empty());
        block.recorded = Some(recorded.flat_map(|line| [line, "\n"]).collect());
        blocks.push(std::mem::take(&mut block));
    }
    if !block.literal.is_empty() {
        blocks.push(block);
    }
    Ok(blocks)
}

fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') && !rest.starts_with("//") {
        let (first, after) = text(rest)?;
        let is_bare = !rest.starts_with(['"', '\'']);
        let (word, after) = match after.strip_prefix('=').filter(|_| is_bare) {
            Some(after) if after.is_empty() || after.starts_with(char::is_whitespace) => {
                (Word::Named(first, String::new()), after)
            }
            Some(after) => {
                let (value, after) = text(after)?;
                (Word::Named(first, value), after)
            }
            None => (Word::Plain(first), after),
        };
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(format!("a space is missing before {after:?}"));
        }
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// Splits a quoted text or a bare word off the beginning, and returns it with the rest.
fn text(rest: &str) -> Result<(String, &str), String> {
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return quoted(rest, quote);
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | '#');
    match rest.find(ends).unwrap_or(rest.len()) {
        0 => Err(format!("a word is missing before {rest:?}")),
        end => Ok((rest[..end].to_owned(), &rest[end..])),
    }
}

fn quoted(rest: &str, quote: char) -> Result<(String, &str), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                other => {
                    let found = other.map_or("the line's end".to_owned(), |c| format!("{c:?}"));
                    return Err(format!("after \\ stands n, t, \\ or a quote, not {found}"));
                }
            },
            c if c == quote => return Ok((text, &rest[at + 1..])),
            c => text.push(c),
        }
    }
    Err(format!("the quote {quote} is not closed on this line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Word {
        Word::Plain(text.to_owned())
    }

    fn named(key: &str, value: &str) -> Word {
        Word::Named(key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_line_is_words_and_named_values() {
        let line = r#"  append "two \"words\"" Msg-1 w=3 key='a=b' none=  # why"#;
        let wanted = [
            plain("append"),
            plain("two \"words\""),
            plain("Msg-1"),
            named("w", "3"),
            named("key", "a=b"),
            named("none", ""),
        ];
        assert_eq!(words(line).unwrap(), wanted);
        assert_eq!(words("run 1s..2s // why").unwrap(), [plain("run"), plain("1s..2s")]);
        assert_eq!(words("  # only a comment").unwrap(), []);
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_number() {
        for (bad, reason) in [
            ("append \"Msg1", "is not closed"),
            ("append \"a\\x\"", "after \\ stands"),
            ("append =3", "a word is missing"),
            ("append \"a\"b", "a space is missing"),
            ("append \"a\"=b", "a space is missing"),
        ] {
            let error = blocks(&format!("run 1s\n{bad}\n")).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
            assert!(error.reason.contains(reason), "{bad}: {error}");
        }
        assert_eq!(blocks("# nothing\n---\n").unwrap_err().line, 2);
    }

    #[test]
    fn a_block_ends_with_what_was_recorded() {
        let text = "# one\nrun 1s\n---\na\nb\n\nrun 2s\n---\n\n# the end\n";
        let [one, two, rest] = <[_; 3]>::try_from(blocks(text).unwrap()).unwrap();
        assert_eq!(
            (one.literal.as_str(), one.recorded.as_deref()),
            ("# one\nrun 1s\n", Some("a\nb\n"))
        );
        assert_eq!((two.lines[0].number, two.recorded.as_deref()), (7, Some("")));
        assert_eq!((rest.literal.as_str(), rest.recorded), ("# the end\n", None));
        assert!(rest.lines.is_empty());
    }
}
