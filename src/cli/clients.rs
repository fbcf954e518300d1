//! A client of several nodes: asks the first that can be reached and takes the request.

use std::time::Duration;

use acklog_api::{Health, paths};
use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::watch;

use super::NodeUrl;
use super::client::{Answer, Client, READ_TIMEOUT, Unreachable};

/// Clients of the nodes that a command may ask.
pub(super) struct Clients {
    clients: Vec<Client>,
    /// The one that took the last request.
    current: usize,
    is_waiting: watch::Sender<bool>,
}

impl Clients {
    pub(super) fn new(urls: &[NodeUrl]) -> Self {
        let is_waiting = watch::Sender::new(false);
        let client = |url: &NodeUrl| Client::new(url.clone()).telling(is_waiting.clone());
        Self { clients: urls.iter().map(client).collect(), current: 0, is_waiting }
    }

    /// Whether a request was sent whose answer has not begun to come.
    pub(super) fn is_waiting(&self) -> watch::Receiver<bool> {
        self.is_waiting.subscribe()
    }

    /// Asks the first node that can be reached.
    ///
    /// # Errors
    /// When none can be reached, or the one that is asked falls silent.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None, Bytes::new(), Some(READ_TIMEOUT)).await
    }

    /// Sends a request to the first node that can be reached and takes it: a secondary does not
    /// take what is for the master. A request whose answer is lost goes to no other node, since it
    /// may have been carried out.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Unreachable`] where no node can be reached.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        patience: Option<Duration>,
    ) -> anyhow::Result<Answer> {
        let (mut refusal, mut unreachable) = (None, Vec::new());
        for number in (self.current..self.clients.len()).chain(0..self.current) {
            let Some(client) = self.clients.get_mut(number) else { continue };
            match client.call_with(method.clone(), path, key, body.clone(), patience).await {
                Ok(answer) if answer.status == StatusCode::METHOD_NOT_ALLOWED => {
                    refusal = Some(answer);
                }
                Ok(answer) => {
                    self.current = number;
                    return Ok(answer);
                }
                Err(error) => unreachable.push(error.downcast::<Unreachable>()?),
            }
        }
        match (refusal, Unreachable::of_all(unreachable)) {
            (Some(refusal), None) => Ok(refusal),
            (Some(refusal), Some(unreachable)) => bail!("{}; {unreachable}", refusal.detail()),
            (None, Some(unreachable)) => Err(unreachable.into()),
            (None, None) => bail!("no node to ask"),
        }
    }

    /// The client of the node that took the last request.
    pub(super) fn current(&mut self) -> Option<&mut Client> {
        self.clients.get_mut(self.current)
    }
}

/// The first of several nodes that is a master, else the first that can be reached, which then says why it takes
/// nothing. A single node is taken as it is.
pub(super) async fn master_of(urls: &[NodeUrl]) -> anyhow::Result<NodeUrl> {
    let mut reached = None;
    for url in urls {
        let answer = match urls.len() {
            1 => return Ok(url.clone()),
            _ => Client::new(url.clone()).get(paths::HEALTH).await,
        };
        let Ok(answer) = answer else { continue };
        if let Ok(Health::Master(_)) = serde_json::from_slice(&answer.body) {
            return Ok(url.clone());
        }
        reached = reached.or_else(|| answer.json().is_ok().then(|| url.clone()));
    }
    reached.context("no node can be reached: is the cluster up?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::TestNode;

    fn nobody() -> NodeUrl {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        NodeUrl::local(listener.local_addr().unwrap().port())
    }

    async fn post(urls: &[NodeUrl]) -> anyhow::Result<Answer> {
        Clients::new(urls).call(Method::POST, "/messages", None, Bytes::new(), None).await
    }

    #[tokio::test]
    async fn the_first_that_can_be_reached_and_takes_the_request_answers() {
        let secondary = TestNode::recording(405, r#"{"detail": "not the master"}"#).await.0;
        let (master, requests) = TestNode::recording(201, "{}").await;
        let urls = [nobody(), secondary.url(), master.url()];
        let mut clients = Clients::new(&urls);
        for _ in 0..2 {
            let call = clients.call(Method::POST, "/messages", None, Bytes::new(), None);
            assert_eq!(call.await.unwrap().status, 201);
        }
        assert_eq!(requests.lock().unwrap().len(), 2);
        // What took the last request is asked first.
        assert_eq!(secondary.connections(), 1);
        let refused = post(&[secondary.url()]).await.unwrap();
        assert_eq!(refused.status, 405);
        let error = post(&[nobody(), secondary.url()]).await.unwrap_err().to_string();
        assert!(error.starts_with("not the master; cannot reach "), "{error}");
    }

    #[tokio::test]
    async fn each_node_that_cannot_be_reached_is_named() {
        let urls = [nobody(), nobody()];
        let error = post(&urls).await.unwrap_err();
        assert!(error.is::<Unreachable>());
        let error = error.to_string();
        for url in urls {
            assert!(error.contains(&format!("cannot reach {url}: ")), "{error}");
        }
    }
}
