//! No circles of imports: neither between files nor between folders, in no crate of the workspace.
//!
//! A file imports another if one of its paths names it (`crate::…`, `super::…`, `self::…`), tests
//! included. A module and the modules below it do not count: a parent names its children, and they
//! use its items. In each folder the files and folders beside each other are compared, so that a
//! circle of files is found in the folder that holds it. Cargo finds circles of crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module, by the names on the path to it from its crate's root.
type Module = Vec<String>;

/// Modules that the paths of each module of one crate name.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

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

/// Returns the module of a file in a crate's `src`.
fn module_of(file: &Path, src: &Path) -> Module {
    let path = file.strip_prefix(src).expect("a file of the crate").with_extension("");
    let names = path.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| !["lib", "main", "mod"].contains(&name.as_str())).collect()
}

/// Splits code into words and punctuation, without comments and string literals.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let even = line.split('"').step_by(2);
        for part in even {
            let mut word = String::new();
            for c in part.chars().chain([' ']) {
                if c.is_alphanumeric() || c == '_' {
                    word.push(c);
                    continue;
                }
                if !word.is_empty() {
                    tokens.push(std::mem::take(&mut word));
                }
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
            }
        }
    }
    tokens
}

/// Reads the tree of paths at `at`, as in `a::{b, c::*}`, and returns where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Module>) -> usize {
    let token = |at: usize| tokens.get(at).map(String::as_str).unwrap_or_default();
    let mut path = prefix.to_vec();
    loop {
        match token(at) {
            "{" => {
                at += 1;
                while !["}", ""].contains(&token(at)) {
                    at = tree(tokens, at, &path, found).max(at + 1);
                    while [",", "as", "_"].contains(&token(at)) {
                        at += 1 + usize::from(token(at) == "as");
                    }
                }
                return at + 1;
            }
            word if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
        if token(at) != ":" || token(at + 1) != ":" {
            break;
        }
        at += 2;
    }
    found.push(path);
    at
}

/// Returns the paths in a file that begin inside its crate, from the crate's root.
fn paths(code: &str, module: &[String]) -> Vec<Module> {
    let tokens = tokens(code);
    let (mut paths, mut depth, mut inline) = (Vec::new(), 0, Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = tokens.get(at.saturating_sub(2)..at).unwrap_or_default();
        let is_start = before != [":", ":"];
        match token.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, opened)| *opened <= depth);
            }
            "mod" if tokens.get(at + 2).is_some_and(|brace| brace == "{") => {
                inline.extend(tokens.get(at + 1).map(|name| (name.clone(), depth + 1)));
            }
            "crate" | "super" | "self" if is_start => {
                let mut found = Vec::new();
                let end = tree(&tokens, at, &[], &mut found);
                let here: Vec<String> = module
                    .iter()
                    .cloned()
                    .chain(inline.iter().map(|(name, _)| name.clone()))
                    .collect();
                paths.extend(found.iter().map(|path| absolute(path, &here)));
                at = end.max(at + 1);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Returns a path from the crate's root.
fn absolute(path: &[String], here: &[String]) -> Module {
    let mut full = here.to_vec();
    for name in path {
        match name.as_str() {
            "crate" => full.clear(),
            "super" => drop(full.pop()),
            "self" => {}
            _ => full.push(name.clone()),
        }
    }
    full
}

/// Returns the modules that each module of these files names.
fn imports(files: &[(Module, String)]) -> Imports {
    let known: BTreeSet<&Module> = files.iter().map(|(module, _)| module).collect();
    let mut imports = Imports::new();
    for (module, code) in files {
        let named = paths(code, module).into_iter().filter_map(|mut path| {
            while !known.contains(&path) && path.pop().is_some() {}
            (!path.is_empty()).then_some(path)
        });
        let of_module = imports.entry(module.clone()).or_default();
        of_module
            .extend(named.filter(|named| !module.starts_with(named) && !named.starts_with(module)));
    }
    imports
}

/// Returns the circles between the files and folders beside each other, each as its members with
/// the imports that close it.
fn circles(imports: &Imports) -> Vec<String> {
    let mut arrows: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let mut reasons: BTreeMap<(Module, String, String), String> = BTreeMap::new();
    for (from, to) in imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) else { continue };
        let folder: Module = from.iter().take(shared).cloned().collect();
        arrows.entry(folder.clone()).or_default().entry(a.clone()).or_default().insert(b.clone());
        let reason = format!("{} -> {}", from.join("::"), to.join("::"));
        reasons.entry((folder, a.clone(), b.clone())).or_insert(reason);
    }
    let mut circles = Vec::new();
    for (folder, arrows) in &arrows {
        let reach: BTreeMap<&String, BTreeSet<&String>> =
            arrows.keys().map(|from| (from, reachable(arrows, from))).collect();
        for (a, b) in arrows.iter().flat_map(|(a, to)| to.iter().map(move |b| (a, b))) {
            if reach.get(b).is_some_and(|reached| reached.contains(a)) {
                circles.extend(reasons.get(&(folder.clone(), a.clone(), b.clone())).cloned());
            }
        }
    }
    circles
}

fn reachable<'a>(
    arrows: &'a BTreeMap<String, BTreeSet<String>>,
    from: &'a String,
) -> BTreeSet<&'a String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        next.extend(arrows.get(at).into_iter().flatten().filter(|to| reached.insert(*to)));
    }
    reached
}

#[test]
fn no_imports_form_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for home in crates.chain(["", "fuzz", "yardsticks"].map(|folder| root.join(folder))) {
        let src = home.join("src");
        let mut files = Vec::new();
        rust_files(&src, &mut files);
        assert!(!files.is_empty(), "{} has files", home.display());
        let read = |file: &PathBuf| (module_of(file, &src), fs::read_to_string(file).unwrap());
        let files: Vec<_> = files.iter().map(read).collect();
        let name = home.strip_prefix(root).unwrap().display().to_string();
        found.extend(circles(&imports(&files)).into_iter().map(|arrow| format!("{name}: {arrow}")));
    }
    assert!(found.is_empty(), "these imports are part of a circle:\n{}", found.join("\n"));
}

/// Returns the circles between files of these names and bodies.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, code)| (module_of(Path::new(name), Path::new("")), (*code).to_owned()))
        .collect();
    circles(&imports(&files))
}

#[test]
fn circles_of_files_and_of_folders_are_found_however_the_paths_are_written() {
    let of_files =
        [("lib.rs", ""), ("a.rs", "use crate::b::B;"), ("b.rs", "fn f(a: super::a::A) {}")];
    assert_eq!(found(&of_files), ["a -> b", "b -> a"]);
    let of_folders = [
        ("lib.rs", ""),
        ("x/mod.rs", "pub mod one; pub mod two;"),
        ("x/one.rs", "use crate::{y::{Y, other as Z}, z};"),
        ("x/two.rs", ""),
        ("y.rs", "#[cfg(test)] mod tests { use super::super::x::two::T; }"),
        ("z.rs", ""),
    ];
    assert_eq!(found(&of_folders), ["x::one -> y", "y -> x::two"]);
    let of_three =
        [("a.rs", "use super::b;"), ("b.rs", "use super::c;"), ("c.rs", "use super::a;")];
    assert_eq!(found(&of_three).len(), 3);
}

#[test]
fn a_parent_and_its_children_are_no_circle() {
    let files = [
        ("lib.rs", "mod a; pub use a::A;"),
        ("a.rs", "mod b; use b::B; mod tests { use super::*; use super::b::C; }"),
        ("a/b.rs", "use super::A; // use super::c::D;\nlet text = \"super::c::D\";"),
        ("a/c.rs", "use super::b::B; use crate::A; use self::x;"),
    ];
    assert!(found(&files).is_empty(), "{:?}", found(&files));
}

#[test]
fn the_protocol_depends_on_nothing_that_acts_or_logs() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/protocol/Cargo.toml");
    let text = fs::read_to_string(manifest).expect("the protocol's manifest");
    assert!(!text.contains(".dependencies]") && !text.contains("[dependencies."), "one list only");
    let (_, rest) = text.split_once("[dependencies]\n").expect("its dependencies");
    let names: Vec<&str> = rest
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ']).next().filter(|name| !name.is_empty()))
        .collect();
    // Types, encodings, collections, random numbers from a seed. Log lines are made of its events.
    let allowed = [
        "acklog-types",
        "bincode",
        "bytes",
        "crc32c",
        "hashbrown",
        "rand",
        "rand_chacha",
        "thiserror",
    ];
    assert_eq!(names, allowed);
}
