//! A client of several nodes: asks the first that can be reached and takes the request.

use std::time::Duration;

use acklog_api::{Health, paths};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use thiserror::Error;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::endpoint::{Dial, Endpoint};
use crate::node::{CallError, NodeClient, READ_TIMEOUT, Unreachable};

/// Clients of the nodes that may be asked.
#[derive(Debug)]
pub struct NodesClient<D = Endpoint> {
    clients: Vec<NodeClient<D>>,
    /// The one that took the last request.
    current: usize,
    is_waiting: watch::Sender<bool>,
}

/// The reason why none of several nodes took a request.
#[derive(Debug, Error)]
pub enum NodesError {
    /// No node can be reached, or the one that was asked gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Those that can be reached refuse, and others cannot be reached.
    #[error("{}; {unreachable}", answer.detail())]
    Refused {
        /// The refusal of the last one.
        answer: Box<Answer>,
        /// The others.
        unreachable: Unreachable,
    },
    /// There is no node.
    #[error("no node to ask")]
    Nobody,
}

impl<D: Dial> NodesClient<D> {
    /// Returns a client of these nodes; the first one is asked first.
    pub fn new(targets: &[D]) -> Self {
        let is_waiting = watch::Sender::new(false);
        let client = |target: &D| NodeClient::new(target.clone()).telling(is_waiting.clone());
        Self { clients: targets.iter().map(client).collect(), current: 0, is_waiting }
    }

    /// Returns whether a request was sent whose answer has not begun to come.
    pub fn is_waiting(&self) -> watch::Receiver<bool> {
        self.is_waiting.subscribe()
    }

    /// Asks the first node that can be reached.
    ///
    /// # Errors
    /// When none can be reached, or the one that is asked falls silent.
    pub async fn get(&mut self, path: &str) -> Result<Answer, NodesError> {
        self.call(Method::GET, path, None, Bytes::new(), Some(READ_TIMEOUT)).await
    }

    /// Sends a request to the first node that can be reached and takes it: a secondary does not
    /// take what is for the master. A request whose answer is lost goes to no other node, since it
    /// may have been carried out.
    ///
    /// # Errors
    /// As [`NodeClient::call`]; [`CallError::Unreachable`] where no node can be reached.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        patience: Option<Duration>,
    ) -> Result<Answer, NodesError> {
        let (mut refusal, mut unreachable) = (None, Vec::new());
        for number in (self.current..self.clients.len()).chain(0..self.current) {
            let Some(client) = self.clients.get_mut(number) else { continue };
            match client.call(method.clone(), path, key, body.clone(), patience).await {
                Ok(answer) if answer.status == StatusCode::METHOD_NOT_ALLOWED => {
                    refusal = Some(answer);
                }
                Ok(answer) => {
                    self.current = number;
                    return Ok(answer);
                }
                Err(CallError::Unreachable(error)) => unreachable.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        match (refusal, Unreachable::of_all(unreachable)) {
            (Some(refusal), None) => Ok(refusal),
            (Some(refusal), Some(unreachable)) => {
                Err(NodesError::Refused { answer: Box::new(refusal), unreachable })
            }
            (None, Some(unreachable)) => Err(CallError::from(unreachable).into()),
            (None, None) => Err(NodesError::Nobody),
        }
    }

    /// Returns the client of the node that took the last request.
    pub fn current(&mut self) -> Option<&mut NodeClient<D>> {
        self.clients.get_mut(self.current)
    }

    /// Has another node be asked first from now on.
    pub fn rotate(&mut self) {
        self.current = (self.current + 1) % self.clients.len().max(1);
    }
}

/// Returns the first of several nodes that is a master, else the first that can be reached, which
/// then says why it takes nothing. A single node is taken as it is. `None` where none can be
/// reached.
pub async fn master_of<D: Dial>(targets: &[D]) -> Option<D> {
    if let [only] = targets {
        return Some(only.clone());
    }
    let mut reached = None;
    for target in targets {
        let Ok(answer) = NodeClient::new(target.clone()).get(paths::HEALTH).await else { continue };
        match answer.parsed::<Health>() {
            Ok(Health::Master(_)) => return Some(target.clone()),
            Ok(Health::Secondary(_)) => reached = reached.or_else(|| Some(target.clone())),
            Err(_) => {}
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_node::TestNode;

    fn nobody() -> Endpoint {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Endpoint::local(listener.local_addr().unwrap().port())
    }

    async fn post(nodes: &mut NodesClient) -> Result<Answer, NodesError> {
        nodes.call(Method::POST, "/messages", None, Bytes::new(), None).await
    }

    #[tokio::test]
    async fn the_first_that_can_be_reached_and_takes_the_request_answers() {
        let secondary = TestNode::recording(405, r#"{"detail": "not the master"}"#).await.0;
        let (master, requests) = TestNode::recording(201, "{}").await;
        let mut nodes = NodesClient::new(&[nobody(), secondary.endpoint(), master.endpoint()]);
        for _ in 0..2 {
            assert_eq!(post(&mut nodes).await.unwrap().status, 201);
        }
        assert_eq!(requests.lock().unwrap().len(), 2);
        // What took the last request is asked first.
        assert_eq!(secondary.connections(), 1);
        let refused = post(&mut NodesClient::new(&[secondary.endpoint()])).await.unwrap();
        assert_eq!(refused.status, 405);
        let mut nodes = NodesClient::new(&[nobody(), secondary.endpoint()]);
        let error = post(&mut nodes).await.unwrap_err().to_string();
        assert!(error.starts_with("not the master; cannot reach "), "{error}");
    }
}
