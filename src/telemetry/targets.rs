//! The names of a node's parts in log lines and in filters: the part's own name, whatever crate or
//! folder holds it. So `--log info,acklog::net=debug` keeps its meaning when a part moves.

/// Parts that are crates of their own.
const CRATES: [&str; 3] = ["log", "protocol", "threads"];

/// Parts that are folders or files of `server`.
const SERVER: [&str; 7] = ["accepting", "daemon", "descriptors", "http", "net", "node", "run"];

/// Returns the name under which log lines show a target: `net::session` for
/// `acklog::server::net::session`.
pub(super) fn shown(target: &str) -> &str {
    let homes = ["acklog::server::", "acklog::", "acklog_"];
    homes.into_iter().find_map(|home| target.strip_prefix(home)).unwrap_or(target)
}

/// Returns a filter of log lines with each part's target in place of its name.
pub(super) fn with_targets(filter: &str) -> String {
    let directives =
        filter.split(',').map(|directive| match directive.trim().strip_prefix("acklog::") {
            Some(part) if is_of(part, &CRATES) => format!("acklog_{part}"),
            Some(part) if is_of(part, &SERVER) => format!("acklog::server::{part}"),
            _ => directive.to_owned(),
        });
    directives.collect::<Vec<_>>().join(",")
}

/// Returns whether a path begins with one of these names.
fn is_of(path: &str, names: &[&str]) -> bool {
    let name = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
    name.is_some_and(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_shown_by_its_name_wherever_it_lives() {
        assert_eq!(shown("acklog::server::net::session"), "net::session");
        assert_eq!(shown("acklog_protocol::master"), "protocol::master");
        assert_eq!(shown("acklog::message"), "message");
        assert_eq!(shown("hyper::proto"), "hyper::proto");
    }

    #[test]
    fn a_filter_names_parts_and_means_their_targets() {
        let filter = "info, acklog::net=debug,acklog::protocol::master[run{id=1,w=2}]=trace";
        let targets = "info,acklog::server::net=debug,acklog_protocol::master[run{id=1,w=2}]=trace";
        assert_eq!(with_targets(filter), targets);
        assert_eq!(
            with_targets("acklog=debug,acklog::message=off"),
            "acklog=debug,acklog::message=off"
        );
    }
}
