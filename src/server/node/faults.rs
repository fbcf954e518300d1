//! Faults on demand, as HTTP asks for them: the same for both kinds of node.

use std::time::Instant;

use acklog_types::Faults;
use tokio::sync::oneshot;

use super::{MasterHandle, SecondaryHandle, Stopped};

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

/// What a state machine can do about its faults.
pub(super) trait Faulty {
    fn faults(&self) -> Faults;
    fn set_faults(&mut self, now: Instant, faults: Faults);
    fn disconnect(&mut self, now: Instant) -> usize;

    /// Does what is asked. `now` is the turn's: a later one would let the time of the machine go back in the rest of
    /// the turn. Whoever asked may have gone, and then nobody is told.
    fn obey(&mut self, now: Instant, command: FaultsCommand) {
        match command {
            FaultsCommand::Show(answer) => {
                let _ = answer.send(self.faults());
            }
            FaultsCommand::Set(faults, answer) => {
                self.set_faults(now, faults);
                let _ = answer.send(self.faults());
            }
            FaultsCommand::Disconnect(answer) => {
                let _ = answer.send(self.disconnect(now));
            }
        }
    }
}

/// A running node of either kind, as far as its faults go.
#[derive(Clone, Copy, Debug)]
pub enum NodeFaults<'a> {
    /// A master's.
    Master(&'a MasterHandle),
    /// A secondary's.
    Secondary(&'a SecondaryHandle),
}

impl NodeFaults<'_> {
    /// The faults in force.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn show(self) -> Result<Faults, Stopped> {
        self.ask(FaultsCommand::Show).await
    }

    /// Replaces the faults, and returns those in force.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn set(self, faults: Faults) -> Result<Faults, Stopped> {
        self.ask(|answer| FaultsCommand::Set(faults, answer)).await
    }

    /// Drops the connections to peers, and returns how many there were.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn disconnect(self) -> Result<usize, Stopped> {
        self.ask(FaultsCommand::Disconnect).await
    }

    async fn ask<T>(
        self,
        command: impl FnOnce(oneshot::Sender<T>) -> FaultsCommand,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let command = command(answer);
        match self {
            Self::Master(master) => master.fault(command).await?,
            Self::Secondary(secondary) => secondary.fault(command).await?,
        }
        answered.await.map_err(|_| Stopped)
    }
}
