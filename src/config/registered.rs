//! Checks a master's flags against the secondaries that are registered with its log.

use acklog_types::NodeName;
use thiserror::Error;

use super::MasterConfig;

/// Most names in one line: enough to act on, and the line stays readable with 255 secondaries.
const NAMES_SHOWN_MAX: usize = 10;

/// Flags that contradict the log that was opened. The node ends with the exit status of bad flags.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// The cluster has fewer places than registered secondaries.
    #[error(
        "--cluster-size {size} has room for {} beside the master, and {} are registered: {}; raise \
         --cluster-size, or start with --cluster-size {}, forget those that are gone \
         (acklog forget NAME), and start again", secondaries(.size - 1), .names.len(),
        listed(.names), .names.len() + 1
    )]
    ClusterSize {
        /// The size that was given, including the master.
        size: u16,
        /// The registered secondaries.
        names: Vec<NodeName>,
    },
    /// The master has the name of one of its secondaries.
    #[error(
        "--name {0} is the name of a registered secondary; give this master another name, or start \
         it with another, forget the secondary (acklog forget {0}), and start again"
    )]
    Name(NodeName),
}

impl MasterConfig {
    /// Checks the flags against the secondaries that are registered with the log.
    ///
    /// # Errors
    /// When the two contradict each other.
    pub fn check_registered(&self, registered: &[NodeName]) -> Result<(), Contradiction> {
        if registered.contains(&self.name) {
            return Err(Contradiction::Name(self.name.clone()));
        }
        match self.cluster_size {
            Some(size) if usize::from(size) <= registered.len() => {
                Err(Contradiction::ClusterSize { size, names: registered.to_vec() })
            }
            _ => Ok(()),
        }
    }

    /// Returns the registered secondaries that `--secondaries` does not admit. They count all the
    /// same.
    pub fn unlisted<'a>(&self, registered: &'a [NodeName]) -> Vec<&'a NodeName> {
        let Some(listed) = self.listed_secondaries() else { return Vec::new() };
        registered.iter().filter(|name| !listed.contains(name)).collect()
    }
}

fn secondaries(number: u16) -> String {
    match number {
        0 => "no secondary".to_owned(),
        1 => "1 secondary".to_owned(),
        number => format!("{number} secondaries"),
    }
}

fn listed(names: &[NodeName]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN_MAX).map(NodeName::as_str).collect();
    match names.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MasterConfig, parse_node};

    fn names(count: usize) -> Vec<NodeName> {
        (1..=count).map(|n| format!("s{n}").parse().unwrap()).collect()
    }

    fn checked(flags: &[&str], registered: &[NodeName]) -> Result<(), String> {
        let config = parse_node::<MasterConfig>([&["master-node"], flags].concat()).unwrap();
        config.check_registered(registered).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cluster_size_below_what_is_registered_names_whom_to_forget() {
        assert_eq!(checked(&["--cluster-size=4"], &names(3)), Ok(()));
        assert_eq!(checked(&[], &names(3)), Ok(()));
        let expected = "--cluster-size 3 has room for 2 secondaries beside the master, and 3 are \
            registered: s1, s2, s3; raise --cluster-size, or start with --cluster-size 4, forget \
            those that are gone (acklog forget NAME), and start again";
        assert_eq!(checked(&["--cluster-size=3"], &names(3)), Err(expected.to_owned()));
        let line = checked(&["--cluster-size=1"], &names(255)).unwrap_err();
        assert!(
            line.contains("no secondary beside") && line.contains("s10 and 245 more"),
            "{line}"
        );
    }

    #[test]
    fn a_master_with_the_name_of_a_secondary_is_refused() {
        let line = checked(&["--name=s2"], &names(2)).unwrap_err();
        assert!(line.contains("acklog forget s2"), "{line}");
    }

    #[test]
    fn registered_names_that_are_not_let_in_are_found() {
        let flags = ["master-node", "--secondaries=s1, s3"];
        let config = parse_node::<MasterConfig>(flags).unwrap();
        let registered = names(3);
        assert_eq!(config.unlisted(&registered), [&registered[1]]);
    }
}
