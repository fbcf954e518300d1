//! `acklog scenario run`: every file of `scenarios/` in virtual time, some on real processes, and
//! the end of a run that fails.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use acklog_api::{RecordedItem, ScenarioStep, StepState};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{scenario_run, wait_until};

fn run(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = scenario_run(&folder, args).output().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?} leaves files behind");
    output
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// Plays a file, which must hold, and returns its story.
fn story(args: &[&str]) -> String {
    let output = run(args);
    let (story, error) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {story}{error}");
    assert_eq!(error, "", "{args:?}");
    story
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

/// Writes a scenario, and returns its folder and path.
fn written(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.txt");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn every_scenario_plays_in_virtual_time_or_says_why_not() {
    let files = files();
    assert!(files.len() >= 15, "the scenarios are there");
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let (first, path) = (text.lines().next().unwrap(), file.display().to_string());
        assert!(first.starts_with("# "), "{path} begins with what it shows");
        if first.contains("Real nodes only") {
            let output = run(&[&path, "--simulate"]);
            let (story, error) = said(&output);
            assert_eq!((output.status.code(), story.as_str()), (Some(2), ""), "{error}");
            assert!(error.contains("run it without --simulate"), "{error}");
        } else {
            let story = story(&[&path, "--simulate"]);
            assert!(story.contains("== as promised: "), "{story}");
        }
    }
}

#[test]
fn real_processes_tell_the_story_of_the_simulation() {
    for file in [
        "scenarios/crash.txt",
        "scenarios/following.txt",
        "scenarios/partition.txt",
        "scenarios/power-cut.txt",
        "scenarios/read-concern.txt",
        "scenarios/self-check.txt",
        "tests/golden/a_hung_secondary_is_suspected_then_unhealthy_and_delays_nobody.txt",
        "tests/golden/\
         a_message_sent_again_under_its_key_after_the_masters_crash_is_stored_once.txt",
    ] {
        assert_eq!(story(&[file]), story(&[file, "--simulate"]), "{file}");
    }
}

#[test]
fn the_scenario_of_the_guide_tells_the_story_that_stands_below_it() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/breaking.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("## Tell a failure as a scenario").unwrap();
    let mut blocks = section.split("```").skip(1).step_by(2);
    let file = blocks.next().unwrap().strip_prefix("text\n").unwrap();
    let (_, shown) = blocks.next().unwrap().split_once("--simulate\n").unwrap();
    let (_folder, path) = written(file);
    for flags in [&["--simulate"] as &[&str], &[]] {
        assert_eq!(story(&[&[path.as_str()], flags].concat()), shown);
    }
}

#[test]
fn files_of_real_nodes_are_changed_and_looked_into() {
    for file in ["scenarios/damage.txt", "scenarios/torn-tail.txt"] {
        story(&[file]);
    }
}

#[test]
fn another_seed_tells_the_same_story() {
    let file = "scenarios/storm.txt";
    assert_eq!(story(&[file, "--simulate", "--seed=5"]), story(&[file, "--simulate"]));
}

#[test]
fn what_cannot_be_played_is_named_with_its_line() {
    for (text, flags, reason) in [
        ("join bonnie\nexplode bonnie\n", vec![], ":2: there is no step named \"explode\""),
        ("join bonnie\nrun soon\n", vec!["--simulate"], ":2: \"soon\" is no time"),
        ("join bonnie\nslow 1s\n", vec![], ":2: slow 1s: real nodes do not have"),
        ("join bonnie\ntear bonnie 3\n", vec!["--simulate"], ":2: tear bonnie 3: the simulation"),
    ] {
        let (_folder, path) = written(text);
        let output = run(&[&[path.as_str()], flags.as_slice()].concat());
        let (story, error) = said(&output);
        assert_eq!((output.status.code(), story.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(&format!("{path}{reason}")), "{error}");
    }
    let output = run(&["no/such/file.txt"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).1.contains("no/such/file.txt: "));
    let conflicts: [&[&str]; 2] = [&["--seed=3"], &["--simulate", "--compose"]];
    for flags in conflicts {
        let output = run(&[&["scenarios/crash.txt"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output).1);
    }
}

#[test]
fn an_expectation_that_does_not_hold_is_status_1_with_its_line_and_what_was_seen() {
    let text = "join bonnie\nappend Msg1 w=2\nexpect answered Msg1 id=7\nappend Msg2\n";
    let (_folder, path) = written(text);
    for flags in [&[] as &[&str], &["--simulate"]] {
        let output = run(&[&[path.as_str()], flags].concat());
        let (story, error) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{path}:3: expect answered Msg1 id=7")), "{error}");
        assert!(
            error.contains("seen instead: Msg1: answered id=0 w=2 acked=master,bonnie"),
            "{error}"
        );
        assert!(!story.contains("Msg2"), "{story}");
    }
    let (_folder, path) = written("join bonnie\nrun 10ms\ncrash bonnie\n---\nok\n");
    let output = run(&[&path, "--simulate"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).1.contains("recorded: ok"), "{}", said(&output).1);
    // Only the simulation has a trace, and it is the same with one seed only.
    story(&[&path]);
    story(&[&path, "--simulate", "--seed=1"]);
}

#[test]
fn a_run_that_is_interrupted_ends_its_nodes_and_takes_its_files_away() {
    let (_folder, path) = written("cluster disk=true\njoin bonnie\npause bonnie\nrun 1000s\n");
    let folder = tempfile::tempdir().unwrap();
    let mut child = scenario_run(&folder, &[&path]).stdout(Stdio::piped()).spawn().unwrap();
    let mut story = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("run 1000s") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut story, &mut line).unwrap() > 0, "the story ends");
    }
    let children = children_of(child.id());
    assert_eq!(children.len(), 2, "a master and a secondary");
    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "its files are gone");
    for id in children {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "{id} outlives the run");
    }
}

/// Returns the items of a recording that is being written.
fn items(recording: &Path) -> Vec<RecordedItem> {
    let text = fs::read_to_string(recording).unwrap_or_default();
    // The head is none, nor is half of a line.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns whether the second step of a recorded run is in this state.
fn is_second(item: &RecordedItem, state: &StepState) -> bool {
    let step = serde_json::from_value::<ScenarioStep>(item.data.clone());
    step.is_ok_and(|step| (step.line, &step.state) == (2, state))
}

#[test]
fn a_run_that_is_interrupted_while_it_asks_a_node_is_not_one_that_failed() {
    let begins: fn(&RecordedItem) -> bool = |item| is_second(item, &StepState::Begins);
    for (step, is_asking) in [
        ("expect health master end=0", begins),
        ("expect kept master", begins),
        ("health", begins),
        ("join bonnie", |item| item.data["node"] == "bonnie"),
    ] {
        let (folder, path) = written(&format!("cluster\n{step}\n"));
        let recording = folder.path().join("recording");
        let args = [&path, "--step", "--record", &recording.display().to_string()];
        let mut run = scenario_run(&folder, &args);
        run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = run.spawn().unwrap();
        let has = |is_it: &dyn Fn(&RecordedItem) -> bool| items(&recording).iter().any(is_it);
        let mut enter = child.stdin.take().unwrap();
        enter.write_all(b"\n").unwrap();
        wait_until("the second step", || has(&|item| is_second(item, &StepState::Waits)));
        let master = children_of(child.id())[0];
        let id = Pid::from_raw(i32::try_from(master).unwrap()).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        wait_until("a master that answers nothing", || stat(master).starts_with('T'));
        enter.write_all(b"\n").unwrap();
        wait_until(step, || has(&is_asking));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{step}: {}", said(&ended).1);
        assert!(said(&ended).1.ends_with("acklog scenario: interrupted\n"), "{step}");
        assert!(!has(&|item| is_second(item, &StepState::Broken)), "{step} is told as broken");
    }
}

/// Returns what the system tells of a process behind its name: its state and its parent first.
fn stat(id: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().trim_start().to_owned()
}

/// Returns the running children of a process.
fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |id: &u32| {
        let parent_of = stat(*id).split_whitespace().nth(1).and_then(|id| id.parse().ok());
        parent_of == Some(parent)
    };
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(is_child).collect()
}
