//! The metrics that `docs/reference/metrics.md` lists.

use std::collections::BTreeSet;

/// A family of metrics.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// The name, as scrapes show it.
    pub name: String,
    /// The type.
    pub kind: String,
    /// The labels, without those that only a bucket has.
    pub labels: BTreeSet<String>,
}

/// Returns the metrics of a node of this role, in the order of their names.
pub fn documented(role: &str, on_disk: bool) -> Vec<Metric> {
    let page = include_str!("../../../docs/reference/metrics.md");
    let is_shown = |heading: &str| match heading {
        "Both roles" | "The process" => true,
        "With a data directory" => on_disk,
        "The master" | "Secondaries as the master sees them" => role == "master",
        "A secondary" => role == "secondary",
        other => panic!("a table under {other}: on which nodes are these?"),
    };
    let (mut metrics, mut heading) = (Vec::new(), "");
    for line in page.lines() {
        heading = line.strip_prefix("## ").unwrap_or(heading);
        let Some(row) = line.strip_prefix("| `") else { continue };
        let (name, rest) = row.split_once("` | ").unwrap();
        let (kind, rest) = rest.split_once(" | ").unwrap();
        let (labels, _) = rest.split_once('|').unwrap();
        if is_shown(heading) {
            let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            metrics.push(Metric { name: name.to_owned(), kind: kind.to_owned(), labels });
        }
    }
    metrics.sort();
    assert!(metrics.len() > 20, "{metrics:?}");
    metrics
}
