//! What a person types while the cluster runs.

use std::io::BufRead;

use tokio::sync::mpsc;

/// What can be typed, in one line.
pub(super) const HELP: &str =
    "Type a node's name to start it again after it died, \"kill NAME\" to kill it";

/// Lines that were typed and not yet acted on. Nobody types ahead of this.
const LINES_MAX: usize = 16;

/// What one line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Start this node again.
    Start(usize),
    /// Kill this node.
    Kill(usize),
    /// An empty line: nothing.
    Nothing,
    /// Anything else.
    Unknown,
}

/// Understands a line; nodes are given by their place among `names`.
pub(super) fn understood<'a>(line: &str, names: impl IntoIterator<Item = &'a str>) -> Typed {
    let words: Vec<_> = line.split_whitespace().collect();
    let mut names = names.into_iter();
    let mut place = |name: &str| names.position(|known| known == name);
    match words.as_slice() {
        [] => Typed::Nothing,
        ["kill", name] => place(name).map_or(Typed::Unknown, Typed::Kill),
        [name] => place(name).map_or(Typed::Unknown, Typed::Start),
        _ => Typed::Unknown,
    }
}

/// The lines of standard input; closed at its end.
///
/// They are read on a thread of their own: a read from a terminal cannot be given up, and the
/// end of the program must not wait for it.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_starts_and_kill_kills() {
        let understood = |line| understood(line, ["master", "bonnie"]);
        assert_eq!(understood(" bonnie "), Typed::Start(1));
        assert_eq!(understood("kill master"), Typed::Kill(0));
        assert_eq!(understood(""), Typed::Nothing);
        for unknown in ["clyde", "kill", "kill clyde", "kill bonnie now", "quit"] {
            assert_eq!(understood(unknown), Typed::Unknown, "{unknown}");
        }
    }
}
