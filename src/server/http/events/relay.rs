//! The events of all secondaries, as a master relays them to one reader.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use acklog_api::recording::{PAST_EVENT, STEP_EVENT};
use acklog_api::{EventKind, EventsRequest, MissedEvents, NodeState, Role, SampledEvents, view};
use acklog_client::{
    CallError, Dial, EventsDialer, NodeEventsError, StreamedItem, events_silence_max,
};
use acklog_types::NodeName;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::contract::sse;
use crate::contract::wall_clock_us;
use crate::server::http::peer::{NO_PLACE, PeerConnections, PeerTarget, not_reached};
use crate::server::http::problem::clip;
use crate::server::node::MasterHandle;

/// Time between two looks at the list of secondaries. Shorter: more work. Longer: a secondary that
/// joins is seen later.
const LOOK: Duration = Duration::from_millis(500);

/// Names that are not relayed: only a scenario's runner tells `past` and `step`, and `open`,
/// `error` and `message` are what an `EventSource` raises itself. Other unknown names may be those
/// of later nodes.
const UNTOLD: [&str; 5] = [PAST_EVENT, STEP_EVENT, "open", "error", "message"];

/// One secondary whose events are relayed.
struct Relay {
    name: NodeName,
    target: Option<PeerTarget>,
    connections: PeerConnections,
    request: EventsRequest,
    sender: mpsc::Sender<Bytes>,
}

/// Nobody takes what is relayed any more.
struct Unwanted;

/// The parts of an item by which it is known whose it is. Of other types than expected they are
/// those of a later version.
#[derive(Deserialize)]
struct Teller<'a> {
    #[serde(borrow)]
    node: Option<Cow<'a, str>>,
    kind: Option<Value>,
    role: Option<Value>,
    health: Option<Value>,
}

/// A relay that runs, and the place that it reads.
struct RunningRelay {
    place: Option<SocketAddr>,
    _task: AbortOnDropHandle<()>,
}

impl Teller<'_> {
    /// Returns whether only a master tells such an item, by its name.
    fn is_master(&self, name: &str) -> bool {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let (kind, role) = match name {
            "" => (self.kind.as_ref(), self.role.as_ref()),
            view::STATE_EVENT => (None, self.health.as_ref().and_then(|health| health.get("role"))),
            _ => (None, None),
        };
        text(kind).is_some_and(|kind| is_of_master(&kind.into()))
            || text(role).is_some_and(|role| Role::from(role) == Role::Master)
    }
}

/// Returns whether only a master tells events of this kind: they are about its clients, about other
/// nodes, or about the cluster. Others that no secondary tells today it may tell one day, such as
/// the epoch that it follows.
fn is_of_master(kind: &EventKind) -> bool {
    use EventKind as Kind;
    matches!(
        kind,
        Kind::Accepted
            | Kind::Waits
            | Kind::Durable
            | Kind::Acked
            | Kind::Answered
            | Kind::Canceled
            | Kind::Aborted
            | Kind::Lost
            | Kind::Health
            | Kind::Quorum
            | Kind::Mode
            | Kind::Members
    )
}

/// Relays the events of each secondary that the master knows, until nobody takes them any more or
/// the node has stopped. Secondaries that join are added, and forgotten ones end. May be dropped at
/// any await.
///
/// # Panics
/// Outside of a runtime with local tasks.
pub(super) async fn tell(
    (master, connections): (MasterHandle, PeerConnections),
    request: EventsRequest,
    sender: mpsc::Sender<Bytes>,
) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running: HashMap<NodeName, RunningRelay> = HashMap::new();
    loop {
        looks.tick().await;
        let Ok(peers) = master.peers().await else { return };
        running.retain(|name, _| peers.iter().any(|peer| peer.name == *name));
        for peer in peers {
            if running.get(&peer.name).is_some_and(|relay| relay.place == peer.http) {
                continue;
            }
            let relay = Relay {
                name: peer.name.clone(),
                target: peer.http.map(PeerTarget::new),
                connections: connections.clone(),
                request: EventsRequest { all_nodes: false, ..request },
                sender: sender.clone(),
            };
            let task = AbortOnDropHandle::new(spawn_local(relay.run()));
            running.insert(peer.name, RunningRelay { place: peer.http, _task: task });
        }
    }
}

impl Relay {
    /// Reads the secondary again and again, and tells why it is not reached.
    async fn run(self) {
        let mut dialer = EventsDialer::new(self.request);
        loop {
            let reason = match &self.target {
                None => NO_PLACE.to_owned(),
                Some(target) => match self.read(target, &mut dialer).await {
                    Ok(reason) => reason,
                    Err(Unwanted) => return,
                },
            };
            if self.request.state && self.send(self.unreachable(reason)).await.is_err() {
                return;
            }
            sleep(dialer.pause()).await;
        }
    }

    /// Passes on what the secondary tells, and returns why that ended.
    async fn read(
        &self,
        target: &PeerTarget,
        dialer: &mut EventsDialer,
    ) -> Result<String, Unwanted> {
        let _counted = match self.connections.watch() {
            Ok(counted) => counted,
            Err(reason) => return Ok(reason),
        };
        let reason = |error: NodeEventsError| match error {
            NodeEventsError::Call(error @ CallError::Silent(_)) => {
                let silence_max = events_silence_max(self.request).as_secs();
                not_reached(format!("{error}: nothing came for {silence_max} s"))
            }
            error => not_reached(error),
        };
        let mut events = match dialer.dial(target.clone()).await {
            Ok(events) => events,
            Err(error) => return Ok(reason(error)),
        };
        loop {
            let items = match events.next_items().await {
                Ok(items) => items,
                Err(error) => return Ok(reason(error)),
            };
            let mut out = Vec::new();
            for item in &items {
                if let Err(reason) = self.write(&mut out, item, target) {
                    return Ok(not_reached(format!("{} {reason}", target.endpoint())));
                }
            }
            // Waits here while the reader is slow, and reads no further.
            self.send(out.into()).await?;
        }
    }

    async fn send(&self, piece: Bytes) -> Result<(), Unwanted> {
        self.sender.send(piece).await.map_err(|_| Unwanted)
    }

    /// Appends an item as it is, but for what only this node knows of it.
    ///
    /// # Errors
    /// When another node tells it, a master does, or none: the reason, behind the address.
    fn write(
        &self,
        out: &mut Vec<u8>,
        item: &StreamedItem,
        target: &PeerTarget,
    ) -> Result<(), String> {
        let (name, data) = (item.name.as_str(), item.data.as_str());
        let teller = serde_json::from_str::<Teller<'_>>(data).ok();
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_told = is_word && !UNTOLD.contains(&name);
        let Some(teller) = teller.filter(|_| is_told) else {
            return Err("tells what no node does".to_owned());
        };
        if let Some(other) = teller.node.as_deref().filter(|node| *node != self.name.as_str()) {
            return Err(format!("is {}, another node", clip(other)));
        }
        if teller.is_master(name) {
            return Err("tells what only a master does".to_owned());
        }
        let node = Some(self.name.to_string());
        match name {
            view::STATE_EVENT => {
                if let Ok(state) = serde_json::from_str::<NodeState>(data) {
                    let url = Some(target.endpoint().to_string());
                    sse::write_event(out, (Some(name), None), &NodeState { url, ..state });
                    return Ok(());
                }
            }
            view::SAMPLED_EVENT => {
                if let Ok(sampled) = serde_json::from_str::<SampledEvents>(data) {
                    let sampled = SampledEvents { node, ..sampled };
                    sse::write_event(out, (Some(name), None), &sampled);
                    return Ok(());
                }
            }
            view::MISSED_EVENT => {
                if let Ok(missed) = serde_json::from_str::<MissedEvents>(data) {
                    let missed = MissedEvents { node, ..missed };
                    sse::write_event(out, (Some(name), None), &missed);
                    return Ok(());
                }
            }
            _ => {}
        }
        if !name.is_empty() {
            sse::write_name(out, name);
        }
        // Between the parts of JSON they mean nothing, and in a stream of events they end a line.
        sse::write_data(out, data.replace(['\n', '\r'], " ").as_bytes());
        Ok(())
    }

    fn unreachable(&self, detail: String) -> Bytes {
        let url = self.target.as_ref().map(|target| target.endpoint().to_string());
        let state = NodeState::unreachable(self.name.to_string(), wall_clock_us(), url, detail);
        sse::event(view::STATE_EVENT, &state)
    }
}

#[cfg(test)]
mod tests;
