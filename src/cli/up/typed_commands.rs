//! Parses what a user types while the cluster runs.

use std::time::Duration;

use acklog_types::parse_duration_with_unit;

/// Returns the commands that can be typed, in one line.
pub(super) fn help(allow_faults: bool) -> String {
    let start = "Type a node's name to start it again after it died, \"kill NAME\" to kill it";
    match allow_faults {
        true => format!("{start}, \"slow NAME 2s\", \"pause NAME\", \"cut NAME\", \"heal\""),
        false => start.to_owned(),
    }
}

/// Store delay of `slow NAME`: long enough to see, and shorter than the time after which a request
/// is sent again.
const SLOW: Duration = Duration::from_secs(1);

/// The request in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypedCommand {
    /// Start this node again.
    Start(usize),
    /// Kill this node.
    Kill(usize),
    /// Inject a fault into this node.
    Fault(usize, Fault),
    /// Clear the faults of all nodes.
    Heal,
    /// An empty line.
    Nothing,
    /// A command that cannot be carried out, for this reason.
    Unusable(String),
    /// Any other line.
    Unknown,
}

/// A fault to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It takes this long to store messages.
    Slow(Duration),
    /// It neither reads nor writes frames.
    Pause,
    /// Its connection is dropped, and none of its frames gets out.
    Cut,
}

/// Parses a line; nodes are given by their index in `names`.
pub(super) fn parse<'a>(line: &str, names: impl IntoIterator<Item = &'a str>) -> TypedCommand {
    let words: Vec<_> = line.split_whitespace().collect();
    let mut names = names.into_iter();
    let mut place = |name: &str| names.position(|known| known == name);
    let mut fault = |name, fault| {
        place(name).map_or(TypedCommand::Unknown, |node| TypedCommand::Fault(node, fault))
    };
    match words.as_slice() {
        [] => TypedCommand::Nothing,
        ["heal"] => TypedCommand::Heal,
        ["slow", name] => fault(name, Fault::Slow(SLOW)),
        ["slow", name, delay] => match parse_duration_with_unit(delay) {
            Ok(delay) => fault(name, Fault::Slow(delay)),
            Err(error) => TypedCommand::Unusable(error.to_string()),
        },
        ["pause", name] => fault(name, Fault::Pause),
        ["cut", name] => fault(name, Fault::Cut),
        ["kill", name] => place(name).map_or(TypedCommand::Unknown, TypedCommand::Kill),
        [name] => place(name).map_or(TypedCommand::Unknown, TypedCommand::Start),
        _ => TypedCommand::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_starts_and_kill_kills() {
        let parse = |line| parse(line, ["master", "bonnie"]);
        assert_eq!(parse(" bonnie "), TypedCommand::Start(1));
        assert_eq!(parse("kill master"), TypedCommand::Kill(0));
        assert_eq!(parse(""), TypedCommand::Nothing);
        let unknown =
            ["clyde", "kill", "kill clyde", "kill bonnie now", "quit", "slow", "cut clyde"];
        for unknown in unknown.into_iter().chain(["heal bonnie", "pause"]) {
            assert_eq!(parse(unknown), TypedCommand::Unknown, "{unknown}");
        }
    }

    #[test]
    fn faults_can_be_typed() {
        let parse = |line| parse(line, ["master", "bonnie"]);
        assert_eq!(parse("slow bonnie"), TypedCommand::Fault(1, Fault::Slow(SLOW)));
        let slow = Fault::Slow(Duration::from_millis(1500));
        assert_eq!(parse("slow bonnie 1.5s"), TypedCommand::Fault(1, slow));
        assert_eq!(parse("pause bonnie"), TypedCommand::Fault(1, Fault::Pause));
        assert_eq!(parse("cut master"), TypedCommand::Fault(0, Fault::Cut));
        assert_eq!(parse("heal"), TypedCommand::Heal);
        let TypedCommand::Unusable(why) = parse("slow bonnie 2") else { panic!("2 of what?") };
        assert!(why.contains("write 2s for seconds"), "{why}");
    }
}
