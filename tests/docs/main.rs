//! The pages: every link leads somewhere; flags, paths, constants and log lines in them exist.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod log_lines;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const README_LINES_MAX: usize = 150;

/// Most columns of a line of prose. Tables and code may be wider.
const COLUMNS_MAX: usize = 120;

/// Folders without text of the project.
const SKIPPED: [&str; 3] = ["target", ".git", "corpus"];

/// First folders of paths that a page names in code style.
const TOPS: &str =
    "src/ crates/ tests/ scripts/ scenarios/ examples/ clients/ benches/ fuzz/ deploy/ docs/ .ci/";

/// A Markdown file.
struct Page {
    /// Path from the root of the project.
    path: PathBuf,
    text: String,
}

impl Page {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns the lines, each with whether it is inside a block of code.
    fn lines(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut is_code = false;
        self.text.lines().map(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            (line, is_code || is_fence)
        })
    }

    /// Returns the text without blocks of code, and without the contents of code spans.
    fn prose(&self) -> String {
        let lines: Vec<&str> =
            self.lines().filter(|(_, is_code)| !is_code).map(|(line, _)| line).collect();
        let text = lines.join("\n");
        text.split('`').step_by(2).collect::<Vec<_>>().join("``")
    }

    /// Returns the contents of code spans.
    fn spans(&self) -> Vec<String> {
        let lines: Vec<&str> =
            self.lines().filter(|(_, is_code)| !is_code).map(|(line, _)| line).collect();
        lines.join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Returns the targets of links and pictures.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let between = |start, end| {
            prose.split(start).skip(1).filter_map(move |rest: &str| rest.split(end).next())
        };
        // A picture for light and dark is HTML.
        let pictures = between("src=\"", '"').chain(between("srcset=\"", '"'));
        between("](", ')').chain(pictures).map(str::to_owned).collect()
    }

    /// Returns the names that a link may have behind `#`.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (line, is_code) in self.lines() {
            let title = line.trim_start_matches('#');
            if is_code || title == line || !title.starts_with(' ') {
                continue;
            }
            let slug = slug(title.trim());
            let numbered = (1..).map(|n| format!("{slug}-{n}"));
            let free =
                std::iter::once(slug.clone()).chain(numbered).find(|it| !anchors.contains(it));
            anchors.extend(free);
        }
        anchors
    }

    /// Returns the rows of the tables below a heading, up to the next heading.
    fn rows(&self, heading: &str) -> Vec<Row<'_>> {
        let lines = self.text.lines().skip_while(|line| *line != heading).skip(1);
        let rows = lines.take_while(|line| !line.starts_with('#')).filter(|l| l.starts_with('|'));
        rows.map(Row::new).collect()
    }
}

/// A row of a table.
#[derive(Debug)]
struct Row<'a> {
    first: &'a str,
    second: &'a str,
    last: &'a str,
}

impl<'a> Row<'a> {
    fn new(line: &'a str) -> Self {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let first = cells.next().unwrap_or_default();
        let second = cells.next().unwrap_or_default();
        Self { first, second, last: cells.last().unwrap_or(second) }
    }

    /// Returns the flag of the row; empty if it has none.
    fn flag(&self) -> &'a str {
        let name = self.first.split('`').nth(1).unwrap_or_default();
        if name.starts_with("--") { name } else { "" }
    }
}

/// Returns the name that a heading has in links: in lower case, without punctuation.
fn slug(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files of the project with this extension.
fn files(extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), extension, &mut found);
    found.sort();
    found
}

fn page(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap();
    Page { path: path.strip_prefix(root()).unwrap_or(path).to_owned(), text }
}

fn pages() -> Vec<Page> {
    files("md").iter().map(|path| page(path)).collect()
}

/// Returns the fault of a link on a page in `folder`, if it has one.
fn broken(target: &str, of: &Page, folder: &Path) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(p, a)| (p, Some(a)));
    let to = if path.is_empty() { root().join(&of.path) } else { folder.join(path) };
    if path.starts_with('/') || !to.exists() {
        return Some(format!("{}: ({target}) leads to no file", of.name()));
    }
    let anchor = anchor?;
    let is_there =
        to.extension().is_some_and(|it| it == "md") && page(&to).anchors().contains(anchor);
    (!is_there).then(|| format!("{}: ({target}) leads to no heading", of.name()))
}

#[test]
fn every_link_leads_somewhere() {
    let (mut links, mut faults) = (0, Vec::new());
    for page in pages() {
        let at = root().join(&page.path);
        let found = page.links();
        links += found.len();
        let folder = at.parent().unwrap();
        faults.extend(found.iter().filter_map(|target| broken(target, &page, folder)));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(links > 150, "only {links} links were found");
}

#[test]
fn a_broken_link_is_found() {
    let text =
        "# One & `two`: three\n\n[a](b.md) `[c](d)` [e](#one--two-three)\n\n```\n[f](g)\n```\n";
    let page = Page { path: "README.md".into(), text: text.to_owned() };
    assert_eq!(page.links(), ["b.md", "#one--two-three"]);
    assert!(page.anchors().contains("one--two-three"), "{:?}", page.anchors());
    let broken = |target| broken(target, &page, root());
    assert_eq!(broken("Cargo.toml").or(broken("src")).or(broken("https://a")), None);
    for wrong in ["b.md", "/etc", "README.md#no-such-heading", "#neither", "Cargo.toml#package"] {
        assert!(broken(wrong).is_some(), "{wrong}");
    }
}

#[test]
fn the_readme_is_short_and_lines_of_prose_are_not_wide() {
    let readme = page(&root().join("README.md"));
    let lines = readme.text.lines().count();
    assert!(lines <= README_LINES_MAX, "the README has {lines} lines; move a part to docs/");
    let mut wide = Vec::new();
    for page in pages() {
        let prose =
            page.lines().filter(|(line, is_code)| !is_code && !line.trim_start().starts_with('|'));
        let of_it = prose.filter(|(line, _)| line.chars().count() > COLUMNS_MAX);
        wide.extend(of_it.map(|(line, _)| format!("{}: {line}", page.name())));
    }
    assert!(wide.is_empty(), "wider than {COLUMNS_MAX}:\n{}", wide.join("\n"));
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let (mut paths, mut faults) = (0, Vec::new());
    // A changelog names what was removed.
    for page in pages().iter().filter(|page| !page.path.ends_with("CHANGELOG.md")) {
        for span in page.spans() {
            let words =
                span.split_whitespace().filter(|w| TOPS.split(' ').any(|top| w.starts_with(top)));
            for path in words.filter(|word| !word.contains(['*', '<', '…', '{', '$', ':'])) {
                paths += 1;
                // A program is named without its extension.
                let is_there =
                    root().join(path).exists() || root().join(format!("{path}.rs")).exists();
                faults.extend((!is_there).then(|| format!("{}: {path}", page.name())));
            }
        }
    }
    assert!(faults.is_empty(), "no such files:\n{}", faults.join("\n"));
    assert!(paths > 40, "only {paths} paths were found");
}

#[test]
fn every_constant_that_the_page_of_memory_names_is_declared() {
    let sources: Vec<String> =
        files("rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let is_constant = |span: &String| {
        span.contains('_') && span.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let page = page(&root().join("docs/internals/memory.md"));
    let named: BTreeSet<String> = page.spans().into_iter().filter(is_constant).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let declared = format!("const {name}:");
        assert!(sources.iter().any(|source| source.contains(&declared)), "no constant {name}");
    }
}

/// Returns the flags in `--help`: the name of each, and the default if there is one.
fn flags_of(program: &str, args: &[&str]) -> Vec<(String, Option<String>)> {
    let mut command = Command::new(program);
    // So wide that each flag is one line.
    command.args(args).arg("--help").env("COLUMNS", "1000");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let flag = |line: &str| {
        // A value that may be left out stands in brackets: `--watch[=<ADDR>]`.
        let name =
            line.split_whitespace().find(|word| word.starts_with("--"))?.split('[').next()?;
        let default = line.rsplit_once("[default: ").map(|(_, rest)| rest.trim_end_matches(']'));
        Some((name.to_owned(), default.map(str::to_owned)))
    };
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
    lines.filter_map(flag).filter(|(name, _)| name != "--help" && name != "--version").collect()
}

/// Compares flags with the tables under some headings, both ways, and returns how many there are.
fn assert_documented(page: &Page, headings: &[&str], flags: &[(String, Option<String>)]) -> usize {
    let rows: Vec<_> = headings.iter().flat_map(|heading| page.rows(heading)).collect();
    for (name, default) in flags {
        let of_it: Vec<_> = rows.iter().filter(|row| row.flag() == name).collect();
        assert!(!of_it.is_empty(), "{}, {headings:?}: {name} is missing", page.name());
        let Some(default) = default else { continue };
        let is_told = of_it.iter().any(|row| row.second.replace('`', "").contains(default));
        assert!(is_told, "{}, {headings:?}: {name} has the default {default}", page.name());
    }
    for name in rows.iter().map(Row::flag).filter(|name| !name.is_empty()) {
        assert!(flags.iter().any(|(it, _)| it == name), "{}: there is no {name}", page.name());
    }
    flags.len()
}

#[test]
fn the_page_of_flags_has_each_flag_of_the_daemons_and_of_up() {
    let page = page(&root().join("docs/reference/flags.md"));
    let (master, secondary) =
        (env!("CARGO_BIN_EXE_master-node"), env!("CARGO_BIN_EXE_secondary-node"));
    let both = "## master-node and secondary-node";
    let (of_master, of_secondary) = ("## master-node only", "## secondary-node only");
    let flags: Vec<_> =
        [master, secondary].iter().flat_map(|program| flags_of(program, &[])).collect();
    let documented = assert_documented(&page, &[both, of_master, of_secondary], &flags);
    assert!(documented > 40, "only {documented} flags were found");
    // And each under its own heading.
    for (heading, other) in [(of_master, secondary), (of_secondary, master)] {
        let others = flags_of(other, &[]);
        for row in page.rows(heading) {
            assert!(others.iter().all(|(name, _)| name != row.flag()), "{row:?}");
        }
    }
    let up = "## acklog up";
    assert_documented(&page, &[up], &flags_of(env!("CARGO_BIN_EXE_acklog"), &["up"]));
    for row in [both, of_master, of_secondary, up].iter().flat_map(|heading| page.rows(heading)) {
        if let Some(flag) = row.flag().strip_prefix("--") {
            let variable = format!("`ACKLOG_{}`", flag.to_uppercase().replace('-', "_"));
            assert_eq!(row.last, variable, "--{flag}");
        }
    }
}

#[test]
fn the_page_of_the_tool_has_each_flag_of_each_subcommand() {
    let page = page(&root().join("docs/reference/tool.md"));
    let of = |args: &[&[&str]]| -> Vec<_> {
        args.iter().flat_map(|args| flags_of(env!("CARGO_BIN_EXE_acklog"), args)).collect()
    };
    for subcommand in ["post", "messages", "status", "forget", "check", "bench"] {
        let heading = format!("## acklog {subcommand}");
        let documented = assert_documented(&page, &[&heading], &of(&[&[subcommand]]));
        assert!(documented > 0, "{subcommand}");
    }
    let faults: [&[&str]; 4] =
        [&["faults"], &["faults", "set"], &["faults", "clear"], &["faults", "disconnect"]];
    assert_documented(&page, &["## acklog faults"], &of(&faults));
    let log: [&[&str]; 6] = [
        &["log", "verify"],
        &["log", "dump"],
        &["log", "backup"],
        &["log", "repair"],
        &["log", "reset"],
        &["log", "accept-loss"],
    ];
    assert_documented(&page, &["## acklog log"], &of(&log));
    assert_documented(&page, &["## acklog scenario"], &of(&[&["scenario", "run"]]));
}
