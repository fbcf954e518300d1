//! Finds environment variables that no program knows, most of which are misspelt.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory};

use super::{MasterConfig, SecondaryConfig};

/// The prefix of all variables of this project.
const PREFIX: &str = "ACKLOG_";

/// Variables that scripts and the compose file read.
const OF_SCRIPTS: [&str; 2] = ["ACKLOG_BIN", "ACKLOG_IMAGE_TARGET"];

/// Returns the variables of the environment that have the prefix and belong to no flag, sorted.
/// `tool` is the command line of the tool, whose flags have variables as those of the nodes have.
pub fn unknown_variables(tool: &Command) -> Vec<String> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    unknown_of(set.filter_map(|(name, _)| name.into_string().ok()), tool)
}

/// The advice in the warning about such a variable.
pub const UNKNOWN_VARIABLE_ADVICE: &str = "no program of acklog knows this environment \
variable, so it is ignored; --help lists the flags, and each is ACKLOG_ and its name";

fn unknown_of(names: impl Iterator<Item = String>, tool: &Command) -> Vec<String> {
    let mut names: BTreeSet<String> = names.filter(|name| name.starts_with(PREFIX)).collect();
    if !names.is_empty() {
        let mut known = OF_SCRIPTS.map(str::to_owned).into();
        for command in [&MasterConfig::command(), &SecondaryConfig::command(), tool] {
            add_variables(command, &mut known);
        }
        names.retain(|name| !known.contains(name));
    }
    names.into_iter().collect()
}

fn add_variables(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    known.extend(variables.map(str::to_owned));
    command.get_subcommands().for_each(|subcommand| add_variables(subcommand, known));
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn unknown(names: &[&str]) -> Vec<String> {
        let tool = Command::new("acklog").arg(Arg::new("senders").env("ACKLOG_SENDERS"));
        unknown_of(names.iter().map(|name| (*name).to_owned()), &tool)
    }

    #[test]
    fn variables_of_any_program_are_known_and_misspelt_ones_are_not() {
        let names = ["ACKLOG_QUORUM", "ACKLOG_STORE_DELAY", "ACKLOG_SENDERS", "ACKLOG_BIN", "PATH"];
        assert_eq!(unknown(&names), Vec::<String>::new());
        let names = ["ACKLOG_QUORM", "ACKLOG_HTTP_PORT", "ACKLOG_"];
        assert_eq!(unknown(&names), ["ACKLOG_", "ACKLOG_QUORM"]);
    }
}
