//! `acklog watch` on a terminal: a pseudo-terminal whose screen is read.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::support::*;

/// A terminal, and `acklog watch` in it.
struct Watched {
    child: Child,
    terminal: Terminal,
    modes_before: Termios,
    screen: Arc<Mutex<Parser>>,
}

/// Returns the modes that a program may leave changed.
fn modes(terminal: &Termios) -> String {
    let (input, output) = (terminal.input_modes, terminal.output_modes);
    let (control, local) = (terminal.control_modes, terminal.local_modes);
    format!("{input:?} {output:?} {control:?} {local:?}")
}

fn size(columns: NonZeroU16, rows: NonZeroU16) -> Winsize {
    Winsize { ws_col: columns.get(), ws_row: rows.get(), ws_xpixel: 0, ws_ypixel: 0 }
}

const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();
const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const MORE_COLUMNS: NonZeroU16 = NonZeroU16::new(120).unwrap();
const MORE_ROWS: NonZeroU16 = NonZeroU16::new(40).unwrap();

impl Watched {
    fn start(urls: &str, env: &[(&str, &str)]) -> Self {
        let terminal = Terminal::open();
        tcsetwinsize(&terminal.keyboard, size(COLUMNS, ROWS)).unwrap();
        let modes_before = tcgetattr(&terminal.device).unwrap();
        let mut watch = terminal.session(&[env!("CARGO_BIN_EXE_acklog"), "watch", "--url", urls]);
        let child = watch.envs(env.iter().copied()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(Parser::new(ROWS, COLUMNS, 0)));
        let (mut output, shown) = (terminal.keyboard.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with the test, which closes the program's side.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, terminal, modes_before, screen }
    }

    fn of(nodes: &[&Node]) -> Self {
        let urls: Vec<String> = nodes.iter().map(|node| format!("http://{}", node.http)).collect();
        Self::start(&urls.join(","), &[("TERM", "xterm-256color")])
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn shows(&self, what: &str, is_shown: impl Fn(&str) -> bool) {
        let last = Mutex::new(String::new());
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until(what, || {
                let text = self.text();
                let is_shown = is_shown(&text);
                *last.lock().unwrap() = text;
                is_shown
            });
        }));
        assert!(seen.is_ok(), "{what}:\n{}", last.lock().unwrap());
    }

    fn press(&mut self, keys: &str) {
        self.terminal.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal.device).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ECHO)
    }

    /// Waits for the program's end, checks that the terminal is as it was, and returns the exit
    /// status.
    fn ended(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap().code();
        let after = tcgetattr(&self.terminal.device).unwrap();
        assert_eq!(modes(&after), modes(&self.modes_before));
        let is_left = |screen: &vt100::Screen| !screen.alternate_screen() && !screen.hide_cursor();
        wait_until("the screen to be left", || is_left(self.screen.lock().unwrap().screen()));
        status
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_message_is_seen_on_all_nodes_and_a_node_that_dies_is_too() {
    let (master, _, mut nodes) = cluster(&[], &["bonnie", "clyde"]);
    let mut watched = Watched::of(&[&master]);
    watched.shows("three nodes", |text| {
        ["master", "bonnie", "clyde"].iter().all(|name| text.contains(name))
            && text.matches("ready").count() >= 2
    });
    assert!(watched.is_raw());
    let in_all = |text: &str, message: &str| {
        let lists = |line: &str| line.matches(&format!("│ {message} ")).count();
        text.lines().any(|line| lines_end(line, message) + lists(line) == 3)
    };
    append(master.http, "Msg1", "3");
    watched.shows("the message in three lists", |text| in_all(text, "Msg1"));
    watched.shows("events of a secondary beside the master's", |text| {
        text.contains("master answered")
            && ["bonnie stored", "clyde  stored"].iter().any(|it| text.contains(it))
    });
    nodes[0].process.kill();
    watched.shows("that a node is gone", |text| text.contains("unreachable"));
    let sender = begin_append(master.http, "Msg2", "3");
    watched.shows("a sender that waits", |text| {
        text.contains("waiting senders: 1") && text.contains("2 of 3 nodes")
    });
    watched.screen.lock().unwrap().set_size(MORE_ROWS, MORE_COLUMNS);
    tcsetwinsize(&watched.terminal.keyboard, size(MORE_COLUMNS, MORE_ROWS)).unwrap();
    watched.shows("a screen of 40 rows", |text| text.lines().count() == 40);
    watched.press("f");
    watched.shows("a frozen screen", |text| text.contains("FROZEN"));
    watched.press(" \x1b[5~");
    watched.shows("older events", |text| !text.contains("FROZEN") && text.contains("newer below"));
    watched.press("q");
    assert_eq!(watched.ended(), Some(0));
    drop(sender);
}

/// Returns 1 where the line ends with a message.
fn lines_end(line: &str, message: &str) -> usize {
    usize::from(line.trim_end().ends_with(&format!("│ {message}")))
}

#[test]
fn the_terminal_is_restored_however_the_program_ends() {
    let (master, _) = master(&["--cluster-size", "1"]);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let watched = Watched::of(&[&master]);
        watched.shows("a master", |text| text.contains("read-write"));
        kill_process(Pid::from_child(&watched.child), signal).unwrap();
        assert_eq!(watched.ended(), Some(0), "{signal:?}");
    }
    for keys in ["\x1b", "\x03", "Q"] {
        let mut watched = Watched::of(&[&master]);
        watched.shows("a master", |text| text.contains("read-write"));
        watched.press(keys);
        assert_eq!(watched.ended(), Some(0), "{keys:?}");
    }
}

#[test]
fn a_secondary_shows_itself_alone_and_a_master_that_comes_back_is_shown_again() {
    let (mut master, comm, nodes) = cluster(&[], &["bonnie"]);
    append(master.http, "Msg1", "2");
    let alone = Watched::of(&[&nodes[0]]);
    alone.shows("a secondary", |text| {
        text.contains("a secondary shows itself alone · its master: master")
            && text.contains("│ Msg1")
    });
    let watched = Watched::of(&[&nodes[0], &master]);
    watched.shows("the master, and both lists", |text| {
        text.contains("read-write") && text.matches("│ Msg1").count() == 2
    });
    let (port, http) = (comm.port().to_string(), master.http.port().to_string());
    master.process.kill();
    watched.shows("that the master is silent, and what is known", |text| {
        text.contains("no master is heard") && text.matches("│ Msg1").count() == 2
    });
    let _again = master_at(&port, &["--http-port", &http]);
    watched.shows("the master again", |text| text.contains("read-write · committed end 0"));
    drop(nodes);
    alone.shows("that the connection is lost, and what is known", |text| {
        text.contains("connection lost, trying again") && text.contains("│ Msg1")
    });
    for watched in [watched, alone] {
        kill_process(Pid::from_child(&watched.child), Signal::TERM).unwrap();
        assert_eq!(watched.ended(), Some(0));
    }
}

#[test]
fn nodes_that_cannot_be_reached_and_terminals_that_cannot_place_text_are_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let watched = Watched::start(&free.to_string(), &[("TERM", "xterm")]);
    watched.shows("an attempt", |text| text.contains("connecting: "));
    let told = format!("no node answered within 10 s at http://{free}");
    watched.shows("that it gave up", |text| text.replace('\n', "").contains(&told));
    assert_eq!(watched.ended(), Some(1));
    let dumb = Watched::start(&free.to_string(), &[("TERM", "dumb")]);
    dumb.shows("advice", |text| text.contains("TERM=dumb") && text.contains("acklog status"));
    assert_eq!(dumb.ended(), Some(2));
}
