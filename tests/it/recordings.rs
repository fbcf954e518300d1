//! Recordings of scenarios, in virtual time and of real nodes; runs that a page watches; steps that
//! wait for a key.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::SystemTime;

use acklog_api::recording::{PAST_EVENT, RECORDING_VERSION, STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::{MESSAGES_EVENT, MISSED_EVENT, SAMPLED_EVENT, STATE_EVENT};
use acklog_api::{
    EventBody, EventKind, EventsRequest, NodeMessages, NodeState, PastItem, RecordedItem,
    RecordingClock, RecordingHead, ScenarioStep, StepState,
};
use acklog_client::{NodeEvents, NodeEventsError, StreamedItem};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use crate::support::Terminal;
use crate::support::{Answer, begin_raw, get, request, scenario_run, wait_until};

/// Items that are all of the contract.
struct Told(Vec<RecordedItem>);

impl Told {
    /// Reads a recording.
    fn read(path: &Path) -> (RecordingHead, Self) {
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

    fn new(items: Vec<RecordedItem>) -> Self {
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
    fn of<T: DeserializeOwned>(&self, event: &str) -> Vec<T> {
        let items = self.0.iter().filter(|item| item.event == event);
        items.map(|item| serde_json::from_value(item.data.clone()).unwrap()).collect()
    }

    /// Returns the messages of each node at the end, put together as a reader does.
    fn lists(&self) -> BTreeMap<String, Vec<String>> {
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
    fn reachable(&self, name: &str) -> Vec<bool> {
        let states = self.of::<NodeState>(STATE_EVENT).into_iter();
        let mut seen: Vec<_> =
            states.filter(|state| state.node == name).map(|state| state.reachable).collect();
        seen.dedup();
        seen
    }

    /// Checks that each step of a scenario began and was done, in the order of the file.
    fn has_all_steps(&self, scenario: &Path) {
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

/// A run that is watched.
struct WatchedRun {
    /// None once it was waited for.
    child: Option<Child>,
    page: SocketAddr,
}

impl WatchedRun {
    /// Begins one, and waits until it serves the page.
    fn begin(folder: &TempDir, args: &[&str]) -> Self {
        let mut run = scenario_run(folder, &[args, &["--watch"]].concat());
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let page = page_of(&said).unwrap_or_else(|| panic!("{said:?} has a URL"));
        Self { child: Some(child), page }
    }

    /// Loads the page, without which its stream does not begin the run.
    fn load(&self) -> Answer {
        let page = get(self.page, "/");
        assert_eq!(page.status, 200);
        page
    }

    async fn connect(&self) -> NodeEvents {
        connect(self.page).await
    }

    /// Presses Ctrl-C, and returns the exit status.
    fn interrupt(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        child.wait().unwrap()
    }

    /// Waits for the end of a run that holds, and returns its story.
    fn story(mut self) -> Vec<u8> {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    }
}

/// A test that fails leaves no run behind that waits for its page.
impl Drop for WatchedRun {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// Returns the address of the page that a run serves, by what it said.
fn page_of(said: &str) -> Option<SocketAddr> {
    said.split("http://").nth(1)?.split_once('/')?.0.parse().ok()
}

async fn connect(page: SocketAddr) -> NodeEvents {
    let request = EventsRequest { all_nodes: true, state: true, messages: true };
    NodeEvents::open(page.to_string().parse().unwrap(), request).await.unwrap()
}

/// Returns an item of a stream as one of a recording.
fn as_recorded(StreamedItem { name, data }: StreamedItem) -> RecordedItem {
    if name == PAST_EVENT {
        let PastItem { event, data, .. } = serde_json::from_str(&data).unwrap();
        return RecordedItem { at: 0, event, data };
    }
    let event = if name.is_empty() { UNNAMED_EVENT.to_owned() } else { name };
    RecordedItem { at: 0, event, data: serde_json::from_str(&data).unwrap() }
}

/// Reads a stream until its end.
async fn rest(mut stream: NodeEvents, items: &mut Vec<RecordedItem>) {
    loop {
        match stream.next().await {
            Ok(item) => items.push(as_recorded(item)),
            Err(NodeEventsError::Ended(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads a body that has the members of the contract and no others.
fn whole<T: Serialize + DeserializeOwned>(data: &Value) -> T {
    let body: T = serde_json::from_value(data.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), *data);
    body
}

/// Plays a scenario that is recorded, and returns its story and the file.
fn recorded(folder: &TempDir, name: &str, args: &[&str]) -> (String, PathBuf) {
    let path = folder.path().join(name);
    let shown = path.display().to_string();
    let played = scenario_run(folder, &[args, &["--record", &shown]].concat()).output().unwrap();
    let error = String::from_utf8_lossy(&played.stderr);
    assert_eq!((played.status.code(), &*error), (Some(0), ""), "{args:?}");
    (String::from_utf8(played.stdout).unwrap(), path)
}

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

#[test]
fn a_run_that_never_begins_leaves_no_recording_that_keeps_the_next_one_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let args = ["scenarios/crash.txt", "--record", &file.display().to_string()];
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let watch = format!("--watch={}", taken.local_addr().unwrap());
    for _ in 0..2 {
        let refused = scenario_run(&folder, &[&args[..], &[&watch]].concat()).output().unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(error.contains("cannot serve the page at"), "{error}");
        assert_eq!((refused.status.code(), file.exists()), (Some(2), false));
    }
    for _ in 0..2 {
        let status = WatchedRun::begin(&folder, &args).interrupt();
        assert_eq!((status.code(), file.exists()), (Some(130), false));
    }
    let simulated = [&args[..], &["--simulate"]].concat();
    for _ in 0..2 {
        // The signal ends it at once.
        let status = WatchedRun::begin(&folder, &simulated).interrupt();
        assert_eq!((status.code(), fs::read(&file).unwrap().len()), (None, 0));
    }
    fs::write(&file, "of another run").unwrap();
    let kept_out = scenario_run(&folder, &args).output().unwrap();
    assert_eq!(kept_out.status.code(), Some(2));
    assert_eq!(fs::read(&file).unwrap(), b"of another run");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_in_the_background_of_a_shell_waits_for_its_page_and_is_not_stopped() {
    let (folder, terminal) = (tempfile::tempdir().unwrap(), Terminal::open());
    let [said, ended] = ["said", "ended"].map(|name| folder.path().join(name));
    let script = r#"set -m; "$0" scenario run "$1" --simulate --watch >/dev/null 2>"$2" & wait $!
        echo $? >"$3""#;
    let mut shell = terminal.session(&["sh", "-c", script, env!("CARGO_BIN_EXE_acklog")]);
    shell.arg("scenarios/crash.txt").args([&said, &ended]);
    let mut shell = shell.current_dir(env!("CARGO_MANIFEST_DIR")).spawn().unwrap();
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
    wait_until("the page", || page_of(&text(&said)).is_some());
    let page = page_of(&text(&said)).unwrap();
    assert_eq!(get(page, "/").status, 200);
    block_on(async { rest(connect(page).await, &mut Vec::new()).await });
    wait_until("the end of the run", || text(&ended).ends_with('\n'));
    assert_eq!(text(&ended), "0\n", "{}", text(&said));
    shell.wait().unwrap();
}

#[test]
fn each_step_waits_for_a_line_and_goes_on_at_the_end_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["scenarios/crash.txt", "--simulate"];
    let whole = scenario_run(&folder, &args).output().unwrap().stdout;
    let mut stepping = scenario_run(&folder, &[args[0], args[1], "--step"]);
    let mut child = stepping.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut seen) = (child.stdin.take().unwrap(), String::new());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for step in ["    cluster ", "    join ", "    append "] {
        let mut line = String::new();
        while !line.starts_with(step) {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "{step:?} is missing: {seen}");
            seen += &line;
        }
        input.write_all(b"\n").unwrap();
    }
    drop(input);
    output.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(seen.as_bytes(), whole, "the same story");
}

/// Reads the whole stream of a run, and what a page is told that comes after the kill.
async fn told_twice(run: &WatchedRun) -> [Vec<RecordedItem>; 2] {
    let (mut first, mut items) = (run.connect().await, Vec::new());
    let is_kill = |item: &RecordedItem| {
        let ScenarioStep { text, state, .. } = match item.event.as_str() {
            STEP_EVENT => whole(&item.data),
            _ => return false,
        };
        text == "kill bonnie" && state == StepState::Done
    };
    while !items.last().is_some_and(is_kill) {
        items.push(as_recorded(first.next().await.unwrap()));
    }
    let (late, mut told_late) = (run.connect().await, Vec::new());
    tokio::join!(rest(first, &mut items), rest(late, &mut told_late));
    [items, told_late]
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_page_watches_a_run_of_real_nodes_from_its_begin_to_its_end() {
    let (folder, file) = (tempfile::tempdir().unwrap(), "scenarios/crash.txt");
    let run = WatchedRun::begin(&folder, &[file]);
    assert!(run.load().header("content-security-policy").is_some());
    let append = request(run.page, "POST", "/messages", r#"{"message":"Msg1"}"#);
    assert_eq!((append.status, append.header("allow")), (405, Some("GET, HEAD")));
    assert!(append.json()["detail"].as_str().unwrap().contains("only shows a scenario"));
    assert_eq!(get(run.page, "/health").status, 404);
    let foreign = "GET /events HTTP/1.1\r\nHost: page.example\r\nConnection: close\r\n\r\n";
    assert_eq!(begin_raw(run.page, foreign).answer().status, 421);

    let told = block_on(told_twice(&run));
    assert!(told[0] == told[1], "a page that comes later is told the same");
    let unwatched = scenario_run(&folder, &[file, "--simulate"]).output().unwrap().stdout;
    assert!(run.story() == unwatched, "a watched run tells the same story");
    for told in told.map(Told::new) {
        told.has_all_steps(Path::new(file));
        assert_eq!(told.reachable("master"), [true]);
        let states: Vec<NodeState> = told.of(STATE_EVENT);
        assert!(states.iter().all(|state| state.faults.is_none()), "no page sets faults here");
        let lists = told.lists();
        assert_eq!((lists.len(), lists["master"].len()), (3, 8));
        assert!(lists.values().all(|list| *list == lists["master"]), "{lists:?}");
    }
}

#[test]
fn a_simulation_that_is_watched_is_shown_by_the_clock_and_recorded_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("story.txt").display().to_string();
    fs::write(&scenario, "join bonnie\nappend Msg1 w=2\nexpect answered Msg1\n").unwrap();
    let (_, alone) = recorded(&folder, "alone", &[&scenario, "--simulate"]);
    let file = folder.path().join("watched");
    let args = [&scenario, "--simulate", "--record", &file.display().to_string()];
    let (run, mut items) = (WatchedRun::begin(&folder, &args), Vec::new());
    run.load();
    let before = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
    block_on(async { rest(run.connect().await, &mut items).await });
    run.story();
    assert!(fs::read(&file).unwrap() == fs::read(alone).unwrap());
    let told = Told::new(items);
    told.has_all_steps(Path::new(&scenario));
    let times: Vec<u64> =
        told.of::<EventBody>(UNNAMED_EVENT).iter().map(|event| event.time).collect();
    assert!(times.iter().all(|time| *time >= before), "{before}: {times:?}");
    assert!(!times.is_empty() && times.is_sorted());
}
