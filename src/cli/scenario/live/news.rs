//! What real nodes tell, for the stream of a run.

use std::time::{Duration, SystemTime};

use acklog_api::RecordedItem;
use acklog_sim::scenario::Trouble;

use super::{Live, unless_interrupted};
use crate::cli::scenario::keys::EnterKey;
use crate::cli::scenario::nodes::Nodes;
use crate::cli::scenario::performance::Source;

/// Real nodes, which tell by themselves what they do.
pub(in crate::cli::scenario) struct LiveNews;

impl<N: Nodes> Source<Live<N>> for LiveNews {
    fn take(&mut self, _: &mut Live<N>) -> Vec<RecordedItem> {
        Vec::new()
    }

    fn now(&self, _: &Live<N>) -> u64 {
        wall_clock_us()
    }

    fn wait(&mut self, backend: &mut Live<N>, key: &mut EnterKey) -> Result<(), Trouble> {
        let pressed = async {
            key.pressed().await;
            Ok(())
        };
        backend.runtime.block_on(unless_interrupted(&mut backend.stopped, pressed))
    }
}

/// Returns microseconds since 1970; 0 for a clock before that.
fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_micros() as u64
}
