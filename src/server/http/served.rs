//! The node that is served, whatever its role.

use std::sync::Arc;

use acklog_api::{Health, Role};

use super::config::ServedNode;
use super::health::{HealthReport, OfSecondary};
use crate::server::node::{EventHub, NodeFaults, NodeStopped, SecondaryHandle};

impl ServedNode {
    /// Returns the role of the node.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Master(_) => Role::Master,
            Self::Secondary(_) => Role::Secondary,
        }
    }

    /// Returns the events of the node.
    pub(super) fn events(&self) -> &Arc<EventHub> {
        match self {
            Self::Master(master) => master.events(),
            Self::Secondary(secondary) => secondary.events(),
        }
    }

    /// Returns the handle of the node's faults.
    pub(super) fn faults(&self) -> &NodeFaults {
        match self {
            Self::Master(master) => master.faults(),
            Self::Secondary(secondary) => secondary.faults(),
        }
    }

    /// Returns the health of the node.
    ///
    /// # Errors
    /// When the node has stopped.
    pub(super) async fn health(&self) -> Result<Health, NodeStopped> {
        Ok(match self {
            Self::Master(master) => master.health().await?.report(),
            Self::Secondary(secondary) => health_of(secondary).await?.report(),
        })
    }
}

/// Returns the health of a secondary.
///
/// # Errors
/// When the node has stopped.
pub(super) async fn health_of(secondary: &SecondaryHandle) -> Result<OfSecondary, NodeStopped> {
    Ok(OfSecondary(secondary.health().await?, secondary.master_address().to_string()))
}
