//! Clients of a load: each sends one message after the other beside the steps of a scenario.

use std::time::Duration;

use acklog_types::WriteConcern;

use super::action::AppendStep;
use super::backend::{Backend, Reply, Ticket, Trouble};
use super::sent::SentMessages;
use super::step::LoadPlan;

/// Pause before a message is sent again. Longer: a client notices later that the master is back.
/// Shorter: a master that is down is tried without end.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Clients of one `load` step.
#[derive(Debug)]
pub(super) struct Load {
    plan: LoadPlan,
    clients: Vec<LoadingClient>,
    answered: u64,
}

#[derive(Debug)]
struct LoadingClient {
    number: usize,
    /// Number of its messages that are done.
    done: usize,
    waiting: Option<Ticket>,
    not_before: Duration,
}

impl Load {
    pub(super) fn new(plan: LoadPlan) -> Self {
        let client =
            |number| LoadingClient { number, done: 0, waiting: None, not_before: Duration::ZERO };
        let clients = (1..=plan.clients).map(client).collect();
        Self { plan, clients, answered: 0 }
    }

    /// Returns the number of messages that got a reply.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Returns whether all clients are done.
    pub(super) fn is_done(&self) -> bool {
        self.clients.iter().all(|client| client.done == self.plan.each)
    }

    /// Takes in the replies to the clients, and sends their next messages.
    ///
    /// # Errors
    /// When the run is ended.
    pub(super) fn go_on(
        &mut self,
        backend: &mut impl Backend,
        sent: &mut SentMessages,
    ) -> Result<(), Trouble> {
        for client in &mut self.clients {
            if let Some(ticket) = client.waiting
                && let Some(answered) = backend.answer(ticket)
            {
                client.waiting = None;
                if self.plan.retry && !matches!(answered.answer, Reply::Stored(_)) {
                    client.not_before = backend.now() + RETRY_PAUSE;
                } else {
                    client.done += 1;
                    self.answered += 1;
                }
            }
            let is_idle = client.waiting.is_none() && backend.now() >= client.not_before;
            if is_idle && client.done < self.plan.each {
                let append = client.next(&self.plan);
                let ticket = backend.append(&append)?;
                client.waiting = Some(ticket);
                sent.note(append, ticket);
            }
        }
        Ok(())
    }
}

impl LoadingClient {
    /// Creates the next message of the client.
    fn next(&self, plan: &LoadPlan) -> AppendStep {
        let (client, number) = (self.number, self.done + 1);
        let text = format!("client{client}-{number}");
        let write_concern = match (client + number) % 4 {
            0 => WriteConcern::Majority,
            nodes => WriteConcern::Nodes(nodes as u64),
        };
        let key = plan.retry.then(|| format!("key-of-{text}").parse().expect("a key"));
        AppendStep {
            label: text.clone(),
            texts: vec![text],
            write_concern: Some(write_concern),
            timeout: Some(plan.timeout),
            key,
            expected_end: None,
        }
    }
}
