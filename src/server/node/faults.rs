//! Fault injection as HTTP requests it: the same for both roles.

use std::time::Instant;

use acklog_protocol::{FaultHooks, Faulty, Machine};
use acklog_types::Faults;
use tokio::sync::{mpsc, oneshot};

use super::NodeStopped;
use super::commands::ControlLane;

/// A fault request to a core task.
#[derive(Debug)]
pub(super) enum FaultsCommand {
    /// Reports the faults in force.
    Show(oneshot::Sender<Faults>),
    /// Replaces the faults, and reports those in force.
    Set(Faults, oneshot::Sender<Faults>),
    /// Drops all connections to peers, and reports how many there were.
    Disconnect(oneshot::Sender<usize>),
}

impl FaultsCommand {
    /// Carries out the request. `now` is the iteration's: a later one would let the machine's time
    /// go back in the rest of the iteration. An answer is dropped where the client has gone.
    pub(super) fn carry_out<M: FaultHooks>(self, now: Instant, machine: &mut Faulty<M>) {
        match self {
            Self::Show(answer) => {
                let _ = answer.send(machine.faults());
            }
            Self::Set(faults, answer) => {
                machine.set_faults(now, faults);
                let _ = answer.send(machine.faults());
            }
            Self::Disconnect(answer) => {
                let _ = answer.send(machine.disconnect(now));
            }
        }
    }
}

/// The faults of a running node, of either role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeFaults(ControlLane<FaultsCommand>);

impl NodeFaults {
    /// Creates the lane to a core task.
    pub(super) fn queue() -> (Self, mpsc::Receiver<FaultsCommand>) {
        let (lane, requests) = ControlLane::new();
        (Self(lane), requests)
    }

    /// Returns the faults in force.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn show(&self) -> Result<Faults, NodeStopped> {
        self.0.ask(FaultsCommand::Show).await
    }

    /// Replaces the faults, and returns those in force.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn set(&self, faults: Faults) -> Result<Faults, NodeStopped> {
        self.0.ask(|answer| FaultsCommand::Set(faults, answer)).await
    }

    /// Drops the connections to peers, and returns how many there were.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn disconnect(&self) -> Result<usize, NodeStopped> {
        self.0.ask(FaultsCommand::Disconnect).await
    }
}
