//! Faults on demand, as HTTP asks for them: the same for both roles.

use std::time::Instant;

use acklog_protocol::{FaultHooks, Faulty, Machine};
use acklog_types::Faults;
use tokio::sync::{mpsc, oneshot};

use super::NodeStopped;
use super::commands::ControlLane;

/// What is asked of a core task.
#[derive(Debug)]
pub(super) enum FaultsCommand {
    /// What is in force.
    Show(oneshot::Sender<Faults>),
    /// Put these in force, and tell them.
    Set(Faults, oneshot::Sender<Faults>),
    /// Drop all connections to peers, and tell how many there were.
    Disconnect(oneshot::Sender<usize>),
}

impl FaultsCommand {
    /// Does what is asked. `now` is the turn's: a later one would let the time of the machine go back in the rest of
    /// the turn. Whoever asked may have gone, and then nobody is told.
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
    /// Makes the queue to a core task, with room for a turn's worth.
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
