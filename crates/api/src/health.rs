//! Reports of a node about itself, at `/health` and `/ready`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::words::words;

words! {
    /// The role of a node.
    Role {
        /// Appends messages and sends them to the secondaries.
        Master = "master",
        /// Holds a copy.
        Secondary = "secondary",
    }
}

words! {
    /// Whether a master takes messages.
    Mode {
        /// It does.
        ReadWrite = "read-write",
        /// It refuses them.
        ReadOnly = "read-only",
    }
}

words! {
    /// The progress of a secondary in joining its master. A master's rows and a secondary's own
    /// report use different words of these.
    Phase {
        /// The secondary is trying to reach its master (own report).
        Connecting = "connecting",
        /// The secondary has no connection (the master's rows).
        Disconnected = "disconnected",
        /// The secondary lacks messages and fetches them.
        CatchingUp = "catching-up",
        /// The secondary has everything.
        Ready = "ready",
        /// The master refuses the secondary's name or number (own report).
        Refused = "refused",
        /// The secondary's messages are not the master's (own report).
        Diverged = "diverged",
        /// The secondary's disk failed (own report).
        Failed = "failed",
    }
}

words! {
    /// Whether a master hears from a secondary.
    MemberStatus {
        /// It answers.
        Healthy = "healthy",
        /// It was silent for 2 heartbeat intervals.
        Suspected = "suspected",
        /// It was silent for 5 heartbeat intervals, or its connection is gone.
        Unhealthy = "unhealthy",
    }
}

words! {
    /// The reason why a master refused a secondary.
    RefusedCode {
        /// It speaks another version of the protocol.
        Version = "version",
        /// Another node has its name.
        NameTaken = "name-taken",
        /// The cluster has as many nodes as it may.
        ClusterFull = "cluster-full",
        /// It is not one of `--secondaries`.
        NotListed = "not-listed",
        /// It follows an epoch that the master does not know.
        Epoch = "epoch",
        /// Its messages are of another log.
        OtherLog = "other-log",
        /// It has more of the log than the master.
        LongerLog = "longer-log",
        /// Its last message is not the master's.
        OtherRecord = "other-record",
    }
}

words! {
    /// The state of a node's disk.
    DiskState {
        /// It works.
        Ok = "ok",
        /// It is full; the node goes on when there is room.
        Full = "full",
        /// It does not answer; the node goes on when it does.
        Stalled = "stalled",
        /// A part of the log cannot be read as it was written.
        Damaged = "damaged",
        /// It refused a write; only a restart helps.
        Failed = "failed",
    }
}

/// The report of a node of either role.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Health {
    /// A master's.
    Master(MasterHealth),
    /// A secondary's.
    Secondary(SecondaryHealth),
}

/// The report of a master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterHealth {
    /// The node's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Always [`Role::Master`].
    pub role: Role,
    /// Whether it takes messages.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The id of the first message that is still in the log.
    #[serde(default)]
    pub log_start: Option<u64>,
    /// The id that comes next: the node shows the messages below it.
    #[serde(default)]
    pub log_end: Option<u64>,
    /// A majority of the cluster holds the messages below this id.
    #[serde(default)]
    pub committed_end: Option<u64>,
    /// The number of the master's term.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// The number of nodes, including the master, that `majority` and `all` are made from.
    #[serde(default)]
    pub cluster_size: Option<u64>,
    /// Null without `--quorum`.
    #[serde(default)]
    pub quorum: Option<Quorum>,
    /// Clients whose write concern does not hold yet.
    #[serde(default)]
    pub waiting_senders: Option<u64>,
    /// One row for each secondary that was ever ready with this log.
    #[serde(default)]
    pub secondaries: Vec<MemberHealth>,
    /// One row for each secondary that was refused lately.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// Null where the log is in memory.
    #[serde(default)]
    pub disk: Option<Disk>,
}

/// The report of a secondary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecondaryHealth {
    /// The node's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Always [`Role::Secondary`].
    pub role: Role,
    /// Its progress in joining its master.
    #[serde(default)]
    pub phase: Option<Phase>,
    /// The id of the first message that is still in the log.
    #[serde(default)]
    pub log_start: Option<u64>,
    /// The id that comes next: the node shows the messages below it.
    #[serde(default)]
    pub log_end: Option<u64>,
    /// It has the messages below this id, and its master told that a majority of the cluster does.
    #[serde(default)]
    pub committed_end: Option<u64>,
    /// The number of the master's term.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// Messages that it holds above a gap and does not show.
    #[serde(default)]
    pub buffered: Option<u64>,
    /// Its knowledge of its master.
    #[serde(default)]
    pub master: Option<MasterLink>,
    /// Null where the log is in memory.
    #[serde(default)]
    pub disk: Option<Disk>,
}

/// The number of nodes that must be healthy for a master to take messages, and the number that are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quorum {
    /// The number of nodes that must be.
    pub required: Option<u64>,
    /// The number of nodes that are, including the master.
    pub healthy: Option<u64>,
}

/// A master's row of one secondary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberHealth {
    /// The secondary's name.
    pub name: Option<String>,
    /// Whether the master hears from it.
    pub status: Option<MemberStatus>,
    /// Its progress in joining.
    pub phase: Option<Phase>,
    /// It has acked the messages below this id; null until it told.
    pub acked_end: Option<u64>,
    /// The number of messages that it lacks; null until it told.
    pub lag: Option<u64>,
    /// Requests to it that are under way.
    pub in_flight: Option<u64>,
    /// Requests to it that were sent again since the master started.
    pub retries: Option<u64>,
    /// The round trip of its last heartbeat, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The time since its last sign of life, in milliseconds.
    pub last_seen_ms: Option<u64>,
    /// The address that it is connected from.
    pub address: Option<String>,
}

/// A master's row of a secondary that it refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Refused {
    /// The secondary's name, where it told one.
    pub name: Option<String>,
    /// The reason why it was refused.
    pub code: Option<RefusedCode>,
    /// The end of its log, where it told one.
    pub log_end: Option<u64>,
    /// The time since its last attempt, in milliseconds; null: before this start.
    pub last_seen_ms: Option<u64>,
}

/// A secondary's knowledge of its master.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MasterLink {
    /// The address at which the secondary dials it, as `host:port`.
    pub address: Option<String>,
    /// Whether there is a connection.
    pub connected: Option<bool>,
    /// The master's name, where a handshake told it.
    pub name: Option<String>,
    /// The end of the master's log, where it is known.
    pub log_end: Option<u64>,
    /// The reason why the last attempt to reach it failed; null while connected.
    pub last_error: Option<String>,
}

/// The state of a node's disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Whether it works.
    pub state: Option<DiskState>,
    /// The reason why it does not.
    pub detail: Option<String>,
}

impl Health {
    /// Returns the node's name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Master(health) => health.name.as_deref(),
            Self::Secondary(health) => health.name.as_deref(),
        }
    }

    /// Returns the node's role.
    pub const fn role(&self) -> &Role {
        match self {
            Self::Master(health) => &health.role,
            Self::Secondary(health) => &health.role,
        }
    }

    /// Returns the end of what the node shows.
    pub const fn log_end(&self) -> Option<u64> {
        match self {
            Self::Master(health) => health.log_end,
            Self::Secondary(health) => health.log_end,
        }
    }

    /// Returns the cluster's size, which only a master reports.
    pub const fn cluster_size(&self) -> Option<u64> {
        match self {
            Self::Master(health) => health.cluster_size,
            Self::Secondary(_) => None,
        }
    }

    /// Returns the state of the node's disk; `None` where the log is in memory.
    pub const fn disk(&self) -> Option<&Disk> {
        match self {
            Self::Master(health) => health.disk.as_ref(),
            Self::Secondary(health) => health.disk.as_ref(),
        }
    }
}

impl<'de> Deserialize<'de> for Health {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Value::deserialize(deserializer)?;
        let role = body.get("role").and_then(Value::as_str);
        match role.map(|role| Role::from(role.to_owned())) {
            Some(Role::Master) => MasterHealth::deserialize(body).map(Self::Master),
            Some(Role::Secondary) => SecondaryHealth::deserialize(body).map(Self::Secondary),
            _ => Err(serde_json::Error::custom("it tells no role that is known")),
        }
        .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_tells_which_report_it_is_and_what_is_missing_is_not_known() {
        let master: Health = serde_json::from_str(r#"{"role":"master","later":1}"#).unwrap();
        assert!(matches!(&master, Health::Master(health) if health.secondaries.is_empty()));
        assert_eq!((master.log_end(), master.name(), master.disk()), (None, None, None));
        let text = r#"{"name":"b","role":"secondary","phase":"asleep","logEnd":3}"#;
        let secondary: Health = serde_json::from_str(text).unwrap();
        assert_eq!((secondary.role(), secondary.log_end()), (&Role::Secondary, Some(3)));
        let Health::Secondary(health) = secondary else { panic!("a secondary") };
        assert_eq!(health.phase, Some(Phase::Other("asleep".to_owned())));
        for wrong in ["{}", r#"{"role":"witness"}"#, "[]", "3"] {
            assert!(serde_json::from_str::<Health>(wrong).is_err(), "{wrong}");
        }
    }
}
