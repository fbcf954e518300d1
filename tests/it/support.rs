//! The tools of all integration tests: nodes as child processes, requests to them, and waiting for
//! conditions.

mod damaged;
mod follower;
mod http;
mod nodes;
mod process;
mod recording;
mod scenario;
mod stream;
#[cfg(target_os = "linux")]
mod terminal;
mod wait;

pub use damaged::*;
pub use follower::*;
pub use http::*;
pub use nodes::*;
pub use process::*;
pub use recording::*;
pub use scenario::*;
pub use stream::*;
#[cfg(target_os = "linux")]
pub use terminal::*;
pub use wait::*;
