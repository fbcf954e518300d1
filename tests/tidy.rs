//! Style rules that a machine can check, over every Rust file of the project and the files of its
//! page.
//!
//! The scanners look at a *masked* copy of a file, in which string literals, and for some rules
//! comments, are blank. So a brace in a literal closes no function, and a literal that quotes a
//! rule does not break it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of Rust files. A folder that does not exist holds none.
const FOLDERS: [&str; 8] =
    ["src", "crates", "tests", "examples", "benches", "yardsticks", "fuzz/src", "fuzz/tests"];
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
/// Most columns of a line. The formatter leaves comments and string literals alone.
const COLUMNS_MAX: usize = 100;

/// Folders of the scripts and style sheets of the page, and of the tests of it.
const PAGE_FOLDERS: [&str; 2] = ["src/page", "tests/page"];
/// Most columns of a line in them: that of pages of text, since much in them is words.
const PAGE_COLUMNS_MAX: usize = 120;

/// A file as the scanners see it; all three texts have the same lines and columns.
struct Source {
    /// The file as it is.
    text: String,
    /// The file without the contents of string literals.
    textless: String,
    /// The file without the contents of string literals and without comments.
    code: String,
}

impl Source {
    fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let (mut textless, mut code) = (String::new(), String::new());
        let mut at = 0;
        while let Some(rest) = chars.get(at..).filter(|rest| !rest.is_empty()) {
            let (length, is_comment) = opaque(chars.get(..at).unwrap_or_default(), rest);
            for &c in rest.iter().take(length.max(1)) {
                let blank = if c == '\n' { '\n' } else { ' ' };
                textless.push(if length == 0 || is_comment { c } else { blank });
                code.push(if length == 0 { c } else { blank });
            }
            at += length.max(1);
        }
        Self { text: text.to_owned(), textless, code }
    }
}

/// Returns the number of characters of the comment or literal that begins here, and whether it is a
/// comment; 0 for code.
fn opaque(before: &[char], rest: &[char]) -> (usize, bool) {
    let starts = |with: &str| with.chars().eq(rest.iter().copied().take(with.len()));
    if starts("//") {
        return (rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()), true);
    }
    if starts("/*") {
        return (block_comment(rest), true);
    }
    let in_word = before.last().is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let is_raw = !in_word && (starts("r\"") || starts("r#") || starts("br\"") || starts("br#"));
    let length = match rest.first() {
        Some('"') => escaped(rest, '"'),
        // Otherwise a lifetime.
        Some('\'') if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') => {
            escaped(rest, '\'')
        }
        Some('r' | 'b') if is_raw => raw(rest),
        _ => 0,
    };
    (length, false)
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&c) = rest.get(at) {
        match (c, rest.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn escaped(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while let Some(&c) = rest.get(at).filter(|&&c| c != quote) {
        at += if c == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Returns the length of a raw string literal, or 0 for a raw name such as `r#type`.
fn raw(rest: &[char]) -> usize {
    let open = rest.iter().take_while(|&&c| c == 'r' || c == 'b').count();
    let hashes = rest.iter().skip(open).take_while(|&&c| c == '#').count();
    let inside = open + hashes + 1;
    if rest.get(inside - 1) != Some(&'"') {
        return 0;
    }
    let ends = |at: &usize| {
        rest.get(*at) == Some(&'"')
            && rest.iter().skip(at + 1).take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    (inside..rest.len()).find(ends).map_or(rest.len(), |at| at + 1 + hashes)
}

/// Returns whether `word` is in the line, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name)
    })
}

/// Returns the first line of each function with a body, and its number of lines.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_modifier = |word: &&str| {
            word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe" | "extern")
        };
        let declares = words.iter().find(|word| !is_modifier(word)) == Some(&"fn");
        // `pub(in some::place) fn` would be missed; it is not in use.
        if declares && let Some(length) = body_lines(code.lines().skip(n)) {
            found.push((n, length));
        }
    }
    found
}

/// Returns the number of lines up to the brace that closes the first one; none if a `;` comes
/// before any brace.
fn body_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (n, line) in lines.enumerate() {
        for c in line.chars() {
            match c {
                '[' | '(' => brackets += 1,
                ']' | ')' => brackets = brackets.saturating_sub(1),
                ';' if braces == 0 && brackets == 0 => return None,
                '{' => braces += 1,
                '}' if braces == 1 => return Some(n + 1),
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

/// Returns whether a file is part of a program or a library, not of tests or measurements.
fn is_production(path: &str) -> bool {
    path.starts_with("src/") || path.starts_with("crates/") && path.contains("/src/")
}

/// Returns the faults of one line, given as it is, without string literals, and without literals
/// and comments.
fn line_faults(path: &str, text: &str, textless: &str, code: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut fault = |is_broken: bool, what| faults.extend(is_broken.then_some(what));
    fault(text.chars().count() > COLUMNS_MAX, "too wide");
    let is_unfinished = ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(textless, word))
        || ["todo!", "dbg!", "unimplemented!"].iter().any(|name| code.contains(name));
    fault(is_unfinished, "a marker of unfinished work");
    let awaits = path.starts_with("crates/protocol/") && has_word(code, "await");
    fault(awaits, "the protocol is a value, not a task");
    let is_frame = path.starts_with("crates/protocol/src/frame");
    fault(!is_frame && has_word(code, "bincode"), "only the protocol's frames name this crate");
    let sleeps = code.contains("thread::sleep")
        || code.contains("time::sleep")
        || (code.contains("time::{") && has_word(code, "sleep"));
    fault(path.starts_with("tests/") && sleeps, "tests wait on conditions");
    let pools = has_word(code, "spawn_blocking") || code.contains("tokio::fs");
    fault(is_production(path) && pools, "blocking work runs on an acklog_threads::ThreadPool");
    faults
}

/// Returns the faults of one file: line number and text.
fn faults(path: &str, text: &str) -> Vec<(usize, String)> {
    let source = Source::new(text);
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push((1, "does not begin with what it is for (`//!`)".to_owned()));
    }
    let views = source.text.lines().zip(source.textless.lines().zip(source.code.lines()));
    for (n, (text, (textless, code))) in views.enumerate() {
        let found = line_faults(path, text, textless, code);
        faults.extend(found.into_iter().map(|what| (n + 1, what.to_owned())));
    }
    if is_production(path) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX && !path.ends_with("tests.rs") {
            faults.push((lines, format!("a file of {lines} lines")));
        }
        let long = functions(&source.code).into_iter().filter(|(_, n)| *n > FUNCTION_LINES_MAX);
        faults.extend(long.map(|(at, n)| (at + 1, format!("a function of {n} lines"))));
    }
    faults
}

/// Returns the faults of a script or style sheet of the page: line number and text.
fn page_faults(text: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    if !text.starts_with("//") && !text.starts_with("/*") {
        faults.push((1, "does not begin with what it is for".to_owned()));
    }
    let is_wide = |line: &str| line.chars().count() > PAGE_COLUMNS_MAX;
    let wide = text.lines().enumerate().filter(|(_, line)| is_wide(line));
    faults.extend(wide.map(|(n, _)| (n + 1, "too wide".to_owned())));
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push((lines, format!("a file of {lines} lines")));
    }
    faults
}

/// Adds the files of a folder, and of those in it, whose names end so.
fn find_files(folder: &Path, ends: &[&str], files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_files(&path, ends, files);
        } else if path.extension().is_some_and(|found| ends.iter().any(|end| found == *end)) {
            files.push(path);
        }
    }
}

/// Checks that files in these folders whose names end so, more than `least` of them, have no
/// faults, as a function of path and text finds them.
fn check(
    folders: &[&str],
    ends: &[&str],
    least: usize,
    faults: impl Fn(&str, &str) -> Vec<(usize, String)>,
) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    folders.iter().for_each(|folder| find_files(&root.join(folder), ends, &mut files));
    files.sort();
    assert!(files.len() > least, "the files are found");
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let found = faults(&path, &fs::read_to_string(&file).unwrap());
        all.extend(found.iter().map(|(line, what)| format!("{path}:{line}: {what}")));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn every_file_keeps_the_rules() {
    check(&FOLDERS, &["rs"], 60, faults);
}

#[test]
fn every_file_of_the_page_keeps_the_rules() {
    check(&PAGE_FOLDERS, &["js", "css"], 40, |_, text| page_faults(text));
}

#[test]
fn each_rule_of_the_page_can_fail() {
    let bad = [
        ("let a = 1;\n".to_owned(), (1, "does not begin")),
        (format!("// What it is.\n{}\n", "x".repeat(121)), (2, "too wide")),
        (format!("/* Colors. */\n{}", "a {}\n".repeat(400)), (401, "a file of 401 lines")),
    ];
    for (text, (line, what)) in bad {
        let found = page_faults(&text);
        assert!(
            matches!(&found[..], [(at, told)] if *at == line && told.starts_with(what)),
            "{found:?}"
        );
    }
    let good = format!("// What it is.\n// {}\n{}", "ä".repeat(117), "a();\n".repeat(398));
    assert!(page_faults(&good).is_empty(), "{:?}", page_faults(&good));
}

/// Returns the faults in a file of this body, without their lines.
fn found(path: &str, body: &str) -> Vec<String> {
    faults(path, &format!("//! x\n{body}")).into_iter().map(|(_, what)| what).collect()
}

#[test]
fn each_rule_can_fail() {
    let bad = [
        ("crates/protocol/src/a.rs", "x.await;\n", "the protocol is a value"),
        ("crates/protocol/src/mod.rs", "bincode::decode();\n", "only the protocol's"),
        ("tests/a.rs", "use bincode as b;\n", "only the protocol's"),
        ("tests/a.rs", "std::thread::sleep(x);\n", "tests wait"),
        ("tests/it/a.rs", "use tokio::time::sleep;\n", "tests wait"),
        ("tests/a.rs", "use tokio::time::{Instant, sleep};\n", "tests wait"),
        ("src/a.rs", "tokio::task::spawn_blocking(f);\n", "blocking work"),
        ("crates/log/src/a.rs", "use tokio::fs;\n", "blocking work"),
        ("src/a.rs", "dbg!(x);\n", "a marker"),
        ("benches/a.rs", "todo!()\n", "a marker"),
        ("examples/a.rs", "f(); // TODO: more\n", "a marker"),
        ("src/a.rs", "/* FIXME */\n", "a marker"),
        ("src/a.rs", &format!("{}\n", "x".repeat(101)), "too wide"),
        ("src/a.rs", &format!("// {}\n", "x".repeat(98)), "too wide"),
        ("src/a.rs", &"//\n".repeat(400), "a file of 401 lines"),
    ];
    for (path, body, what) in bad {
        let found = found(path, body);
        assert!(found.len() == 1 && found[0].starts_with(what), "{path} {body}: {found:?}");
    }
    assert_eq!(faults("src/a.rs", "fn f() {}\n").len(), 1, "no `//!`");
    assert_eq!(faults("src/a.rs", "").len(), 1, "nothing at all");
}

#[test]
fn what_is_allowed_is_not_a_fault() {
    let good = [
        ("src/server/node/a.rs", "x.await;\n"),
        ("crates/protocol/src/a.rs", "/// No `.await` in here, and no bincode.\n"),
        ("crates/protocol/src/frame/a.rs", "use bincode::Decode;\n"),
        ("src/server/node/a.rs", "tokio::time::sleep(x).await;\n"),
        ("tests/a.rs", "let rule = \"thread::sleep and dbg!( and TODO\";\n"),
        ("tests/a.rs", "// No thread::sleep.\n"),
        ("src/a.rs", &format!("// {}\n", "x".repeat(97))),
        ("src/a.rs", &format!("f(\"{}\");\n", "x".repeat(90))),
        ("src/a/tests.rs", &"//\n".repeat(400)),
    ];
    for (path, body) in good {
        assert!(found(path, body).is_empty(), "{path} {body}: {:?}", found(path, body));
    }
}

#[test]
fn a_long_function_is_found_however_it_is_declared() {
    let starts =
        ["", "pub ", "pub(super) async ", "pub(crate) ", "pub const ", "async ", "unsafe "];
    for start in starts {
        let of = |lines| {
            format!("impl A {{\n    {start}fn f() {{\n{}    }}\n}}\n", "g();\n".repeat(lines))
        };
        assert_eq!(found("src/a.rs", &of(69)), ["a function of 71 lines"], "{start}");
        assert!(found("src/a.rs", &of(68)).is_empty(), "{start}");
        assert!(found("tests/a.rs", &of(69)).is_empty(), "{start}");
    }
}

#[test]
fn braces_in_texts_and_comments_do_not_count() {
    let tricky = [
        r#"    let a = "}"; let b = '}'; let c = '\''; // }"#,
        "    let d = r#\"\"}\"#; let e = b\"\\\"}\"; /* } /* } */ } */",
        "    let f: &'static str = s; let r#fn = '\"'; match x { _ => {} }",
    ];
    let text = format!(
        "fn f(a: [u8; 4])\nwhere\n    A: B,\n{{\n{}\n}}\nfn g();\nfn h() {{}}\n",
        tricky.join("\n")
    );
    assert_eq!(functions(&Source::new(&text).code), [(0, 8), (9, 1)]);
}
