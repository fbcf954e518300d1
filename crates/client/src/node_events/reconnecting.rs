//! Connections to the events of a node, one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_api::EventsRequest;
use tokio::time::Instant;

use super::{NodeEvents, NodeEventsError, StreamedItem};
use crate::endpoint::{Dial, Endpoint};
use crate::retry::RetryPauses;

/// Time after which a connection counts as one that lasts. Shorter: a node that ends each at once
/// is dialed again and again, after the shortest pause each time. Longer: one that restarts is
/// reached later.
const LASTS_FROM: Duration = Duration::from_secs(2);

/// Dials nodes for their events, again whenever that ends. The pauses between grow from 50 ms at
/// most to 2 s, and begin anew once a connection has lasted for 2 s: one that a node opens and ends
/// at once is no success.
///
/// ```
/// use acklog_api::{EventBody, EventsRequest, NodeState, view};
/// use acklog_client::{Endpoint, EventsDialer, NodeEventsError};
/// use tokio::time::sleep;
///
/// /// Prints what all nodes do, as their master tells it.
/// async fn print_events(master: Endpoint, tries: usize) -> NodeEventsError {
///     let request = EventsRequest { all_nodes: true, state: true, messages: false };
///     let mut dialer = EventsDialer::new(request);
///     let mut last = None;
///     for _ in 0..tries {
///         let error = match dialer.dial(master.clone()).await {
///             Ok(mut events) => loop {
///                 let items = match events.next_items().await {
///                     Ok(items) => items,
///                     Err(error) => break error,
///                 };
///                 for item in items {
///                     match item.name.as_str() {
///                         "" => println!("{:?}", serde_json::from_str::<EventBody>(&item.data)),
///                         view::STATE_EVENT => {
///                             println!("{:?}", serde_json::from_str::<NodeState>(&item.data));
///                         }
///                         _ => {}
///                     }
///                 }
///             },
///             Err(error) => error,
///         };
///         eprintln!("{error}");
///         last = Some(error);
///         sleep(dialer.pause()).await;
///     }
///     last.expect("it is tried once")
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
/// # let error = print_events(nobody.to_string().parse().unwrap(), 2).await;
/// # assert!(error.to_string().starts_with("cannot reach "), "{error}");
/// # }
/// ```
#[derive(Debug)]
pub struct EventsDialer {
    request: EventsRequest,
    pauses: RetryPauses,
}

/// The events of a node that was dialed. Dropping it closes the connection.
#[derive(Debug)]
pub struct DialedEvents<'a, D = Endpoint> {
    events: NodeEvents<D>,
    opened_at: Instant,
    dialer: &'a mut EventsDialer,
}

impl EventsDialer {
    /// Creates one that asks nodes for this.
    pub const fn new(request: EventsRequest) -> Self {
        Self { request, pauses: RetryPauses::new() }
    }

    /// Dials a node.
    ///
    /// # Errors
    /// As [`NodeEvents::open`].
    pub async fn dial<D: Dial>(
        &mut self,
        target: D,
    ) -> Result<DialedEvents<'_, D>, NodeEventsError> {
        let events = NodeEvents::open(target, self.request).await?;
        Ok(DialedEvents { events, opened_at: Instant::now(), dialer: self })
    }

    /// Returns the pause that is due before the next connection.
    pub fn pause(&mut self) -> Duration {
        self.pauses.pause()
    }

    /// Notes that a connection that was opened so long ago is still there.
    fn lasts(&mut self, since: Duration) {
        if since >= LASTS_FROM {
            self.pauses = RetryPauses::new();
        }
    }
}

impl<D: Dial> DialedEvents<'_, D> {
    /// Returns the items that are there, at least one. Cancel safe.
    ///
    /// # Errors
    /// As [`NodeEvents::next`].
    pub async fn next_items(&mut self) -> Result<VecDeque<StreamedItem>, NodeEventsError> {
        let items = self.events.next_items().await?;
        self.dialer.lasts(self.opened_at.elapsed());
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_node::{Script, ScriptedNode};

    const STATES: EventsRequest = EventsRequest { all_nodes: false, state: true, messages: false };

    #[tokio::test]
    async fn pauses_grow_while_each_connection_ends_at_once_and_begin_anew_after_one_that_lasts() {
        let node = ScriptedNode::start([Script::events(&["data: {}\n\n"])]).await;
        let mut dialer = EventsDialer::new(STATES);
        for _ in 0..4 {
            dialer.pause();
            let mut events = dialer.dial(node.endpoint()).await.unwrap();
            assert_eq!(events.next_items().await.unwrap().len(), 1);
            assert!(matches!(events.next_items().await, Err(NodeEventsError::Ended(_))));
        }
        dialer.lasts(LASTS_FROM - Duration::from_millis(1));
        assert!(dialer.pause() >= Duration::from_millis(400), "each is twice as long");
        dialer.lasts(LASTS_FROM);
        assert!(dialer.pause() <= Duration::from_millis(50));
    }
}
