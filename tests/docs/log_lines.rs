//! Log lines that the pages show: each is one of the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{files, page, pages, root};

/// Returns the files of the programs.
fn program_files() -> Vec<PathBuf> {
    let mut files = files("rs");
    files.retain(|path| ["src", "crates"].iter().any(|top| path.starts_with(root().join(top))));
    files
}

/// Returns a file's text, with string literals joined that continue behind the end of a line.
fn source(path: &PathBuf) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("\\\n").map(str::trim_start).collect()
}

/// Returns the message of a log line as `up` shows it: `bonnie |  1.507 DEBUG stored id=0`.
fn line_of_up(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(" | ")?;
    let mut words = rest.split_whitespace();
    words.next()?.parse::<f64>().ok()?;
    ["ERROR", "WARN", "INFO", "DEBUG"].contains(&words.next()?).then_some(())?;
    let is_module = |word: &&str| word.contains("::") && word.ends_with(':');
    let message: Vec<&str> =
        words.skip_while(is_module).take_while(|word| !word.contains('=')).collect();
    Some(message.join(" "))
}

#[test]
fn the_log_lines_of_up_and_the_table_of_events_are_those_of_the_code() {
    let sources: Vec<String> = program_files().iter().map(source).collect();
    let is_logged = |message: &str| {
        // Values are filled in behind the beginning: "sending {kind:?}".
        let spaces = message.match_indices(' ').filter(|(at, _)| *at > 5);
        let begins = spaces.map(|(at, _)| format!("\"{} {{", &message[..at]));
        let mut texts = begins.chain([format!("\"{message}\"")]);
        texts.any(|text| sources.iter().any(|source| source.contains(&text)))
    };
    let mut lines = 0;
    for page in pages() {
        for message in page.text.lines().filter_map(line_of_up) {
            lines += 1;
            assert!(is_logged(&message), "{}: no such event: {message}", page.name());
        }
    }
    assert!(lines > 20, "only {lines} lines were found");
    let page = page(&root().join("docs/guide/reading-the-logs.md"));
    let headings = [
        "## The life of a message",
        "## The life of a connection",
        "## What an operator looks for",
    ];
    for heading in headings {
        let rows = page.rows(heading);
        assert!(rows.len() > 5, "{heading}");
        for event in rows.iter().skip(2).flat_map(|row| row.first.split('`').skip(1).step_by(2)) {
            assert!(is_logged(event), "{}: no such event: {event}", page.name());
        }
    }
}

/// Folder where the protocol's events become log lines.
const EVENT_LINES: &str = "src/server/node/protocol_log";

/// The target and the message of a log line, if it is one: `… WARN  bonnie protocol::secondary:
/// text key=value`.
fn log_line(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('[').map_or(Some(line), |rest| Some(rest.split_once("s] ")?.1))?;
    let (level, rest) = rest.split_once(' ')?;
    ["ERROR", "WARN", "INFO", "DEBUG"].contains(&level).then_some(())?;
    let (_node, rest) = rest.trim_start().split_once(' ')?;
    let (target, rest) = rest.split_once(": ")?;
    let is_field = |word: &str| word.contains('=') || word.starts_with('…');
    let fields = rest.split(' ').skip_while(|word| !is_field(word)).map(|word| word.len() + 1);
    let message = rest.get(..rest.len().saturating_sub(fields.sum()))?;
    (!target.contains(' ')).then_some((target, message))
}

/// Returns whether a file logs a message: under the target that a constant of this name holds, or
/// under its own.
fn logs(text: &str, message: &str, target: Option<&str>) -> bool {
    let pieces: Vec<&str> = text.split('"').collect();
    let is_it = |words: &str| match words.split_once('{') {
        Some((begin, _)) => begin.len() > 5 && message.starts_with(begin),
        None => words == message,
    };
    pieces.iter().enumerate().filter(|(nth, words)| nth % 2 == 1 && is_it(words)).any(|(nth, _)| {
        let before = pieces.get(..nth).unwrap_or_default().join("\"");
        let call =
            before.rfind("!(").and_then(|at| before.get(at + 2..)).unwrap_or_default().trim_start();
        let named = call.strip_prefix("target: ").and_then(|rest| rest.split(',').next());
        named == target
    })
}

/// Returns the constants of a file that hold targets of log lines, each as the target as it is
/// shown and the name.
fn target_constants(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (declared, target) = line.split_once(": &str = \"acklog")?;
        let target = target.strip_suffix("\";")?.trim_start_matches(['_', ':']);
        Some((target, declared.rsplit(' ').next()?))
    })
}

#[test]
fn log_lines_in_the_docs_are_those_of_the_code() {
    let files = program_files();
    let sources: Vec<String> = files.iter().map(source).collect();
    let constants: BTreeMap<&str, &str> =
        sources.iter().flat_map(|text| target_constants(text)).collect();
    let of_target = |target: &str| {
        let path = target.replace("::", "/");
        let (part, rest) = path.split_once('/').unwrap_or((&path, "lib"));
        let homes = [format!("src/{path}"), format!("src/server/{path}")];
        let of_crate = root().join(format!("crates/{part}/src/{rest}"));
        let mut bases = homes.iter().map(|home| root().join(home)).chain([of_crate]);
        bases.find_map(|base| {
            [base.with_extension("rs"), base.join("mod.rs")].into_iter().find(|path| path.exists())
        })
    };
    let of_events = files.iter().filter(|path| path.starts_with(root().join(EVENT_LINES)));
    let of_events: String = of_events.map(source).collect();
    let mut lines = 0;
    for page in pages() {
        for line in page.text.lines() {
            let Some((target, message)) = log_line(line) else { continue };
            lines += 1;
            let by_name = constants.get(target).copied();
            let is_there = by_name
                .is_some_and(|name| sources.iter().any(|text| logs(text, message, Some(name))))
                // Lines of both roles, which have the role's target.
                || target.starts_with("protocol::") && logs(&of_events, message, None)
                || of_target(target).is_some_and(|path| logs(&source(&path), message, None));
            assert!(is_there, "{}: no such event: {line}", page.name());
        }
    }
    assert!(lines > 50, "only {lines} lines were found");
}
