//! Recordings of scenarios, in virtual time and of real nodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use acklog_api::recording::{STEP_EVENT, UNNAMED_EVENT};
use acklog_api::{EventBody, EventKind, RecordingClock, RecordingHead, ScenarioStep, StepState};

use crate::support::{Told, recorded, scenario_run};

#[test]
fn a_simulated_scenario_is_recorded_with_steps_states_lists_and_lost_frames() {
    let (folder, file) = (tempfile::tempdir().unwrap(), "scenarios/partition.txt");
    let (story, path) = recorded(&folder, "one", &[file, "--simulate"]);
    let told = scenario_run(&folder, &[file, "--simulate"]).output().unwrap();
    assert_eq!(story.as_bytes(), told.stdout, "a recorded run tells the same story");
    let (head, recording) = Told::read(&path);
    let RecordingHead { made_by, clock, title, .. } = head;
    assert_eq!((clock, &made_by[..7]), (RecordingClock::Virtual, "acklog "));
    assert!(title.starts_with("partition: "), "{title}");
    recording.has_all_steps(Path::new(file));
    let events: Vec<EventBody> = recording.of(UNNAMED_EVENT);
    let of_kind = |kind: EventKind| events.iter().find(|event| event.kind == kind);
    let lost = of_kind(EventKind::Dropped).expect("a frame is lost in the partition");
    assert_eq!((lost.node.as_str(), lost.peer.as_deref()), ("master", Some("bonnie")));
    for kind in [EventKind::Sent, EventKind::Received, EventKind::Acked, EventKind::TimedOut] {
        assert!(of_kind(kind.clone()).is_some(), "{kind}");
    }
    let mut ids: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let before = ids.insert(&event.node, event.id);
        assert!(before.is_none_or(|before| before < event.id), "ids of a node grow");
    }
    let lists = recording.lists();
    assert_eq!(lists.keys().collect::<Vec<_>>(), ["bonnie", "clyde", "master"]);
    assert_eq!(lists["master"].len(), 8);
    assert!(lists.values().all(|list| *list == lists["master"]), "{lists:?}");
    let bytes = |name, seed| {
        fs::read(recorded(&folder, name, &[file, "--simulate", "--seed", seed]).1).unwrap()
    };
    assert!(bytes("two", "0") == fs::read(&path).unwrap(), "the same seed, the same bytes");
    assert!(bytes("three", "1") != fs::read(&path).unwrap(), "another seed, another run");
}

#[test]
fn real_nodes_are_recorded_across_a_kill_and_a_restart() {
    let (folder, file) = (tempfile::tempdir().unwrap(), "scenarios/crash.txt");
    let (head, recording) = Told::read(&recorded(&folder, "one", &[file]).1);
    assert_eq!(head.clock, RecordingClock::Wall);
    recording.has_all_steps(Path::new(file));
    assert_eq!(recording.reachable("bonnie"), [true, false, true]);
    for node in ["master", "clyde"] {
        assert_eq!(recording.reachable(node), [true], "{node}");
    }
    let lists = recording.lists();
    assert_eq!(lists.len(), 3);
    assert_eq!(lists["master"].len(), 8);
    assert!(lists.values().all(|list| *list == lists["master"]), "{lists:?}");
    let events: Vec<EventBody> = recording.of(UNNAMED_EVENT);
    for (node, kind) in [
        ("master", EventKind::Accepted),
        ("master", EventKind::Answered),
        ("bonnie", EventKind::Stored),
        ("clyde", EventKind::Received),
    ] {
        assert!(events.iter().any(|event| event.node == node && event.kind == kind), "{kind}");
    }
}

#[test]
fn a_simulated_crash_and_its_return_are_seen_in_the_states() {
    let (folder, file) = (tempfile::tempdir().unwrap(), "scenarios/power-cut.txt");
    let (_, recording) = Told::read(&recorded(&folder, "one", &[file, "--simulate"]).1);
    for node in ["master", "bonnie", "clyde"] {
        assert_eq!(recording.reachable(node)[..3], [true, false, true], "{node}");
    }
    let lists = recording.lists();
    assert!(!lists["master"].is_empty());
    assert!(lists.values().all(|list| *list == lists["master"]), "{lists:?}");
}

#[test]
fn a_recording_ends_with_the_step_that_broke_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, file) = (folder.path().join("story.txt"), folder.path().join("recording"));
    fs::write(&scenario, "join bonnie\nexpect messages bonnie Msg1\n").unwrap();
    let [scenario, shown] = [&scenario, &file].map(|path| path.display().to_string());
    let args = [&scenario, "--simulate", "--record", &shown];
    let played = scenario_run(&folder, &args).output().unwrap();
    assert_eq!(played.status.code(), Some(1));
    let steps: Vec<ScenarioStep> = Told::read(&file).1.of(STEP_EVENT);
    let last = steps.last().unwrap();
    assert_eq!((last.line, &last.state), (2, &StepState::Broken));
    assert!(last.seen.as_ref().is_some_and(|seen| !seen.is_empty()));
    let before = fs::read(&file).unwrap();
    let again = scenario_run(&folder, &args).output().unwrap();
    let error = String::from_utf8(again.stderr).unwrap();
    assert_eq!((again.status.code(), again.stdout.len()), (Some(2), 0));
    assert!(error.contains("recording exists; name another file"), "{error}");
    assert!(fs::read(&file).unwrap() == before);
}
