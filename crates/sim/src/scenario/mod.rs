//! The scenario language.

mod action;
mod args;
mod backend;
mod expect;
mod health;
mod load;
mod player;
mod sent;
mod simulated;
mod step;
mod text;

use acklog_types::NodeName;

pub use action::{Action, Append, FileChange, Settings};
pub use backend::{Answer, Answered, Backend, Receipt, Shown, Ticket, Trouble};
pub use expect::{Expectation, Kind, Like};
pub use health::{Fact, MasterView, MemberView, NodeHealth, SecondaryView, Want};
pub use player::{Broken, Lacking, Player, Recorded};
pub use simulated::Simulated;
pub use step::{Line, LoadPlan, Script, Step};
pub use text::BadLine;

/// The master's name in every scenario.
pub const MASTER: &str = "master";

/// Returns the master's name as a node's name.
pub fn master() -> NodeName {
    MASTER.parse().expect("a name")
}
