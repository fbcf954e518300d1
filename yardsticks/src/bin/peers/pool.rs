//! Connections that several clients share, as clients within one process may if the protocol tells
//! their answers apart: servers then read and write more at a time, and do more.

use std::future::Future;

use acklog::cli::bench::engine::RequestFailure;
use tokio::sync::Mutex;

/// The pool from which clients get their connections.
pub(crate) struct ConnectionPool<C> {
    /// The newest connection, and the number of clients that have it.
    newest: Mutex<Option<(C, usize)>>,
    clients_max: usize,
}

/// A connection that clients share.
pub(crate) trait SharedConnection: Clone {
    /// Returns whether the connection takes another request.
    fn is_open(&self) -> bool;
}

impl<C: SharedConnection> ConnectionPool<C> {
    pub(crate) fn new(clients_max: usize) -> Self {
        Self { newest: Mutex::new(None), clients_max }
    }

    /// Returns the newest connection, or makes one when it has enough clients.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) async fn get(
        &self,
        make: impl Future<Output = Result<C, RequestFailure>>,
    ) -> Result<C, RequestFailure> {
        let mut newest = self.newest.lock().await;
        let room = newest
            .as_mut()
            .filter(|(shared, clients)| *clients < self.clients_max && shared.is_open());
        if let Some((shared, clients)) = room {
            *clients += 1;
            return Ok(shared.clone());
        }
        let made = make.await?;
        *newest = Some((made.clone(), 1));
        Ok(made)
    }
}
