//! Recordings of scenarios, and what they must have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use acklog_api::recording::{RECORDING_VERSION, STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::{MESSAGES_EVENT, MISSED_EVENT, SAMPLED_EVENT, STATE_EVENT};
use acklog_api::{
    EventBody, EventKind, NodeMessages, NodeState, RecordedItem, RecordingHead, ScenarioStep,
    StepState,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use super::scenario_run;

/// Items that are all of the contract.
pub struct Told(Vec<RecordedItem>);

impl Told {
    /// Reads a recording.
    pub fn read(path: &Path) -> (RecordingHead, Self) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'), "the last line is complete");
        let (head, lines) = text.split_once('\n').unwrap();
        let head: RecordingHead = serde_json::from_str(head).unwrap();
        assert_eq!(head.recording, RECORDING_VERSION);
        let items: Vec<RecordedItem> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(items.is_sorted_by_key(|item| item.at), "in the order of time");
        (head, Self::new(items))
    }

    pub fn new(items: Vec<RecordedItem>) -> Self {
        for RecordedItem { event, data, .. } in &items {
            match event.as_str() {
                UNNAMED_EVENT => {
                    let kind = whole::<EventBody>(data).kind;
                    assert!(EventKind::ALL.contains(&kind), "{kind}");
                }
                STATE_EVENT => drop(whole::<NodeState>(data)),
                MESSAGES_EVENT => drop(whole::<NodeMessages>(data)),
                STEP_EVENT => drop(whole::<ScenarioStep>(data)),
                SAMPLED_EVENT | MISSED_EVENT => {}
                other => panic!("an item named {other}"),
            }
        }
        Self(items)
    }

    /// Returns the bodies of the items of a name.
    pub fn of<T: DeserializeOwned>(&self, event: &str) -> Vec<T> {
        let items = self.0.iter().filter(|item| item.event == event);
        items.map(|item| serde_json::from_value(item.data.clone()).unwrap()).collect()
    }

    /// Returns the messages of each node at the end, put together as a reader does.
    pub fn lists(&self) -> BTreeMap<String, Vec<String>> {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for NodeMessages { node, from, messages } in self.of(MESSAGES_EVENT) {
            let list = lists.entry(node).or_default();
            list.truncate(from as usize);
            assert_eq!(list.len() as u64, from, "short lists have no gaps");
            list.extend(messages);
        }
        lists
    }

    /// Returns whether a node could be reached, each change of it once.
    pub fn reachable(&self, name: &str) -> Vec<bool> {
        let states = self.of::<NodeState>(STATE_EVENT).into_iter();
        let mut seen: Vec<_> =
            states.filter(|state| state.node == name).map(|state| state.reachable).collect();
        seen.dedup();
        seen
    }

    /// Checks that each step of a scenario began and was done, in the order of the file.
    pub fn has_all_steps(&self, scenario: &Path) {
        let text = fs::read_to_string(scenario).unwrap();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"));
        let mut wanted = Vec::new();
        for line in lines {
            wanted
                .extend([StepState::Begins, StepState::Done].map(|state| (line.to_owned(), state)));
        }
        let steps = self.of::<ScenarioStep>(STEP_EVENT).into_iter();
        let seen: Vec<_> = steps.map(|step| (step.text, step.state)).collect();
        assert_eq!(seen, wanted);
    }
}

/// Reads a body that has the members of the contract and no others.
pub fn whole<T: Serialize + DeserializeOwned>(data: &Value) -> T {
    let body: T = serde_json::from_value(data.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), *data);
    body
}

/// Plays a scenario that is recorded, and returns its story and the file.
pub fn recorded(folder: &TempDir, name: &str, args: &[&str]) -> (String, PathBuf) {
    let path = folder.path().join(name);
    let shown = path.display().to_string();
    let played = scenario_run(folder, &[args, &["--record", &shown]].concat()).output().unwrap();
    let error = String::from_utf8_lossy(&played.stderr);
    assert_eq!((played.status.code(), &*error), (Some(0), ""), "{args:?}");
    (String::from_utf8(played.stdout).unwrap(), path)
}
