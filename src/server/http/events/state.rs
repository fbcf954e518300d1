//! The state of the node, told as it changes.

use std::time::Duration;

use acklog_api::{Health, NodeState, view};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::NodeView;
use crate::contract::sse;
use crate::contract::{faults_body, wall_clock_us};
use crate::server::http::config::ServedNode;
use crate::server::http::known_master::KnownMaster;
use crate::server::node::NodeStopped;

/// Time between two looks at the state. Shorter: more work for a node that is watched. Longer: a
/// change is seen later.
const LOOK: Duration = Duration::from_millis(250);

/// Looks after which the state is told although it is the same: once a second. More: a reader
/// notices later that a node hangs. Fewer: more bytes for nothing.
const LOOKS_MAX: u32 = 4;

/// Tells the state of a node at once, when it changes, and at least once a second, that of a busy
/// node no more often, until the node has stopped or nobody takes it any more. May be dropped at
/// any await.
pub(super) async fn tell(told: NodeView, sender: mpsc::Sender<Bytes>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut same) = (None, 0);
    loop {
        looks.tick().await;
        // First: a slow reader gets the state as it is when there is room for it.
        let Ok(room) = sender.reserve().await else { return };
        let Ok(state) = state_of(&told).await else { return };
        let settled = Some(settled(state.clone()));
        same += 1;
        let is_busy = told.node.events().is_busy();
        if is_busy {
            // It changes all the time, and each reader that is woken takes time from the senders.
            looks.reset_after(LOOK * LOOKS_MAX);
        }
        if is_busy || settled != last || same >= LOOKS_MAX {
            (last, same) = (settled, 0);
            room.send(sse::event(view::STATE_EVENT, &state));
        }
    }
}

/// Returns the state of a node that can be reached.
async fn state_of(told: &NodeView) -> Result<NodeState, NodeStopped> {
    let health = told.node.health().await?;
    let faults = match told.allow_faults {
        true => Some(faults_body(told.node.faults().show().await?)),
        false => None,
    };
    let master_url = match &told.node {
        ServedNode::Master(_) => None,
        ServedNode::Secondary(secondary) => KnownMaster::of(secondary).await.url,
    };
    Ok(NodeState {
        node: told.name(),
        time: wall_clock_us(),
        reachable: true,
        url: None,
        master_url,
        detail: None,
        health: Some(health),
        faults,
    })
}

/// Returns a state without what changes all the time.
fn settled(mut state: NodeState) -> NodeState {
    state.time = 0;
    if let Some(Health::Master(master)) = &mut state.health {
        for member in &mut master.secondaries {
            (member.last_seen_ms, member.rtt_ms, member.in_flight) = (None, None, None);
        }
        master.refused.iter_mut().for_each(|refused| refused.last_seen_ms = None);
    }
    state
}
