//! Recordings: a stream of events in a file, to be looked at later.
//!
//! A recording is a text file of one JSON value per line: a [`RecordingHead`], then a
//! [`RecordedItem`] for each thing that came, in the order in which it came. A file whose last line
//! is incomplete is a recording up to there.

use serde::{Deserialize, Serialize};

use crate::words::words;

/// The version of the format that [`RecordingHead::recording`] names.
pub const RECORDING_VERSION: u64 = 1;

/// Name of the event [`ScenarioStep`].
pub const STEP_EVENT: &str = "step";

/// Name of the event [`PastItem`].
pub const PAST_EVENT: &str = "past";

/// The name of an item of a recording that is an event without a name.
pub const UNNAMED_EVENT: &str = "event";

words! {
    /// The clocks by which the events of a recording have their times.
    RecordingClock {
        /// The wall clock of each node.
        Wall = "wall",
        /// The virtual time of a simulation, the same for all nodes.
        Virtual = "virtual",
    }
}

/// The first line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingHead {
    /// The version of the format, [`RECORDING_VERSION`].
    pub recording: u64,
    /// The program that made it, and its version.
    pub made_by: String,
    /// The clocks of the events' times.
    pub clock: RecordingClock,
    /// What is recorded, for people.
    pub title: String,
}

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedItem {
    /// When it came, by the clock of the recorder, in microseconds; of a simulation its virtual
    /// time.
    pub at: u64,
    /// The name of the server-sent event: `state`, `messages`, `step`, `sampled`, `missed`; `event`
    /// for one without a name.
    pub event: String,
    /// Its data.
    pub data: serde_json::Value,
}

/// What came before a page that watches a scenario did, as the `data` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastItem {
    /// The time since it came, in microseconds.
    pub ago: u64,
    /// As [`RecordedItem::event`].
    pub event: String,
    /// Its data.
    pub data: serde_json::Value,
}

words! {
    /// How far a step of a scenario is.
    StepState {
        /// It is the next one, and begins when whoever plays the scenario presses a key.
        Waits = "waits",
        /// It begins.
        Begins = "begins",
        /// It is done, and holds where it is an expectation.
        Done = "done",
        /// It is an expectation that does not hold, or could not be done.
        Broken = "broken",
    }
}

/// A step of a scenario, as the `data` of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioStep {
    /// The line of the file that it stands in; the first is 1.
    pub line: u64,
    /// Its text.
    pub text: String,
    /// How far it is.
    pub state: StepState,
    /// What was seen instead, of a broken one; null otherwise.
    pub seen: Option<String>,
}
