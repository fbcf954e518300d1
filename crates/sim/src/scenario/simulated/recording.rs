//! Recording of all clusters of a scenario, one after the other.

use std::time::Duration;

use super::Simulated;
use crate::{Cluster, News};

/// What earlier clusters of a scenario told.
#[derive(Debug, Default)]
pub(super) struct EarlierNews {
    news: Vec<News>,
    /// Time that passed in them.
    time: Duration,
}

impl Simulated {
    /// Records what happens from here on, for [`Simulated::take_news`].
    pub fn record(&mut self) {
        self.recording.get_or_insert_default();
        self.cluster.record();
    }

    /// Takes out what was told since the last call, in the order of virtual time, which goes on
    /// through all clusters of the scenario; nothing where nothing is recorded.
    pub fn take_news(&mut self) -> Vec<News> {
        let Some(earlier) = &mut self.recording else { return Vec::new() };
        let mut news = std::mem::take(&mut earlier.news);
        news.extend(earlier.moved(self.cluster.take_news()));
        news
    }

    /// Returns the virtual time since the beginning of the scenario, where it is recorded.
    pub fn recorded_time(&self) -> Duration {
        let earlier = self.recording.as_ref().map(|earlier| earlier.time);
        earlier.unwrap_or_default() + self.cluster.now()
    }

    /// Goes on with another cluster. One in which no time passed was never seen.
    pub(super) fn replace_cluster(&mut self, mut next: Cluster) {
        if let Some(earlier) = &mut self.recording {
            if !self.cluster.now().is_zero() {
                let last = self.cluster.take_last_news();
                earlier.news.extend(earlier.moved(last));
                earlier.time += self.cluster.now();
            }
            next.record();
        }
        self.cluster = next;
    }
}

impl EarlierNews {
    /// Returns what the present cluster told, by the time of the scenario.
    fn moved(&self, news: Vec<News>) -> Vec<News> {
        news.into_iter().map(|it| News { at: self.time + it.at, ..it }).collect()
    }
}
