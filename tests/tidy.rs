//! The style rules that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const CODE_COLUMNS_MAX: usize = 100;
/// The formatter leaves comments and texts alone, so they get a little more.
const COLUMNS_MAX: usize = 125;

/// Everything that is wrong with one file.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: &str| faults.push(format!("{path}:{}: {what}", line + 1));
    let lines: Vec<&str> = text.lines().collect();
    if !lines.first().is_some_and(|first| first.starts_with("//!")) {
        fault(0, "does not begin with what it is for (`//!`)");
    }
    let is_source = path.starts_with("src/");
    let tests_begin = lines.iter().position(|line| line.contains("mod tests {"));
    let own = tests_begin.unwrap_or(lines.len());
    if is_source && !path.ends_with("tests.rs") && own > FILE_LINES_MAX {
        fault(own, "more lines than a newcomer takes in at one sitting");
    }
    let unfinished = ["to", "do"].concat();
    let markers = [
        format!("{}!(", unfinished),
        unfinished.to_uppercase(),
        ["FIX", "ME"].concat(),
        ["db", "g!("].concat(),
        ["unimple", "mented!("].concat(),
    ];
    let sleeps = [["thread::sl", "eep("].concat(), ["time::sl", "eep("].concat()];
    for (n, line) in lines.iter().enumerate() {
        let columns = line.chars().count();
        let is_text =
            line.contains("//") || line.contains('"') || line.trim_start().starts_with('|');
        if columns > if is_text { COLUMNS_MAX } else { CODE_COLUMNS_MAX } {
            fault(n, "too wide");
        }
        if markers.iter().any(|marker| line.contains(marker.as_str())) {
            fault(n, "a marker of unfinished work");
        }
        let is_code = !line.trim_start().starts_with("//");
        if path.starts_with("src/protocol") && is_code && line.contains(".await") {
            fault(n, "the protocol is a value, not a task");
        }
        if is_source
            && !path.starts_with("src/protocol/frame")
            && is_code
            && line.contains("bincode::")
        {
            fault(n, "only src/protocol/frame names this crate");
        }
        if path.starts_with("tests/") && sleeps.iter().any(|sleep| line.contains(sleep.as_str())) {
            fault(n, "tests wait on conditions");
        }
    }
    if is_source {
        for (n, length) in functions(&lines) {
            if length > FUNCTION_LINES_MAX {
                fault(n, &format!("a function of {length} lines"));
            }
        }
    }
    faults
}

/// Where each function begins, and its lines. The formatter closes a function at the column where it began.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(super) fn ",
            "pub(crate) fn ",
            "pub const fn ",
        ]
        .iter()
        .any(|start| code.starts_with(start));
        if !is_function {
            continue;
        }
        let opens = lines.iter().skip(n).find(|line| line.ends_with('{') || line.ends_with(';'));
        if !opens.is_some_and(|line| line.ends_with('{')) {
            continue;
        }
        let close = format!("{}}}", " ".repeat(line.len() - code.len()));
        let length = lines.iter().skip(n).position(|line| *line == close);
        found.push((n, length.map_or(1, |length| length + 1)));
    }
    found
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_file_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 60, "the files are found");
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        all.extend(faults(&name, &text));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_rules_can_fail() {
    let long = format!("//! x\nfn f() {{\n{}}}\n", "    g();\n".repeat(80));
    assert_eq!(faults("src/a.rs", &long).len(), 1);
    assert_eq!(faults("src/a.rs", "fn f() {}\n").len(), 1);
    assert_eq!(faults("src/protocol/a.rs", "//! x\nx.await;\n").len(), 1);
    assert_eq!(faults("src/node/a.rs", "//! x\nbincode::decode();\n").len(), 1);
    assert_eq!(faults("src/a.rs", &format!("//! x\n{}", "//\n".repeat(400))).len(), 1);
    assert_eq!(faults("src/a.rs", &format!("//! x\n{}\n", "x".repeat(101))).len(), 1);
    assert_eq!(faults("tests/a.rs", &["//! x\nthread::sl", "eep(x);\n"].concat()).len(), 1);
    assert_eq!(faults("src/a.rs", &["//! x\ndb", "g!(x);\n"].concat()).len(), 1);
    assert!(faults("src/a.rs", "//! x\n\nfn f() {}\n").is_empty());
}
