//! Injected faults.

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The faults that a node is to have. What is absent is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FaultsRequest {
    /// Share of outgoing frames that are never written, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_rate: Option<f64>,
    /// Share of outgoing frames that are written twice, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_rate: Option<f64>,
    /// Share of requests answered with an error after the messages were stored, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<f64>,
    /// Whether the node neither reads nor writes frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Makes the draws repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Shortest and longest delay of a request to a peer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_delay_ms: Option<[Number; 2]>,
    /// Shortest and longest delay before messages are stored, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_delay_ms: Option<[Number; 2]>,
}

/// The faults in force. What is absent in an answer is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Faults {
    /// Shortest and longest delay of a request to a peer, in milliseconds; whole ones are written
    /// without a point.
    pub send_delay_ms: Option<[Number; 2]>,
    /// Shortest and longest delay before messages are stored, in milliseconds.
    pub store_delay_ms: Option<[Number; 2]>,
    /// Share of requests answered with an error after the messages were stored, 0 to 1.
    pub error_rate: f64,
    /// Share of outgoing frames that are never written, 0 to 1.
    pub drop_rate: f64,
    /// Share of outgoing frames that are written twice, 0 to 1.
    pub duplicate_rate: f64,
    /// Whether the node neither reads nor writes frames.
    pub paused: bool,
    /// Makes the draws repeatable; none: each run draws anew.
    pub seed: Option<u64>,
}

impl From<Faults> for FaultsRequest {
    /// Returns the request to have the same faults again.
    fn from(faults: Faults) -> Self {
        Self {
            drop_rate: Some(faults.drop_rate),
            duplicate_rate: Some(faults.duplicate_rate),
            error_rate: Some(faults.error_rate),
            paused: Some(faults.paused),
            seed: faults.seed,
            send_delay_ms: faults.send_delay_ms,
            store_delay_ms: faults.store_delay_ms,
        }
    }
}

impl Faults {
    /// Names of the members of a request and of an answer, in the order of the answer.
    pub const MEMBERS: [&str; 7] =
        ["sendDelayMs", "storeDelayMs", "errorRate", "dropRate", "duplicateRate", "paused", "seed"];
}

/// The answer to a request to drop the connections to peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// The number of connections that were dropped.
    pub disconnected: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_are_those_of_the_request_and_of_the_answer() {
        let answer = serde_json::to_string(&Faults::default()).unwrap();
        let positions = Faults::MEMBERS.map(|name| answer.find(&format!("{name:?}:")).unwrap());
        assert!(positions.is_sorted(), "{answer}");
        assert_eq!(answer.matches("\":").count(), Faults::MEMBERS.len());
        let request: FaultsRequest = serde_json::from_str(&answer).unwrap();
        assert_eq!((request.paused, request.error_rate), (Some(false), Some(0.0)));
        assert!(serde_json::from_str::<FaultsRequest>(r#"{"pause":true}"#).is_err());
    }
}
