//! Connections that several clients share, as clients within one process may where the protocol tells their answers
//! apart: servers then read and write more at a time, and do more.

use std::future::Future;

use acklog::cli::bench::engine::RequestFailure;
use tokio::sync::Mutex;

/// What clients are given connections from.
pub(crate) struct ConnectionPool<C> {
    /// The newest connection, and how many clients it was given to.
    newest: Mutex<Option<(C, usize)>>,
    clients_max: usize,
}

/// A connection that clients share.
pub(crate) trait SharedConnection: Clone {
    /// Whether it takes another request.
    fn is_open(&self) -> bool;
}

impl<C: SharedConnection> ConnectionPool<C> {
    pub(crate) fn new(clients_max: usize) -> Self {
        Self { newest: Mutex::new(None), clients_max }
    }

    /// The newest connection, or one that is made now.
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
