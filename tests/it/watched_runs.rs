//! Runs of scenarios that a page watches, and steps that wait for a key.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::SystemTime;

use acklog_api::recording::{PAST_EVENT, STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::STATE_EVENT;
use acklog_api::{
    EventBody, EventsRequest, NodeState, PastItem, RecordedItem, ScenarioStep, StepState,
};
use acklog_client::{NodeEvents, NodeEventsError, StreamedItem};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use crate::support::Terminal;
use crate::support::{
    Answer, Told, begin_raw, get, recorded, request, scenario_run, wait_until, whole,
};

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
