//! The items that a simulated cluster tells, with the bodies that real nodes send.

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_api::recording::UNNAMED_EVENT;
use acklog_api::view::{MESSAGES_EVENT, STATE_EVENT};
use acklog_api::{Health, NodeMessages, NodeState, RecordedItem, Role};
use acklog_protocol::{Event, NodeEvent};
use acklog_sim::scenario::{Simulated, Trouble, is_master};
use acklog_sim::{News, Told};
use acklog_types::NodeName;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::narrator::Telling;
use super::run_stream::RunStream;
use crate::contract::{EventRecorder, HealthReport, OfSecondary, event_body, shown_text};

/// The address at which simulated secondaries dial their master.
const MASTER_ADDRESS: &str = "simulated:0";

/// The number of a node's first event.
const FIRST_EVENT: u64 = 1;

/// Turns what a simulated cluster tells into items.
#[derive(Debug)]
pub(super) struct SimulatedNews {
    /// Runs what the scenario waits for: nothing of a simulation.
    runtime: Runtime,
    recorders: BTreeMap<NodeName, EventRecorder>,
}

impl Telling<Simulated> for SimulatedNews {
    fn take(&mut self, backend: &mut Simulated) -> Vec<RecordedItem> {
        let mut items = Vec::new();
        let mut news = backend.take_news().into_iter().peekable();
        while let Some(News { at, node, told }) = news.next() {
            let healthy = |health: Health| {
                let state = NodeState {
                    node: node.to_string(),
                    time: micros(at),
                    reachable: true,
                    url: None,
                    master_url: None,
                    detail: None,
                    health: Some(health),
                    faults: None,
                };
                item(at, STATE_EVENT, &state)
            };
            items.push(match told {
                Told::Event(event) => {
                    let is_last = news.peek().is_none_or(|next| {
                        (next.at, &next.node) != (at, &node) || !matches!(next.told, Told::Event(_))
                    });
                    items.extend(self.take_event(at, &node, event, is_last));
                    continue;
                }
                Told::Master(health) => healthy(health.report()),
                Told::Secondary(health) => {
                    healthy(OfSecondary(health, MASTER_ADDRESS.to_owned()).report())
                }
                Told::Messages { from, texts } => {
                    let messages = texts.iter().map(|text| shown_text(text.as_bytes())).collect();
                    let (node, from) = (node.to_string(), from.get());
                    item(at, MESSAGES_EVENT, &NodeMessages { node, from, messages })
                }
                Told::Down => {
                    let (node, detail) = (node.to_string(), "it is down".to_owned());
                    let state = NodeState::unreachable(node, micros(at), None, detail);
                    item(at, STATE_EVENT, &state)
                }
            });
        }
        items
    }

    fn now(&self, backend: &Simulated) -> u64 {
        micros(backend.recorded_time())
    }

    fn wait_for<T>(
        &mut self,
        _: &mut Simulated,
        what: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        Ok(self.runtime.block_on(what))
    }

    /// Returns false: the signal ends this program at once.
    fn is_stopped(&self, _: &Simulated) -> bool {
        false
    }

    fn begin(&mut self, backend: &mut Simulated, _: &RunStream) {
        backend.record();
    }

    fn end(&mut self, _: &mut Simulated) {}
}

impl SimulatedNews {
    /// Creates the news of a simulation, which waits for keys and the clock on this runtime.
    pub(super) const fn new(runtime: Runtime) -> Self {
        Self { runtime, recorders: BTreeMap::new() }
    }

    /// Takes an event. Returns the node's events since the last call behind the last one that it
    /// emits at this moment: an injected delay follows its frame.
    fn take_event(
        &mut self,
        at: Duration,
        node: &NodeName,
        event: Event,
        is_last: bool,
    ) -> Vec<RecordedItem> {
        let new = || EventRecorder::new(FIRST_EVENT);
        let recorder = self.recorders.entry(node.clone()).or_insert_with(new);
        if let Event::Node(NodeEvent::Started { .. }) = event {
            recorder.restart();
        }
        if recorder.admits(&event) {
            recorder.record(micros(at), event);
        }
        if !is_last {
            return Vec::new();
        }
        let role = if is_master(node) { Role::Master } else { Role::Secondary };
        let events = recorder.take();
        events.map(|event| item(at, UNNAMED_EVENT, &event_body(node, &role, &event))).collect()
    }
}

/// Returns an item of a recording.
fn item(at: Duration, event: &str, body: &impl Serialize) -> RecordedItem {
    let data = serde_json::to_value(body).expect("a body is JSON");
    RecordedItem { at: micros(at), event: event.to_owned(), data }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
