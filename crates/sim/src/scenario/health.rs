//! Health of nodes, in the same form whether they are simulated or real.

use std::fmt::{self, Write};

use acklog_types::NodeName;

/// Health of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeHealth {
    /// Health of a master.
    Master(MasterView),
    /// Health of a secondary.
    Secondary(SecondaryView),
}

/// Health of a master, with the words of `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterView {
    /// End of its log.
    pub end: u64,
    /// Number of nodes in the cluster.
    pub cluster_size: u16,
    /// Number of clients that wait for secondaries.
    pub waiting: u64,
    /// Whether it refuses messages.
    pub read_only: bool,
    /// Whether it is ready, as `/health` reports it.
    pub ready: bool,
    /// Registered secondaries.
    pub secondaries: Vec<MemberView>,
    /// Secondaries that were refused lately: name, code, log end.
    pub refused: Vec<(Option<String>, String, Option<u64>)>,
}

/// A secondary as its master sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberView {
    /// Name.
    pub name: String,
    /// `healthy`, `suspected` or `unhealthy`.
    pub status: String,
    /// `catching-up`, `ready` or `disconnected`.
    pub phase: String,
    /// Acked end, if it is known.
    pub acked: Option<u64>,
    /// Number of messages that it is behind, if that is known.
    pub lag: Option<u64>,
    /// Number of requests that had to be made again.
    pub retries: u64,
}

/// Health of a secondary, with the words of `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondaryView {
    /// Phase of joining.
    pub phase: String,
    /// End of the messages that it shows.
    pub end: u64,
    /// Number of messages that wait above a gap.
    pub buffered: u64,
}

/// A fact that the health of a node must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Name of the fact, as `end` or `bonnie.status`.
    pub field: String,
    /// Expected value.
    pub want: Want,
}

/// Expected value of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This value.
    Exactly(String),
    /// This number or a higher one.
    AtLeast(u64),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.want {
            Want::Exactly(value) => write!(f, "{field}={value}"),
            Want::AtLeast(least) => write!(f, "{field}={least}.."),
        }
    }
}

const OF_MASTER: [&str; 5] = ["end", "size", "waiting", "mode", "ready"];
const OF_MEMBER: [&str; 5] = ["status", "phase", "acked", "lag", "retries"];
const OF_SECONDARY: [&str; 3] = ["phase", "end", "buffered"];

impl Fact {
    /// Reads a fact of a node.
    ///
    /// # Errors
    /// When the health of such a node has no such fact.
    pub(super) fn read(node: &NodeName, field: &str, value: &str) -> Result<Self, String> {
        let is_master = super::is_master(node);
        let (member, last) = match field.rsplit_once('.').filter(|_| is_master) {
            Some((member, last)) => (Some(member), last),
            None => (None, field),
        };
        let known: &[&str] = match (is_master, member) {
            (true, None) => &OF_MASTER,
            (true, Some(_)) => &OF_MEMBER,
            (false, _) => &OF_SECONDARY,
        };
        if !known.contains(&last) {
            let of = if member.is_some() { " of a secondary" } else { "" };
            return Err(format!("{node} tells no {last:?}{of}; it tells {}", known.join(", ")));
        }
        let want = match value.strip_suffix("..") {
            Some(least) => Want::AtLeast(super::args::read(field, least)?),
            None => Want::Exactly(value.to_owned()),
        };
        Ok(Self { field: field.to_owned(), want })
    }

    /// Returns whether a value is the expected one.
    pub(super) fn holds(&self, value: Option<&str>) -> bool {
        match &self.want {
            Want::Exactly(wanted) => value == Some(wanted),
            Want::AtLeast(least) => {
                value.and_then(|value| value.parse::<u64>().ok()).is_some_and(|seen| seen >= *least)
            }
        }
    }
}

impl NodeHealth {
    /// Returns a fact by its name; none if it is not known.
    pub(super) fn fact(&self, field: &str) -> Option<String> {
        match (self, field.rsplit_once('.')) {
            (Self::Master(health), Some((member, field))) => {
                health.secondaries.iter().find(|row| row.name == member)?.fact(field)
            }
            (Self::Master(health), None) => health.fact(field),
            (Self::Secondary(health), _) => match field {
                "phase" => Some(health.phase.clone()),
                "end" => Some(health.end.to_string()),
                "buffered" => Some(health.buffered.to_string()),
                _ => None,
            },
        }
    }

    /// Returns whether this is a master for which a secondary is healthy and ready.
    pub fn counts_on(&self, name: &NodeName) -> bool {
        let Self::Master(health) = self else { return false };
        let is_it = |row: &&MemberView| row.name == name.as_str();
        let row = health.secondaries.iter().find(is_it);
        row.is_some_and(|row| row.status == "healthy" && row.phase == "ready")
    }

    /// Returns whether this is a secondary that reports that it is ready.
    pub fn is_ready_secondary(&self) -> bool {
        matches!(self, Self::Secondary(health) if health.phase == "ready")
    }

    /// Returns the health as lines of a story.
    pub(super) fn lines(&self, name: &NodeName) -> String {
        let mut out = String::new();
        match self {
            Self::Master(health) => health.write_lines(&mut out),
            Self::Secondary(health) => {
                let (phase, end, buffered) = (camel(&health.phase), health.end, health.buffered);
                writeln!(out, "{name}: {phase} end={end} buffered={buffered}")
            }
        }
        .expect("a string takes all");
        out
    }
}

impl MasterView {
    fn fact(&self, field: &str) -> Option<String> {
        Some(match field {
            "end" => self.end.to_string(),
            "size" => self.cluster_size.to_string(),
            "waiting" => self.waiting.to_string(),
            "mode" => if self.read_only { "read-only" } else { "read-write" }.to_owned(),
            "ready" => self.ready.to_string(),
            _ => return None,
        })
    }

    fn write_lines(&self, out: &mut String) -> fmt::Result {
        let (end, size, waiting) = (self.end, self.cluster_size, self.waiting);
        let mode = if self.read_only { " read-only" } else { "" };
        let ready = if self.ready || self.read_only { "" } else { " not-ready" };
        writeln!(out, "master: end={end} cluster-size={size} waiting={waiting}{mode}{ready}")?;
        let known = |value: Option<u64>| value.map_or("?".to_owned(), |value| value.to_string());
        for row in &self.secondaries {
            let (name, status, phase) = (&row.name, camel(&row.status), camel(&row.phase));
            let (acked, lag) = (known(row.acked), known(row.lag));
            writeln!(out, "  {name}: {status} {phase} acked={acked} lag={lag}")?;
        }
        for (name, code, end) in &self.refused {
            let name = name.as_deref().unwrap_or("?");
            writeln!(out, "  {name}: refused {code} end={}", known(*end))?;
        }
        Ok(())
    }
}

impl MemberView {
    fn fact(&self, field: &str) -> Option<String> {
        match field {
            "status" => Some(self.status.clone()),
            "phase" => Some(self.phase.clone()),
            "acked" => self.acked.map(|end| end.to_string()),
            "lag" => self.lag.map(|lag| lag.to_string()),
            "retries" => Some(self.retries.to_string()),
            _ => None,
        }
    }
}

/// Converts `catching-up` to `CatchingUp`.
fn camel(word: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect::<String>()
    };
    word.split('-').map(capital).collect()
}
