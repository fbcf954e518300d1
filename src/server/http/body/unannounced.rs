//! Bodies whose length was not announced, in the order in which they began.
//!
//! None of them knows how much memory it will need, so together they may need more than there is.
//! Then the youngest is aborted, and the older ones can finish: if each one that finds no memory
//! were refused, all of them could come far and none to its end.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};

use acklog_threads::lock;
use tokio::sync::Notify;

/// All bodies without an announced length.
#[derive(Debug, Default)]
pub(super) struct UnannouncedBodies {
    bodies: Mutex<Bodies>,
    /// Notified when one of them has ended, whichever way.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Bodies {
    next: u64,
    /// By age, the oldest first; each is notified when it is aborted.
    by_age: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one body among them.
pub(super) struct UnannouncedBody {
    all: Arc<UnannouncedBodies>,
    number: u64,
    given_up: Arc<Notify>,
}

/// The body that makes room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Yield {
    /// Another one did: there may be memory now.
    Other,
    /// The one that asked is the youngest.
    This,
}

impl UnannouncedBodies {
    /// Adds a body that begins now.
    pub(super) fn enter(self: &Arc<Self>) -> UnannouncedBody {
        let given_up = Arc::new(Notify::new());
        let mut bodies = self.bodies();
        let number = bodies.next;
        bodies.next += 1;
        bodies.by_age.insert(number, given_up.clone());
        drop(bodies);
        UnannouncedBody { all: self.clone(), number, given_up }
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        lock(&self.bodies)
    }
}

impl UnannouncedBody {
    /// Waits until this body is to make room. Cancel safe.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }

    /// Aborts the youngest body, and returns once it has ended, or once `has_room` reports enough
    /// memory. Cancel safe.
    pub(super) async fn ask_for_room(&self, has_room: impl FnOnce() -> bool) -> Yield {
        let mut ended = pin!(self.all.ended.notified());
        // From here on no end is missed.
        ended.as_mut().enable();
        let youngest = {
            let bodies = self.all.bodies();
            bodies.by_age.last_key_value().map(|(&number, notify)| (number, notify.clone()))
        };
        match youngest {
            Some((number, notify)) if number != self.number => notify.notify_one(),
            _ => return Yield::This,
        }
        if has_room() {
            return Yield::Other;
        }
        tokio::select! {
            biased;
            () = self.given_up() => Yield::This,
            () = ended => Yield::Other,
        }
    }
}

impl Drop for UnannouncedBody {
    fn drop(&mut self) {
        self.all.bodies().by_age.remove(&self.number);
        self.all.ended.notify_waiters();
    }
}
